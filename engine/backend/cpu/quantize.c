#include <math.h>
#include <stdlib.h>

#include "engine/backend/cpu/kernel.h"

static int64_t blocks_of(int64_t vocab) {
    return (vocab + DF_CODE_BLOCK - 1) / DF_CODE_BLOCK;
}

/* [V][C] -> blocks of DF_CODE_BLOCK codes, [C][DF_CODE_BLOCK] each; what fills up the last one is infinitely far. */
static df_code open_codebook(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape s = k->g->weights[k->node->weight[0]].shape;
    int64_t vocab = s.dim[0], c = s.dim[1], blocks = blocks_of(vocab);
    float *packed = k->state = malloc((size_t)(blocks * DF_CODE_BLOCK * c) * sizeof *packed);
    if (!packed) return df_err_set(err, DF_ENOMEM, "quantize");
    for (int64_t v = 0; v < blocks * DF_CODE_BLOCK; v++)
        for (int64_t i = 0; i < c; i++)
            packed[(v / DF_CODE_BLOCK * c + i) * DF_CODE_BLOCK + v % DF_CODE_BLOCK] =
                v < vocab ? weights[0][v * c + i] : INFINITY;
    return DF_OK;
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape s = k->g->weights[k->node->weight[0]].shape;
    int64_t c = s.dim[1], blocks = blocks_of(s.dim[0]);
    int64_t positions = r->n_rows * (df_shape_elements(df_cpu_out_shape(k)) / c);
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, positions * s.dim[0] * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(positions, parts, part, &begin, &end);
        x->simd->nearest_code(df_cpu_to(x, r->out, begin * c), df_cpu_from(x, r->in[0], begin * c), end - begin, c,
                              k->state, blocks);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_quantize = { .open = open_codebook, .run = run };
