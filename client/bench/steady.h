/* A pipeline that never runs out of rows: what it does in its steady state can be timed.
 *
 *   df_steady_open(&s, comm, model, &cfg, &err);         every rank of comm
 *   rank 0:    df_steady_run(s, warm, n, &rate, &err);   steps of pictures a second, over n of them after `warm`
 *   rank > 0:  df_steady_serve(s, &err);                 returns when rank 0's run has ended
 *   df_steady_close(&s);
 *
 * Rows are guided pictures of one size with 500 steps each; they go on where the last run has left them. */
#ifndef DF_CLIENT_BENCH_STEADY_H
#define DF_CLIENT_BENCH_STEADY_H

#include "cluster/renderer.h"

typedef struct df_steady df_steady;

typedef struct df_steady_cfg {
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int micro_batch, n_slots, n_halves;
    int width, height; /* 0: the model's */
    df_costs_cfg costs; /* of df_pipeline_cfg */
    df_trace *trace; /* borrowed; NULL: none */
} df_steady_cfg;

/* comm and model are borrowed. */
df_code df_steady_open(df_steady **out, df_comm *comm, const df_model *model, const df_steady_cfg *cfg, df_err *err);
void df_steady_close(df_steady **s);
df_code df_steady_run(df_steady *s, int64_t warm, int64_t n, double *rate, df_err *err);
df_code df_steady_serve(df_steady *s, df_err *err);

#endif
