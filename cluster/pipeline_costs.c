/* Measured costs on all ranks, and their speeds: rank 0 finds them and sends them along with the command to load a
 * program, so that all make the same plan. */
#include <stdlib.h>

#include "cluster/pipeline_impl.h"

enum { MOST_NODES = 1 << 20 };

static void warn(const df_pipeline *p, const char *text) {
    if (p->costs_cfg.warn) p->costs_cfg.warn(p->costs_cfg.warn_ctx, text);
}

void df_pipeline_learn_costs(df_pipeline *p, df_component last, const df_graph_size *size) {
    const df_costs_terms terms = {
        .cfg = p->costs_cfg, .backend = p->cfg.backend, .backend_cfg = p->cfg.backend_cfg, .max_rows = p->cfg.max_rows
    };
    df_graph_size sizes[2];
    if (p->n_ranks == 1) return; /* nothing is cut */
    int64_t start = df_pipeline_now(p);
    int n = df_model_plan_sizes(sizes, p->cfg.model, size, last);
    for (int i = 0; i < n; i++) {
        df_err why;
        if (df_cost_book_learn(&p->costs, p->cfg.model, &sizes[i], &terms, &why)) warn(p, why.text);
    }
    df_pipeline_trace_other(p, DF_SPAN_LOAD, start);
}

const df_cost_book *df_pipeline_costs(const df_pipeline *p) {
    return &p->costs;
}

void df_costs_announce(df_pipeline *p, df_command *c) {
    df_graph_size sizes[2];
    df_pipeline_learn_costs(p, (df_component)c->component, &c->size);
    df_model_plan_sizes(sizes, p->cfg.model, &c->size, (df_component)c->component);
    const df_cost_page *page = df_cost_book_page(&p->costs, &sizes[0]);
    c->costs_size = sizes[0];
    c->n_costs = page ? page->n_nodes : 0;
    c->n_speeds = p->cfg.speed ? df_program_depth(&p->cfg) : 0;
}

df_code df_costs_send(df_pipeline *p, const df_command *c, df_err *err) {
    const df_cost_page *page = df_cost_book_page(&p->costs, &c->costs_size);
    df_code rc = DF_OK;
    for (int r = 1; c->n_speeds && r < p->n_ranks && !rc; r++)
        rc = p->comm->ops->send(p->comm, r, DF_CHANNEL_COSTS, p->speed, (size_t)c->n_speeds * sizeof *p->speed,
                                &p->reply.speeds_sent[r], err);
    for (int r = 1; c->n_costs && r < p->n_ranks && !rc; r++)
        rc = p->comm->ops->send(p->comm, r, DF_CHANNEL_COSTS, page->node_seconds,
                                (size_t)page->n_nodes * sizeof *page->node_seconds, &p->reply.costs_sent[r], err);
    return rc;
}

static df_code receive_speeds(df_pipeline *p, const df_command *c, df_err *err) {
    if (!c->n_speeds) return DF_OK;
    if (c->n_speeds != df_program_depth(&p->cfg))
        return df_err_set(err, DF_EPROTOCOL, "rank %d: speeds of %d stages", p->rank, c->n_speeds);
    p->cfg.speed = p->speed;
    return df_comm_recv_now(p->comm, 0, DF_CHANNEL_COSTS, p->speed, (size_t)c->n_speeds * sizeof *p->speed, err);
}

df_code df_costs_receive(df_pipeline *p, const df_command *c, df_err *err) {
    df_code rc = receive_speeds(p, c, err);
    if (rc || !c->n_costs) return rc;
    if (c->n_costs < 0 || c->n_costs > MOST_NODES)
        return df_err_set(err, DF_EPROTOCOL, "rank %d: costs of %d nodes", p->rank, c->n_costs);
    size_t n = (size_t)c->n_costs;
    double *seconds = calloc(n, sizeof *seconds);
    if (!seconds) return df_err_set(err, DF_ENOMEM, "costs of %zu nodes", n);
    rc = df_comm_recv_now(p->comm, 0, DF_CHANNEL_COSTS, seconds, n * sizeof *seconds, err);
    if (!rc) rc = df_cost_book_put(&p->costs, &c->costs_size, seconds, (int)n, err);
    free(seconds);
    return rc;
}
