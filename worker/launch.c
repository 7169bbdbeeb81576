#include "worker/launch.h"

#include <stdio.h>
#include <string.h>

#include "worker/child.h"

static const char *const names[] = { "auto", "mpirun", "srun" };

const char *df_launcher_name(df_launcher by) {
    return names[by];
}

int df_launcher_of(const char *name) {
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

df_code df_launch_add(df_launch *l, const char *arg, df_err *err) {
    if (l->n == DF_LAUNCH_MAX_ARGS - 1)
        return df_err_set(err, DF_ELIMIT, "more than %d arguments for %s", DF_LAUNCH_MAX_ARGS - 1, l->argv[0]);
    l->argv[l->n++] = arg;
    l->argv[l->n] = NULL;
    return DF_OK;
}

df_code df_launch_begin(df_launch *l, const df_launch_cfg *cfg, df_err *err) {
    *l = (df_launch) { 0 };
    snprintf(l->ranks, sizeof l->ranks, "%d", cfg->n_ranks);
    df_code rc = df_child_self(l->self, sizeof l->self, err);
    if (!rc) rc = cfg->by == DF_LAUNCHER_SRUN ? df_launch_srun(l, cfg, err) : df_launch_mpirun(l, cfg, err);
    for (const char *const *o = cfg->options; o && *o && !rc; o++) rc = df_launch_add(l, *o, err);
    return rc ? rc : df_launch_add(l, l->self, err);
}
