/* Runs the components of a model on rows that are given as PyTorch has them (F32, pictures NCHW), over a pipeline of
 * one or more ranks.
 *
 *   df_eval_runner_open(&r, model, &options, &err);
 *   df_eval_runner_load(r, DF_UNET, h, w, &program, &err);
 *   df_eval_runner_run(r, program, n, inputs, n_inputs, outputs, n_outputs, &err);
 *   df_eval_runner_close(&r);
 *
 * Threads: one owner. */
#ifndef DF_CLIENT_EVAL_RUNNER_H
#define DF_CLIENT_EVAL_RUNNER_H

#include "client/eval/options.h"
#include "engine/models/model.h"

typedef struct df_eval_runner df_eval_runner;

/* One port of a graph and its n rows: float, or int32_t where the graph has ids. */
typedef struct df_eval_port {
    const char *name;
    void *rows; /* read from for inputs, written to for outputs */
} df_eval_port;

df_code df_eval_runner_open(df_eval_runner **out, const df_model *model, const df_eval_options *options, df_err *err);
void df_eval_runner_close(df_eval_runner **r); /* accepts NULL */

/* True on the rank that reads the inputs and writes the results. The others serve it. */
bool df_eval_runner_leads(const df_eval_runner *r);
df_code df_eval_runner_serve(df_eval_runner *r, df_err *err); /* until the leading rank closes */

df_code df_eval_runner_load(df_eval_runner *r, df_component c, int64_t latent_h, int64_t latent_w, int *program,
                            df_err *err);
const df_graph *df_eval_runner_graph(const df_eval_runner *r, int program);
/* All n rows, in micro-batches: which rows run together does not show in the results. */
df_code df_eval_runner_run(df_eval_runner *r, int program, int64_t n, const df_eval_port *in, int n_in,
                           const df_eval_port *out, int n_out, df_err *err);

#endif
