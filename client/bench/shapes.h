/* The distinct operations of a graph: those with the same op and shapes are one.
 *
 *   df_shapes s;
 *   df_shapes_of(&s, g, &err);   s.at[s.of_node[i]] is node i's; -1: a reshape
 *   df_shapes_free(&s); */
#ifndef DF_CLIENT_BENCH_SHAPES_H
#define DF_CLIENT_BENCH_SHAPES_H

#include "cluster/node_work.h"

enum { DF_SHAPE_NAME_BYTES = 160 };

typedef struct df_op_shape {
    char name[DF_SHAPE_NAME_BYTES]; /* "conv2d 3x3/1 64x64x320 -> 64x64x320" */
    int node; /* the first of them */
    int nodes;
    df_node_work work; /* of each */
} df_op_shape;

typedef struct df_shapes {
    df_op_shape *at; /* [n] in the order of the graph */
    int n;
    int *of_node; /* [n_nodes] */
} df_shapes;

df_code df_shapes_of(df_shapes *out, const df_graph *g, df_err *err);
void df_shapes_free(df_shapes *s);

bool df_is_product(const df_graph *g, const df_node *n); /* a convolution, a matrix product or attention */

/* Bytes that move at least when so many rows run together. */
double df_work_bytes(const df_node_work *w, int64_t rows, df_dtype dtype);

#endif
