/* Costs are in products of one pair of channels: a result of a 3x3 convolution takes 9. */
#include "engine/backend/cpu/winograd.h"

#include "engine/backend/int8.h"

static int64_t ceil_div(int64_t n, int64_t by) {
    return (n + by - 1) / by;
}

df_winograd_layer df_winograd_layer_of(const df_kernel *k) {
    df_shape in = df_cpu_in_shape(k, 0), out = df_cpu_out_shape(k);
    int64_t zoom = k->node->op == DF_OP_UPSAMPLE_CONV2D ? 2 : 1;
    return (df_winograd_layer) { .ih = zoom * in.dim[0],
                                 .iw = zoom * in.dim[1],
                                 .ic = in.dim[2],
                                 .oh = out.dim[0],
                                 .ow = out.dim[1],
                                 .oc = out.dim[2],
                                 .top = k->node->attr.conv.pad.top,
                                 .left = k->node->attr.conv.pad.left,
                                 .zoom = zoom };
}

/* Taps in one direction that meet a number, not the zeros before and behind the n_in. */
static int64_t taps_inside(int64_t n_out, int64_t n_in, int64_t before) {
    int64_t taps = 0;
    for (int64_t i = 0; i < n_out; i++)
        for (int64_t at = i - before; at < i - before + 3; at++) taps += at >= 0 && at < n_in;
    return taps;
}

/* A direct convolution skips the padding; of a doubled picture it makes 4 products in place of 9. */
static double direct_cost(const df_winograd_layer *l) {
    double taps = (double)(taps_inside(l->oh, l->ih, l->top) * taps_inside(l->ow, l->iw, l->left));
    return l->zoom == 2 ? taps * 4 / 9 : taps;
}

/* Channels are padded to whole vectors. Transforming a vector takes as long as the products of TRANSFORM vectors in
 * f32; those in bf16 are twice as fast. */
static double winograd_cost(const df_cpu_ctx *ctx, const df_winograd_layer *l, int m) {
    enum { TRANSFORM = 7 };
    int64_t lanes = ctx->simd->lanes, points = (m + 2) * (m + 2), tiles = ceil_div(l->oh, m) * ceil_div(l->ow, m);
    double ic = (double)l->ic, oc = (double)l->oc, wide = 2.0 * (double)lanes;
    double padded = (double)(ceil_div(l->ic, lanes) * ceil_div(l->oc, 2 * lanes) * lanes) * wide / (ic * oc);
    double transforms = (double)(ctx->dtype == DF_BF16 ? 2 * TRANSFORM : TRANSFORM) * (1 / ic + 1 / oc);
    return (double)(points * tiles) * (padded + transforms);
}

/* Tiles of 4 need four times the memory of the weights. They get it where it stays in a cache, or where a row has so
 * many tiles that reading it costs little. */
static bool affords_tiles_of_4(const df_cpu_ctx *ctx, const df_winograd_layer *l) {
    enum { IN_CACHE = 16 << 20, BYTES_A_TILE = 2 << 20 };
    size_t bytes = df_winograd_packed_bytes(ctx, l->oc, l->ic, 4);
    size_t tiles = (size_t)(ceil_div(l->oh, 4) * ceil_div(l->ow, 4));
    return bytes <= IN_CACHE || bytes / BYTES_A_TILE < tiles;
}

/* In bf16 tiles of 4 would round seven times as badly as a direct convolution. */
static bool allows(const df_cpu_ctx *ctx, const df_winograd_layer *l, int m) {
    if (ctx->dtype == DF_BF16) return m == 2 && ctx->fast_conv;
    return m == 2 || affords_tiles_of_4(ctx, l);
}

int df_winograd_m(const df_kernel *k) {
    const df_conv_attr *a = &k->node->attr.conv;
    bool may = k->ctx->simd->winograd_group && !k->ctx->direct && !df_node_is_int8(k->node);
    if (!may || a->kernel != 3 || a->stride != 1) return 0;
    df_winograd_layer l = df_winograd_layer_of(k);
    double best = 0.8 * direct_cost(&l); /* what gains less stays direct */
    int m = 0;
    for (int tile = 2; tile <= 4; tile += 2) {
        double cost = winograd_cost(k->ctx, &l, tile);
        if (cost >= best || !allows(k->ctx, &l, tile)) continue;
        best = cost;
        m = tile;
    }
    return m;
}
