/* What a simulation has shown, on stdout. */
#ifndef DF_CLIENT_SIMULATE_TELL_H
#define DF_CLIENT_SIMULATE_TELL_H

#include "cluster/simulate/pipesim.h"

typedef struct df_simulated {
    const df_pipesim_cfg *cfg;
    const df_pipesim_report *report;
    int replicas; /* rates are those of all of them */
} df_simulated;

void df_simulated_tell(const df_simulated *s);
df_code df_simulated_tell_json(const df_simulated *s, df_err *err);

#endif
