#include "client/eval/runner.h"

#include <limits.h>
#include <stdlib.h>

#include "client/eval/rows.h"
#include "engine/exec/stage.h"

enum { MAX_PROGRAMS = 4, MAX_ROWS = 4 };

typedef struct program {
    df_graph *graph;
    df_cut *cut;
    df_stage *stage;
} program;

struct df_eval_runner {
    const df_model *model;
    const df_eval_options *options;
    size_t activation_bytes;
    program programs[MAX_PROGRAMS];
    int n_programs;
};

df_code df_eval_runner_open(df_eval_runner **out, const df_model *model, const df_eval_options *options, df_err *err) {
    df_eval_runner *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "runner");
    r->model = model;
    r->options = options;
    r->activation_bytes = options->backend_cfg.dtype == DF_F64 ? sizeof(double) : sizeof(float);
    *out = r;
    return DF_OK;
}

void df_eval_runner_close(df_eval_runner **runner) {
    if (!*runner) return;
    df_eval_runner *r = *runner;
    for (int i = 0; i < r->n_programs; i++) {
        df_stage_close(&r->programs[i].stage);
        df_cut_free(&r->programs[i].cut);
        df_graph_free(&r->programs[i].graph);
    }
    free(r);
    *runner = NULL;
}

bool df_eval_runner_leads(const df_eval_runner *r) {
    (void)r;
    return true;
}

df_code df_eval_runner_serve(df_eval_runner *r, df_err *err) {
    (void)r;
    return df_err_set(err, DF_EINTERNAL, "no rank to serve");
}

df_code df_eval_runner_load(df_eval_runner *r, df_component c, int64_t latent_h, int64_t latent_w, int *index,
                            df_err *err) {
    int h = latent_h < INT_MAX ? (int)latent_h : INT_MAX, w = latent_w < INT_MAX ? (int)latent_w : INT_MAX;
    if (r->n_programs == MAX_PROGRAMS) return df_err_set(err, DF_EINTERNAL, "more than %d programs", MAX_PROGRAMS);
    program *p = &r->programs[r->n_programs];
    df_code rc;
    r->n_programs++; /* half-built ones are closed with the rest */
    if ((rc = df_model_graph(r->model, c, h, w, &p->graph, err))) return rc;
    if ((rc = df_cut_whole(&p->cut, p->graph, err))) return rc;
    df_stage_cfg cfg = {
        .graph = p->graph,
        .cut = p->cut,
        .weights = df_model_weights(r->model, c),
        .backend = r->options->backend,
        .backend_cfg = r->options->backend_cfg,
    };
    if ((rc = df_stage_open(&p->stage, &cfg, err))) return rc;
    if ((rc = df_stage_reserve(p->stage, MAX_ROWS, 1, err))) return rc;
    *index = r->n_programs - 1;
    return DF_OK;
}

const df_graph *df_eval_runner_graph(const df_eval_runner *r, int index) {
    return r->programs[index].graph;
}

static df_code run_some(df_eval_runner *r, program *p, int64_t first, int64_t n, const df_eval_port *in, int n_in,
                        const df_eval_port *out, int n_out, df_err *err) {
    df_code rc = df_stage_prepare(p->stage, n, err);
    for (int i = 0; i < n_in && !rc; i++) {
        df_value_id v = df_graph_find_input(p->graph, in[i].name);
        const df_value *value = &p->graph->values[v];
        const char *rows = (const char *)in[i].rows + 4 * first * df_shape_elements(value->shape);
        df_rows_in(df_stage_value(p->stage, 0, v, n), rows, value, n, r->activation_bytes);
    }
    for (int s = 0; s < p->cut->n_segments && !rc; s++) rc = df_stage_run(p->stage, 0, s, n, err);
    for (int i = 0; i < n_out && !rc; i++) {
        df_value_id v = df_graph_find_output(p->graph, out[i].name);
        const df_value *value = &p->graph->values[v];
        char *rows = (char *)out[i].rows + 4 * first * df_shape_elements(value->shape);
        df_rows_out(rows, df_stage_value(p->stage, 0, v, n), value, n, r->activation_bytes);
    }
    return rc;
}

df_code df_eval_runner_run(df_eval_runner *r, int index, int64_t n, const df_eval_port *in, int n_in,
                           const df_eval_port *out, int n_out, df_err *err) {
    df_code rc = DF_OK;
    for (int64_t first = 0; first < n && !rc; first += MAX_ROWS) {
        int64_t some = n - first < MAX_ROWS ? n - first : MAX_ROWS;
        rc = run_some(r, &r->programs[index], first, some, in, n_in, out, n_out, err);
    }
    return rc;
}
