#include "worker/launch_choice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "worker/trial.h"

const char *df_launch_mpi_kind(const char *list, int n) {
    static const char *const kinds[] = { "pmix", "pmi2" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strstr(list, kinds[i]) && n-- == 0) return kinds[i];
    return NULL;
}

/* One rank on each of the first two hosts. */
static const char *two_hosts(const char *hosts, char *out, size_t out_bytes) {
    int first = (int)strcspn(hosts, ":,");
    const char *next = strchr(hosts, ',');
    if (next)
        snprintf(out, out_bytes, "%.*s:1,%.*s:1", first, hosts, (int)strcspn(next + 1, ":,"), next + 1);
    else
        snprintf(out, out_bytes, "%.*s:2", first, hosts);
    return out;
}

/* Open MPI says so on a page behind other lines, if its rank gets that far before the other's end ends it. */
static bool finds_no_pmi(const char *text) {
    return strstr(text, "not built with SLURM's PMI") || strstr(text, "OPAL ERROR: Unreachable");
}

/* A launcher and an MPI that do not know each other start two times one rank. */
static bool found_each_other(const df_trial *t, char *how, size_t how_bytes) {
    const char *told = strstr(t->text, "ranks ");
    bool works = df_trial_succeeded(t) && told && !strncmp(told, "ranks 2", 7);
    if (works)
        snprintf(how, how_bytes, "%.*s", (int)strcspn(told, "\n"), told);
    else if (finds_no_pmi(t->text))
        snprintf(how, how_bytes, "Open MPI was not built with Slurm's PMI support, or for another kind of it");
    else if (df_trial_succeeded(t))
        snprintf(how, how_bytes, "each rank is alone: this MPI was built without it");
    else
        df_trial_why(t, how, how_bytes);
    return works;
}

bool df_launch_works(const df_launch_cfg *cfg, const char *const *probe, int seconds, char *how, size_t how_bytes) {
    char hosts[512];
    df_launch l;
    df_trial t;
    df_err err;
    df_launch_cfg two = *cfg;
    two.n_ranks = 2;
    if (cfg->hosts) two.hosts = two_hosts(cfg->hosts, hosts, sizeof hosts);
    df_code rc = df_launch_begin(&l, &two, &err);
    for (; *probe && !rc; probe++) rc = df_launch_add(&l, *probe, &err);
    if (rc) {
        snprintf(how, how_bytes, "%s", err.text);
        return false;
    }
    df_trial_run(&t, l.argv, l.env, l.clean, seconds);
    return found_each_other(&t, how, how_bytes);
}

static bool has_mpirun(int seconds) {
    static const char *const argv[] = { "mpirun", "--version", NULL };
    df_trial t;
    df_trial_run(&t, argv, NULL, true, seconds);
    return df_trial_succeeded(&t);
}

static void list_mpi(df_trial *t, int seconds) {
    static const char *const argv[] = { "srun", "--mpi=list", NULL };
    df_trial_run(t, argv, NULL, true, seconds);
    if (!t->started) t->text[0] = '\0';
}

/* srun was asked for: it starts, or fails with its own words. */
static df_code name_mpi(df_launch_cfg *cfg, df_launch_choice *out, int seconds, df_err *err) {
    df_trial t;
    if (cfg->mpi) return DF_OK;
    list_mpi(&t, seconds);
    const char *kind = df_launch_mpi_kind(t.text, 0);
    if (!kind)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "srun %s: ask for Slurm's PMIx plugin, name another with --mpi KIND, or take --launcher "
                          "mpirun",
                          t.started ? "knows neither pmix nor pmi2 (srun --mpi=list)" : "is not installed here");
    snprintf(out->mpi, sizeof out->mpi, "%s", kind);
    cfg->mpi = out->mpi;
    return DF_OK;
}

static void add_why(df_launch_choice *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_why(df_launch_choice *out, const char *format, ...) {
    size_t n = strlen(out->why);
    va_list args;
    va_start(args, format);
    vsnprintf(out->why + n, sizeof out->why - n, format, args);
    va_end(args);
}

static bool try_kind(const df_launch_cfg *cfg, df_launch_choice *out, const char *kind, const char *const *probe,
                     int seconds) {
    char how[200];
    df_launch_cfg srun = *cfg;
    srun.by = DF_LAUNCHER_SRUN;
    srun.mpi = kind;
    bool works = df_launch_works(&srun, probe, seconds, how, sizeof how);
    add_why(out, "; srun --mpi=%s %s: %s", kind, works ? "works" : "does not work", how);
    if (works) snprintf(out->mpi, sizeof out->mpi, "%s", kind);
    return works;
}

/* True if srun works in one of the ways that the site has. */
static bool try_srun(const df_launch_cfg *cfg, df_launch_choice *out, const char *const *probe, int seconds) {
    df_trial t;
    const char *kind;
    list_mpi(&t, seconds);
    if (!t.started) {
        add_why(out, "; there is no srun");
        return false;
    }
    if (cfg->mpi) return try_kind(cfg, out, cfg->mpi, probe, seconds);
    for (int i = 0; (kind = df_launch_mpi_kind(t.text, i)); i++)
        if (try_kind(cfg, out, kind, probe, seconds)) return true;
    if (!df_launch_mpi_kind(t.text, 0)) add_why(out, "; srun --mpi=list has neither pmix nor pmi2");
    return false;
}

df_code df_launch_choose(df_launch_cfg *cfg, df_launch_choice *out, const char *const *probe, int seconds,
                         df_err *err) {
    bool spread = !cfg->here && (cfg->hosts ? strchr(cfg->hosts, ',') != NULL : cfg->in.n_nodes > 1);
    df_launch trial;
    *out = (df_launch_choice) { .why = "asked for" };
    if (cfg->by == DF_LAUNCHER_SRUN) {
        df_code rc = df_launch_begin(&trial, cfg, err); /* is there an allocation, and a place for each rank? */
        return rc ? rc : name_mpi(cfg, out, seconds, err);
    }
    if (cfg->by == DF_LAUNCHER_MPIRUN) return DF_OK;
    cfg->by = DF_LAUNCHER_MPIRUN;
    if (!*cfg->in.job) {
        snprintf(out->why, sizeof out->why, "not in an allocation of Slurm");
        return DF_OK;
    }
    snprintf(out->why, sizeof out->why, "%s", spread ? "ranks on several nodes" : "all ranks are on this node");
    if (!spread && has_mpirun(seconds)) return DF_OK;
    if (!spread) snprintf(out->why, sizeof out->why, "there is no mpirun");
    if (!try_srun(cfg, out, probe, seconds)) return DF_OK;
    cfg->by = DF_LAUNCHER_SRUN;
    cfg->mpi = out->mpi;
    return DF_OK;
}
