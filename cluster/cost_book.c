#include "cluster/cost_book.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void df_cost_book_free(df_cost_book *b) {
    for (int i = 0; i < b->n; i++) free(b->pages[i].node_seconds);
    free(b->pages);
    *b = (df_cost_book) { 0 };
}

const df_cost_page *df_cost_book_page(const df_cost_book *b, const df_graph_size *size) {
    for (int i = 0; i < b->n; i++)
        if (df_graph_size_equal(&b->pages[i].size, size)) return &b->pages[i];
    return NULL;
}

const double *df_cost_book_find(const df_cost_book *b, const df_graph_size *size, int n_nodes) {
    const df_cost_page *page = df_cost_book_page(b, size);
    return page && page->n_nodes == n_nodes ? page->node_seconds : NULL;
}

static df_code check(const double *seconds, int n, df_err *err) {
    for (int i = 0; i < n; i++)
        if (!(seconds[i] >= 0) || !isfinite(seconds[i]))
            return df_err_set(err, DF_EINVAL, "node %d has taken %g s", i, seconds[i]);
    return DF_OK;
}

/* A page of that size, with room for n nodes. */
static df_cost_page *page_for(df_cost_book *b, const df_graph_size *size, int n_nodes) {
    double *seconds = calloc((size_t)n_nodes + 1, sizeof *seconds);
    df_cost_page *page = (df_cost_page *)df_cost_book_page(b, size);
    if (!page) {
        df_cost_page *more = seconds ? reallocarray(b->pages, (size_t)b->n + 1, sizeof *more) : NULL;
        if (more) b->pages = more;
        page = more ? &more[b->n++] : NULL;
        if (page) *page = (df_cost_page) { .size = *size };
    }
    if (!page || !seconds) {
        free(seconds);
        return NULL;
    }
    free(page->node_seconds);
    page->node_seconds = seconds;
    page->n_nodes = n_nodes;
    return page;
}

df_code df_cost_book_put(df_cost_book *b, const df_graph_size *size, const double *node_seconds, int n_nodes,
                         df_err *err) {
    df_code rc = check(node_seconds, n_nodes, err);
    if (rc) return rc;
    df_cost_page *page = page_for(b, size, n_nodes);
    if (!page) return df_err_set(err, DF_ENOMEM, "costs of %d nodes", n_nodes);
    memcpy(page->node_seconds, node_seconds, (size_t)n_nodes * sizeof *node_seconds);
    return DF_OK;
}

df_code df_cost_book_learn(df_cost_book *b, const df_model *model, const df_graph_size *size,
                           const df_costs_terms *terms, df_err *err) {
    df_graph *g = NULL;
    double *seconds = NULL;
    bool found = false;
    if (terms->cfg.mode == DF_COSTS_MODELLED || df_cost_book_page(b, size)) return DF_OK;
    df_code rc = df_model_graph_of(model, DF_DENOISER, size, &g, err);
    if (!rc && !(seconds = calloc((size_t)g->n_nodes + 1, sizeof *seconds)))
        rc = df_err_set(err, DF_ENOMEM, "costs of %d nodes", g->n_nodes);
    if (!rc) rc = df_node_costs_find(seconds, &found, g, terms, err);
    if (found) rc = df_cost_book_put(b, size, seconds, g->n_nodes, err);
    free(seconds);
    df_graph_free(&g);
    return rc;
}
