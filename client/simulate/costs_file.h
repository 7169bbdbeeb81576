/* Costs of a pipeline as a JSON file (docs/pipelines.md, "The schedule, simulated"): measured ones can be put in.
 *
 * Read errors name file, place, value and what is possible; what is read is checked (df_pipesim_costs_check). */
#ifndef DF_CLIENT_SIMULATE_COSTS_FILE_H
#define DF_CLIENT_SIMULATE_COSTS_FILE_H

#include "cluster/simulate/costs.h"

df_code df_costs_file_read(df_pipesim_costs *out, const char *path, df_err *err);
df_code df_costs_file_write(const df_pipesim_costs *c, const char *path, df_err *err);

#endif
