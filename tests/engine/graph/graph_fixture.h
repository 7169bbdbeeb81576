/* Graphs for tests: random ones, weights for them, and a run of a cut graph with its edges copied by hand.
 *
 * Everything follows from a seed, a name and a row, so that the same graph built or cut in another way gets the same
 * numbers. What goes wrong fails the running test. */
#ifndef DF_TESTS_ENGINE_GRAPH_GRAPH_FIXTURE_H
#define DF_TESTS_ENGINE_GRAPH_GRAPH_FIXTURE_H

#include "engine/exec/stage.h"

typedef struct fixture_rng {
    uint64_t state;
} fixture_rng;

int fixture_below(fixture_rng *r, int n); /* 0..n-1 */

/* Finished, not fused: pictures and tokens, skips, several outputs, every operation but lookups in tables. */
df_graph *fixture_random_graph(uint64_t seed);
df_graph *fixture_fused_graph(uint64_t seed); /* the same, fused */
/* Inputs x and c, which is kept; nodes first, k, v, y, last: x attends to c. */
df_graph *fixture_cross_attention(void);

/* stage_of [n_nodes] for n_stages; kind 0: consecutive slices; 1: folded (down and up again); 2: any stage. Caller
 * frees. */
int *fixture_random_stages(const df_graph *g, uint64_t seed, int n_stages, int kind);

df_cut *fixture_random_cut(const df_graph *g, uint64_t seed, int n_stages, int kind); /* by such stages */

/* A file with the weights of `stage` only, of all nodes for cut NULL. Close with df_weights_close. */
df_weights *fixture_weights(const df_graph *g, const df_cut *cut, int stage);

typedef struct fixture_run {
    const df_graph *g;
    const df_cut *cut;
    const df_weights *weights; /* NULL: a file is written for each stage, with what it needs only */
    df_dtype dtype;
    int64_t first_row, n_rows;
    const df_backend *backend; /* NULL: reference */
    int threads; /* 0: 1 */
    bool int8; /* the graph has nodes in 8 bits */
    const char *packed_dir; /* NULL: none */
} fixture_run;

/* All outputs, one after the other, each [n_rows][row]; malloc'd. */
void *fixture_outputs(const fixture_run *run, size_t *bytes);

/* Fills an input as fixture_outputs does; unit: bytes of an activation. */
void fixture_fill_input(const df_graph *g, int input, int64_t first_row, int64_t n_rows, df_dtype activation,
                        void *data);

/* One stage of the cut, opened and reserved. */
df_stage *fixture_stage(const fixture_run *run, int stage, int n_slots);

/* The edges that are due before segment `to`, copied from stage to stage. */
void fixture_copy_edges(const fixture_run *run, df_stage *const *stages, int slot, int to_segment);

#endif
