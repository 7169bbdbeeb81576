#include "client/bench/measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/exec/stage.h"
#include "engine/exec/stage_fill.h"

struct df_measure {
    df_graph *graph;
    df_cut *cut;
    df_stage *stage;
    int64_t n_rows;
    df_dtype activation;
    bool by_node; /* the nodes are timed too: a device is then waited for behind each */
    int64_t *ns; /* [n_nodes] of the run in progress */
    int64_t *least; /* [n_nodes] of the fastest one */
    double least_seconds;
};

static df_code open_stage(df_measure *m, const df_model *model, const df_bench_options *o, df_err *err) {
    const df_stage_cfg cfg = { .graph = m->graph,
                               .cut = m->cut,
                               .weights = df_model_weights(model, o->component),
                               .backend = o->backend,
                               .backend_cfg = o->backend_cfg };
    df_code rc = df_stage_open(&m->stage, &cfg, err);
    return rc ? rc : df_stage_reserve(m->stage, m->n_rows, 1, err);
}

static df_code make_graph(df_measure *m, const df_model *model, const df_bench_options *o, df_err *err) {
    const df_model_info *info = df_model_info_of(model);
    int width = o->width ? o->width : info->default_width, height = o->height ? o->height : info->default_height;
    if (o->component < DF_DENOISER) return df_model_graph(model, o->component, 0, 0, &m->graph, err);
    if (width % info->size_multiple || height % info->size_multiple)
        return df_err_set(err, DF_EINVAL, "--size %dx%d: sides must be multiples of %d", width, height,
                          info->size_multiple);
    return df_model_graph(model, o->component, height / info->vae_factor, width / info->vae_factor, &m->graph, err);
}

df_code df_measure_open(df_measure **out, const df_model *model, const df_bench_options *o, df_err *err) {
    df_measure *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "bench");
    m->n_rows = o->batch;
    m->activation = o->backend_cfg.dtype;
    m->by_node = o->ops;
    df_code rc = make_graph(m, model, o, err);
    if (!rc) {
        m->ns = calloc((size_t)m->graph->n_nodes, sizeof *m->ns);
        m->least = calloc((size_t)m->graph->n_nodes, sizeof *m->least);
        rc = m->ns && m->least ? df_cut_whole(&m->cut, m->graph, err) : df_err_set(err, DF_ENOMEM, "bench");
    }
    if (!rc) rc = open_stage(m, model, o, err);
    if (rc) {
        df_measure_close(&m);
        return rc;
    }
    *out = m;
    return DF_OK;
}

void df_measure_close(df_measure **measure) {
    df_measure *m = *measure;
    if (!m) return;
    df_stage_close(&m->stage);
    df_cut_free(&m->cut);
    df_graph_free(&m->graph);
    free(m->ns);
    free(m->least);
    free(m);
    *measure = NULL;
}

df_code df_measure_run(df_measure *m, double *seconds, df_err *err) {
    size_t bytes = (size_t)m->graph->n_nodes * sizeof *m->ns;
    memset(m->ns, 0, bytes);
    df_stage_fill_inputs(m->stage, m->graph, m->activation, m->n_rows); /* a pass may write over them */
    int64_t start = df_clock_ns();
    df_code rc = df_stage_run_timed(m->stage, 0, 0, m->n_rows, m->by_node ? m->ns : NULL, err);
    *seconds = (double)(df_clock_ns() - start) * 1e-9;
    if (rc || (m->least_seconds > 0 && *seconds >= m->least_seconds)) return rc;
    m->least_seconds = *seconds;
    memcpy(m->least, m->ns, bytes);
    return DF_OK;
}

void df_measure_ops(const df_measure *m, df_op_time ops[DF_OP_COUNT]) {
    memset(ops, 0, DF_OP_COUNT * sizeof *ops);
    for (int i = 0; i < m->graph->n_nodes; i++) {
        df_op_time *op = &ops[m->graph->nodes[i].op];
        op->seconds += (double)m->least[i] * 1e-9;
        op->nodes++;
    }
}

const df_graph *df_measure_graph(const df_measure *m) {
    return m->graph;
}

const int64_t *df_measure_node_ns(const df_measure *m) {
    return m->least;
}
