#include "client/costs_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_PLAN_COSTS = 0x8800, OPT_PLAN_CACHE };

static const struct argp_option option_table[] = {
    { "plan-costs", OPT_PLAN_COSTS, "HOW", 0,
      "What pipelines are cut by: costs of nodes that are measured where they are not known, anew, known ones only, or "
      "modelled (workers: measured; else: known)",
      2 },
    { "plan-cache", OPT_PLAN_CACHE, "DIR", 0, "Measured costs are kept there (~/.cache/diffarm)", 2 },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_costs_options *o = state->input;
    switch (key) {
    case OPT_PLAN_COSTS:
        if (!df_costs_mode_of(arg, &o->mode))
            argp_error(state, "--plan-costs must be measured, anew, known or modelled, not '%s'", arg);
        o->told = true;
        return 0;
    case OPT_PLAN_CACHE:
        if (!*arg || (size_t)snprintf(o->dir, sizeof o->dir, "%s", arg) >= sizeof o->dir)
            argp_error(state, "--plan-cache must be a folder, not '%.80s'", arg);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp df_costs_argp = { .options = option_table, .parser = parse };

void df_costs_options_init(df_costs_options *o, df_costs_mode otherwise) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = 0;
    *o = (df_costs_options) { .mode = otherwise };
    if (cache && *cache == '/')
        n = snprintf(o->dir, sizeof o->dir, "%s/diffarm", cache);
    else if (home && *home == '/')
        n = snprintf(o->dir, sizeof o->dir, "%s/.cache/diffarm", home);
    if (n < 0 || (size_t)n >= sizeof o->dir) o->dir[0] = '\0';
}

df_costs_cfg df_costs_options_cfg(const df_costs_options *o) {
    bool kept = o->dir[0];
    return (df_costs_cfg) { .mode = kept || o->told ? o->mode : DF_COSTS_MODELLED, .dir = kept ? o->dir : NULL };
}

void df_costs_warn(void *nothing, const char *text) {
    (void)nothing;
    fprintf(stderr, "diffarm: warning: %s\n", text);
}
