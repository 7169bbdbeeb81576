/* The 3x3 convolution of a picture of twice the size as four 2x2 convolutions of the picture itself, one for each
 * parity of the result's lines and columns: 4 products in place of 9, and no larger picture.
 *
 * Line 2i + 1 of the result reads the lines 2i, 2i + 1, 2i + 2 of the larger picture, which are i, i, i + 1 of the
 * picture; line 2i reads i - 1, i, i. Taps on the same pixel are added beforehand, in f64; the sums are rounded to the
 * type of the weights. A phase's result goes to scratch, and from there to its places with what is fused.
 *
 * Where Winograd's algorithm takes tiles of 4 x 4 of the larger picture it is faster still, and its op takes over. */
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cpu/product.h"
#include "engine/backend/cpu/winograd.h"

enum { PHASES = 4, TAPS = 4 };

typedef struct upsample_conv {
    df_node node; /* of the phases: nothing fused */
    df_kernel phase[PHASES]; /* lines of parity p / 2, columns of parity p % 2 */
    size_t phase_bytes; /* of one row's result */
} upsample_conv;

static void close_phases(void *state) {
    upsample_conv *u = state;
    for (int p = 0; p < PHASES; p++)
        if (u->phase[p].state) df_product_close(u->phase[p].state);
    free(u);
}

/* Which of the two taps of a phase takes in tap k of the three. */
static int tap_of(int parity, int k) {
    return (k + 1 - parity) / 2;
}

/* [oc][ic][3][3] -> [oc][ic][2][2] of one phase. */
static void fold_taps(float *to, const float *from, int64_t kernels, int phase) {
    for (int64_t n = 0; n < kernels; n++, to += TAPS, from += 9) {
        double sum[TAPS] = { 0 };
        for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++)
                sum[2 * tap_of(phase / 2, ky) + tap_of(phase % 2, kx)] += (double)from[3 * ky + kx];
        for (int t = 0; t < TAPS; t++) to[t] = (float)sum[t];
    }
}

static df_product_shape phase_shape(const df_kernel *k, int phase) {
    df_shape in = df_cpu_in_shape(k, 0), out = df_cpu_out_shape(k);
    return (df_product_shape) { .ih = in.dim[0],
                                .iw = in.dim[1],
                                .ic = in.dim[2],
                                .oh = in.dim[0],
                                .ow = in.dim[1],
                                .oc = out.dim[2],
                                .kernel = 2,
                                .stride = 1,
                                .top = 1 - phase / 2,
                                .left = 1 - phase % 2,
                                .bottom = phase / 2,
                                .right = phase % 2 };
}

static df_code open_upsample(df_kernel *k, const float *const *weights, df_err *err) {
    if (df_winograd_m(k)) return df_winograd_open(k, weights, err);
    upsample_conv *u = k->state = calloc(1, sizeof *u);
    df_shape in = df_cpu_in_shape(k, 0), out = df_cpu_out_shape(k);
    int64_t kernels = in.dim[2] * out.dim[2];
    float *folded = malloc((size_t)(kernels * TAPS) * sizeof *folded);
    df_code rc = u && folded ? DF_OK : df_err_set(err, DF_ENOMEM, "upsample_conv2d");
    if (!rc) {
        u->node = *k->node;
        u->node.fused_add_channel = u->node.residual = DF_NO_VALUE;
        u->node.act = DF_ACT_NONE;
        u->phase_bytes = (size_t)(in.dim[0] * in.dim[1] * out.dim[2]) * k->ctx->unit;
    }
    for (int p = 0; !rc && p < PHASES; p++) {
        u->phase[p] = (df_kernel) { .ctx = k->ctx, .g = k->g, .node = &u->node, .op = k->op };
        if (weights[0]) fold_taps(folded, weights[0], kernels, p);
        const float *const of_phase[] = { weights[0] ? folded : NULL, weights[1] };
        rc = df_product_open(&u->phase[p], phase_shape(k, p), of_phase, err);
    }
    free(folded);
    return rc;
}

static size_t result_bytes(const upsample_conv *u, int64_t n_rows) {
    return ((size_t)n_rows * u->phase_bytes + 63) / 64 * 64;
}

/* For the caller's threads, all or a lane's. */
static df_kernel phase_of(const df_kernel *k, int phase) {
    df_kernel of = ((const upsample_conv *)k->state)->phase[phase];
    of.ctx = k->ctx;
    return of;
}

static df_code prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    const upsample_conv *u = k->state;
    size_t most = 0;
    for (int p = 0; p < PHASES; p++) {
        size_t bytes = 0;
        df_kernel phase = phase_of(k, p);
        df_code rc = df_product_prepare(&phase, n_rows, &bytes, err);
        if (rc) return rc;
        if (bytes > most) most = bytes;
    }
    *scratch_bytes = result_bytes(u, n_rows) + most;
    return DF_OK;
}

/* Line l, counted through the batch, of a phase's result to its places. */
static void place_line(const df_kernel *k, const df_cpu_run *r, int phase, int64_t l) {
    const df_cpu_ctx *x = k->ctx;
    df_shape in = df_cpu_in_shape(k, 0);
    int64_t w = in.dim[1], c = df_cpu_last_dim(df_cpu_out_shape(k));
    int64_t to = ((2 * l + phase / 2) * 2 * w + phase % 2) * c, from = l * w * c; /* rows have twice the lines too */
    const void *add_channel = r->add_channel ? df_cpu_from(x, r->add_channel, l / in.dim[0] * c) : NULL;
    bool bare = !add_channel && k->node->act == DF_ACT_NONE && !r->residual;
    for (int64_t j = 0; j < w; j++, from += c, to += 2 * c) {
        const void *pixel = df_cpu_from(x, r->scratch, from);
        if (bare)
            memcpy(df_cpu_to(x, r->out, to), pixel, (size_t)c * x->unit);
        else
            x->simd->epilogue(df_cpu_to(x, r->out, to), pixel, 1, c, add_channel, k->node->act,
                              r->residual ? df_cpu_from(x, r->residual, to) : NULL);
    }
}

static void place(const df_kernel *k, const df_cpu_run *r, int phase) {
    df_shape in = df_cpu_in_shape(k, 0);
    int64_t lines = r->n_rows * in.dim[0];
    int parts = df_cpu_parts(k->ctx, lines * in.dim[1] * df_cpu_last_dim(df_cpu_out_shape(k)));
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int64_t l = 0; l < lines; l++) place_line(k, r, phase, l);
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    const upsample_conv *u = k->state;
    for (int p = 0; p < PHASES; p++) {
        df_cpu_run mine = {
            .n_rows = r->n_rows, .in = r->in, .out = r->scratch, .scratch = r->scratch + result_bytes(u, r->n_rows)
        };
        df_kernel phase = phase_of(k, p);
        df_code rc = df_product_run(&phase, &mine, err);
        if (rc) return rc;
        place(k, r, p);
    }
    return DF_OK;
}

static size_t weight_bytes(const df_kernel *k) {
    if (df_winograd_m(k)) return df_winograd_weight_bytes(k);
    int64_t kernels = df_cpu_in_shape(k, 0).dim[2] * df_cpu_out_shape(k).dim[2];
    return (size_t)(kernels * PHASES * TAPS) * k->ctx->unit;
}

const df_cpu_op df_cpu_upsample_conv2d = { .open = open_upsample,
                                           .weight_bytes = weight_bytes,
                                           .close = close_phases,
                                           .prepare = prepare,
                                           .run = run,
                                           .does_all = true,
                                           .finds_packed = true };
