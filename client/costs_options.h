/* Where the costs come from that pipelines are cut by: --plan-costs and --plan-cache, as an argp child.
 *
 *   df_costs_options o;  df_costs_options_init(&o, DF_COSTS_MEASURED);   then parse with df_costs_argp, input &o
 *   df_costs_cfg cfg = df_costs_options_cfg(&o);  cfg.warn = ...;        o does not move while cfg is used
 *
 * Where nothing is said measured costs are kept in $XDG_CACHE_HOME/diffarm, else in ~/.cache/diffarm. Without either
 * they are modelled rather than measured at every start: packed weights, which follow from the cut, could not be found
 * again. */
#ifndef DF_CLIENT_COSTS_OPTIONS_H
#define DF_CLIENT_COSTS_OPTIONS_H

#include <argp.h>
#include <limits.h>

#include "cluster/node_costs.h"

typedef struct df_costs_options {
    df_costs_mode mode;
    bool told; /* the mode was given */
    char dir[PATH_MAX]; /* "": none */
} df_costs_options;

extern const struct argp df_costs_argp;

void df_costs_options_init(df_costs_options *o, df_costs_mode otherwise);
df_costs_cfg df_costs_options_cfg(const df_costs_options *o);

/* A df_costs_cfg.warn: "diffarm: warning: TEXT" on stderr. */
void df_costs_warn(void *nothing, const char *text);

#endif
