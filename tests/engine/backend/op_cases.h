/* The table of single operations that every backend is held against, and how one is run.
 *
 * A case is a graph of one node: the operation, with what fusion may fold into it built as nodes and fused. Inputs and
 * weights are pseudo-random numbers that follow from names and rows alone: row 5 is the same in every batch. */
#ifndef DF_TESTS_ENGINE_BACKEND_OP_CASES_H
#define DF_TESTS_ENGINE_BACKEND_OP_CASES_H

#include "engine/backend/backend.h"

typedef struct op_case {
    const char *name;
    df_op op;
    df_shape in[3]; /* for embedding: [T] */
    int64_t out; /* conv2d, linear: outputs; embeddings: D; quantize: codes */
    df_op_attr attr;
    df_act act; /* of an activation, or fused */
    bool add_channel, residual; /* fused */
    df_shape to; /* upsample_nearest */
    bool no_positions; /* embedding */
    df_int8 int8;
    double offset; /* added to every input: large means */
    double slack; /* factor on the tolerance in f32; 0 is 1. The reason stands beside the case */
    double slack_bf16; /* the same in bf16 */
} op_case;

extern const op_case op_cases[];
extern const int n_op_cases;

/* Finished and fused; one node. Fails the running test otherwise. */
df_graph *op_case_graph(const op_case *c);

/* The values of a weight of such a graph, rounded to `given`; malloc'd. */
float *op_case_weight(const df_weight *w, df_dtype given);

/* A node opened on a backend, with its operands for up to `rows` rows. */
typedef struct op_run {
    df_graph *g;
    const df_backend *backend;
    void *ctx;
    df_kernel *kernel;
    int64_t rows;
    void *operand[DF_NODE_MAX_READS]; /* in the order of df_node_reads; [rows][row] */
    size_t row_bytes[DF_NODE_MAX_READS], out_row_bytes;
    df_dtype dtype; /* of an activation */
    int lane; /* 0: run on all threads; n: in the n-th lane */
} op_run;

/* given: the type that operands and weights are numbers of (I32 and timesteps apart), so that backends of different
 * types are given exactly the same. */
op_run op_run_open(const op_case *c, const df_backend *backend, const df_backend_cfg *cfg, df_dtype given,
                   int64_t rows);
void op_run_close(op_run *r);

typedef enum op_place { OP_APART, OP_OVER_INPUT, OP_OVER_RESIDUAL } op_place;

/* Runs rows [first, first + n); the result is malloc'd, [n][row]. The operands stay as they are: `place` is played on
 * copies, in the backend's memory. Fails the test if the kernel writes beside its result or its scratch, or changes an
 * operand. */
void *op_run_rows(op_run *r, int64_t first, int64_t n, op_place place);
/* The same on other operands, in the order of df_node_reads; an error of the backend is the caller's. */
df_code op_run_on(op_run *r, const void *const *operands, int64_t n, op_place place, void **out, df_err *err);

#endif
