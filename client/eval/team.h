/* The ranks that one evaluation runs on: this process alone, threads of it, or the processes that a launcher (mpirun,
 * srun) started with it.
 *
 *   df_eval_team_open(&t, ranks, &err);      which of the three; 0 ranks: as launched, else one
 *   df_eval_team_start(t, model, &cfg, &err);                threads that serve rank 0, where they are ours to start
 *   ... df_eval_team_comm(t) is the caller's own handle; close what uses it first
 *   df_eval_team_close(&t);                  waits for the threads */
#ifndef DF_CLIENT_EVAL_TEAM_H
#define DF_CLIENT_EVAL_TEAM_H

#include "cluster/pipeline.h"

typedef struct df_eval_team df_eval_team;

df_code df_eval_team_open(df_eval_team **out, int ranks, df_err *err);
void df_eval_team_close(df_eval_team **t); /* accepts a pointer to NULL */
df_comm *df_eval_team_comm(df_eval_team *t);
/* model is borrowed until the team is closed. */
df_code df_eval_team_start(df_eval_team *t, const df_model *model, const df_pipeline_cfg *cfg, df_err *err);

#endif
