/* By Slurm's srun, as a step of the allocation we are in. Of our own step, if we are a task, it knows nothing: all it
 * is to heed stands on its command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/launch.h"

static const char *const env[] = { "OMPI_MCA_mpi_yield_when_idle=1", NULL };

/* "a:2,b:1" -> "a,a,b", a place for each rank, in order. */
static df_code spell_out(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    size_t n = 0;
    int places = 0;
    for (const char *at = cfg->hosts; *at;) {
        int name = (int)strcspn(at, ":,"), entry = (int)strcspn(at, ",");
        long count = at[name] == ':' ? strtol(at + name + 1, NULL, 10) : 1;
        if (!name || count < 1) return df_err_set(err, DF_EINVAL, "hosts must be like a:2,b:2, not '%s'", cfg->hosts);
        for (long i = 0; i < count && places < cfg->n_ranks; i++, places++) {
            int put = snprintf(l->places + n, sizeof l->places - n, "%s%.*s", n ? "," : "", name, at);
            if (put < 0 || n + (size_t)put >= sizeof l->places)
                return df_err_set(err, DF_ELIMIT, "the names of hosts are too long");
            n += (size_t)put;
        }
        at += entry + (at[entry] == ',');
    }
    return places == cfg->n_ranks
               ? DF_OK
               : df_err_set(err, DF_EINVAL, "'%s' has %d places for %d ranks", cfg->hosts, places, cfg->n_ranks);
}

/* Slurm sorts the nodes of any other distribution. */
static df_code add_places(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    df_code rc = DF_OK;
    if (cfg->hosts && (rc = spell_out(l, cfg, err))) return rc;
    if (cfg->here) {
        snprintf(l->places, sizeof l->places, "%s", cfg->in.node);
        rc = df_launch_add(l, "--nodes=1", err);
    } else if (cfg->hosts) {
        rc = df_launch_add(l, "--distribution=arbitrary", err);
    }
    if (rc || !*l->places) return rc;
    rc = df_launch_add(l, "--nodelist", err);
    return rc ? rc : df_launch_add(l, l->places, err);
}

/* The cores of a step that we are a task of are ours already; --exact would look for others. */
static df_code add_cores(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    df_code rc = DF_OK;
    if (cfg->threads && !cfg->in.in_step) {
        snprintf(l->threads, sizeof l->threads, "--cpus-per-task=%d", cfg->threads);
        rc = df_launch_add(l, "--exact", err);
        return rc ? rc : df_launch_add(l, l->threads, err);
    }
    rc = df_launch_add(l, "--overlap", err);
    return rc ? rc : df_launch_add(l, "--overcommit", err);
}

df_code df_launch_srun(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    const char *const head[] = { "srun", "--quiet", "--input=none", "--kill-on-bad-exit=1",
                                 l->job, l->mpi,    "--ntasks",     l->ranks };
    df_code rc = DF_OK;
    if (!*cfg->in.job)
        return df_err_set(
            err, DF_EUNSUPPORTED,
            "srun starts ranks inside an allocation of Slurm (salloc, sbatch), and this process is in none: "
            "take --launcher mpirun");
    l->env = env;
    l->clean = l->cleans_up = true;
    snprintf(l->job, sizeof l->job, "--jobid=%s", cfg->in.job);
    snprintf(l->mpi, sizeof l->mpi, "--mpi=%s", cfg->mpi ? cfg->mpi : "pmix");
    for (size_t i = 0; i < sizeof head / sizeof *head && !rc; i++) rc = df_launch_add(l, head[i], err);
    if (!rc) rc = add_places(l, cfg, err);
    return rc ? rc : add_cores(l, cfg, err);
}
