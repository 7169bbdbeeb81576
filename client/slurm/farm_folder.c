#include "client/slurm/farm_folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "client/slurm/scripts.h"
#include "worker/child.h"

#define MAX_CONF_BYTES ((size_t)4 << 20)

/* As one word of bash, whatever is in it. */
static void put_word(FILE *to, const char *text) {
    fputc('\'', to);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    }
    fputc('\'', to);
}

static void put_value(FILE *to, const char *name, const char *text) {
    fprintf(to, "%s=", name);
    put_word(to, text);
    fputc('\n', to);
}

static void put_conf(FILE *to, const char *farm, const char *self, const char *here, const df_slurm_options *o) {
    fputs("# What this farm renders; written by `diffarm slurm submit`, read by roles.bash.\n", to);
    put_value(to, "FARM", farm);
    put_value(to, "DIFFARM", self);
    put_value(to, "START_DIR", here);
    put_value(to, "MANIFEST", o->manifest);
    put_value(to, "MODEL", o->model);
    put_value(to, "OUT", o->out);
    if (o->traces) put_value(to, "TRACES", o->traces);
    fprintf(to, "NODES=%d\nTIME=%s\nPIPELINE=%d\nELASTIC=%s\nRENDER_OPTIONS=(", o->nodes, o->time, o->pipeline,
            o->elastic ? "1" : "");
    for (int i = 0; i < o->n_render; i++) {
        if (i) fputc(' ', to);
        put_word(to, o->render[i]);
    }
    fputs(")\n", to);
    if (o->launcher) put_value(to, "LAUNCHER", o->launcher);
    if (o->ranks_per_node) fprintf(to, "RANKS_PER_NODE=%d\n", o->ranks_per_node);
}

/* Caller frees. NULL when out of memory, or when the program cannot find itself. */
static char *conf_text(const char *farm, const df_slurm_options *o, size_t *bytes, df_err *err) {
    char self[PATH_MAX], here[PATH_MAX], *text = NULL;
    if (df_child_self(self, sizeof self, err)) return NULL;
    if (!getcwd(here, sizeof here)) {
        df_err_errno(err, errno, "the current folder");
        return NULL;
    }
    FILE *to = open_memstream(&text, bytes);
    if (to) put_conf(to, farm, self, here, o);
    if (to && !fclose(to)) return text;
    df_err_set(err, DF_ENOMEM, "farm.conf");
    return NULL;
}

static df_code write_in(const char *dir, const char *name, const void *data, size_t bytes, mode_t mode, df_err *err) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", dir);
    df_code rc = df_file_write(path, data, bytes, err);
    return !rc && chmod(path, mode) ? df_err_errno(err, errno, "%s", path) : rc;
}

static df_code write_conf(const char *dir, const char *farm, const df_slurm_options *o, df_err *err) {
    char path[PATH_MAX], *before = NULL;
    size_t bytes, bytes_before;
    if ((size_t)snprintf(path, sizeof path, "%s/farm.conf", dir) >= sizeof path)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", dir);
    char *text = conf_text(farm, o, &bytes, err);
    if (!text) return err ? err->code : DF_ENOMEM;
    df_code rc = df_file_read(path, MAX_CONF_BYTES, &before, &bytes_before, err);
    if (rc == DF_ENOTFOUND)
        rc = write_in(dir, "farm.conf", text, bytes, 0600, err);
    else if (!rc && (bytes != bytes_before || memcmp(text, before, bytes) != 0))
        rc =
            df_err_set(err, DF_EEXIST,
                       "%s: this is the farm of another submission; to go on with that one give its options, else name "
                       "another folder with --farm",
                       path);
    free(before);
    free(text);
    return rc;
}

static df_code write_scripts(const char *dir, df_err *err) {
    const struct {
        const char *name;
        const unsigned char *text;
        size_t bytes;
    } files[] = {
        { "roles.bash", df_slurm_roles_bash, df_slurm_roles_bash_bytes },
        { "keep_worker.bash", df_slurm_keep_worker_bash, df_slurm_keep_worker_bash_bytes },
        { "launch", df_slurm_launch, df_slurm_launch_bytes },
        { "farm.sbatch", df_slurm_farm_sbatch, df_slurm_farm_sbatch_bytes },
        { "coordinator.sbatch", df_slurm_coordinator_sbatch, df_slurm_coordinator_sbatch_bytes },
        { "workers.sbatch", df_slurm_workers_sbatch, df_slurm_workers_sbatch_bytes },
        { "submit.sbatch", df_slurm_submit_sbatch, df_slurm_submit_sbatch_bytes },
    };
    df_code rc = DF_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && !rc; i++)
        rc = write_in(dir, files[i].name, files[i].text, files[i].bytes, 0700, err);
    return rc;
}

static df_code write_site(const char *dir, const char *site, df_err *err) {
    char *text = NULL;
    size_t bytes;
    if (!site) return write_in(dir, "site.conf", df_slurm_site_conf, df_slurm_site_conf_bytes, 0600, err);
    df_code rc = df_file_read(site, MAX_CONF_BYTES, &text, &bytes, err);
    if (!rc) rc = write_in(dir, "site.conf", text, bytes, 0600, err);
    free(text);
    return rc;
}

df_code df_farm_folder_write(const char *dir, const char *farm, const df_slurm_options *o, df_err *err) {
    df_code rc = df_file_mkdirs(dir, err);
    if (!rc && chmod(dir, 0700)) rc = df_err_errno(err, errno, "%s", dir);
    if (!rc) rc = write_conf(dir, farm, o, err);
    if (!rc) rc = write_scripts(dir, err);
    return rc ? rc : write_site(dir, o->site, err);
}
