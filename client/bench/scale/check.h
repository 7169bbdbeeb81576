/* Whether the runs of a scaling test could be made: model, render options, manifest, all before anything starts. */
#ifndef DF_CLIENT_BENCH_SCALE_CHECK_H
#define DF_CLIENT_BENCH_SCALE_CHECK_H

#include "client/bench/scale/foretell.h"
#include "client/bench/scale/options.h"
#include "client/bench/scale/record.h"

/* Fills in the setting, what the simulator needs, the model (closed by the caller), and whether it takes prompts.
 * Returns the exit code: not 0 after what is wrong was told. */
int df_scale_check(const df_scale_options *o, df_scale_setting *setting, df_foretell *foretell, df_model **model,
                   bool *prompts);

#endif
