/* Measured costs of a model's denoiser, by size: what a plan is made of in place of modelled ones (model_plan.h).
 *
 *   df_cost_book b = { 0 };
 *   df_cost_book_learn(&b, model, &size, &terms, &err);      looked up or measured here; or, on another rank,
 *   df_cost_book_put(&b, &size, seconds, n_nodes, &err);     as rank 0 has told
 *   seconds = df_cost_book_find(&b, &size, n_nodes);         NULL: not known, and modelled
 *   df_cost_book_free(&b);
 *
 * Only the denoiser is measured: it runs many times for a picture. All ranks of a pipeline must plan with the same
 * book. Threads: one owner. */
#ifndef DF_CLUSTER_COST_BOOK_H
#define DF_CLUSTER_COST_BOOK_H

#include "cluster/node_costs.h"
#include "engine/models/model.h"

typedef struct df_cost_page {
    df_graph_size size;
    double *node_seconds; /* [n_nodes] of a row */
    int n_nodes;
} df_cost_page;

typedef struct df_cost_book {
    df_cost_page *pages; /* [n] */
    int n;
} df_cost_book;

void df_cost_book_free(df_cost_book *b);

/* Nothing where the size is there already, where nothing is known and nothing is to be measured. */
df_code df_cost_book_learn(df_cost_book *b, const df_model *model, const df_graph_size *size,
                           const df_costs_terms *terms, df_err *err);
/* Copies; in place of what is there of that size. DF_EINVAL: a number is no time. */
df_code df_cost_book_put(df_cost_book *b, const df_graph_size *size, const double *node_seconds, int n_nodes,
                         df_err *err);
const df_cost_page *df_cost_book_page(const df_cost_book *b, const df_graph_size *size); /* NULL: not known */
const double *df_cost_book_find(const df_cost_book *b, const df_graph_size *size, int n_nodes);

#endif
