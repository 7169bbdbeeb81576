#include "engine/backend/cpu/winograd.h"

#include <string.h>

#include "engine/backend/cpu/primitive.h"

enum { MAX_SIDE = 6, MAX_POINTS = 36, MAX_WIDTH = 32, TAPS = 9 };

/* G of the points in simd/winograd_kernel.h: g0 + g1 x + g2 x^2 at each, over what B^T leaves to be divided by. */
#define R 0.70710678118654752440
static const double tiles_of_2[4][3] = { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } };
static const double tiles_of_4[6][3] = { { 1, 0, 0 },
                                         { -2.0 / 3, -2.0 / 3 * R, -1.0 / 3 },
                                         { -2.0 / 3, 2.0 / 3 * R, -1.0 / 3 },
                                         { 1.0 / 6, 1.0 / 3 * R, 1.0 / 3 },
                                         { 1.0 / 6, -1.0 / 3 * R, 1.0 / 3 },
                                         { 0, 0, 1 } };
#undef R

static int64_t rounded_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

size_t df_winograd_packed_bytes(const df_cpu_ctx *ctx, int64_t oc, int64_t ic, int m) {
    int64_t lanes = ctx->simd->lanes, points = (m + 2) * (m + 2);
    return (size_t)(points * rounded_up(oc, 2 * lanes) * rounded_up(ic, lanes)) * ctx->unit;
}

size_t df_winograd_weight_bytes(const df_kernel *k) {
    df_winograd_layer l = df_winograd_layer_of(k);
    return df_winograd_packed_bytes(k->ctx, l.oc, l.ic, df_winograd_m(k));
}

/* One input channel's kernels for the output channels of a panel: by tap, and by point. */
typedef struct panel_channel {
    double tap[TAPS][MAX_WIDTH], half[MAX_SIDE][3][MAX_WIDTH];
    float point[MAX_POINTS][MAX_WIDTH];
} panel_channel;

/* point = G tap G^T. All lanes of a panel, also those without an output channel: they hold zeros. */
static void transform(panel_channel *p, int m) {
    const double(*G)[3] = m == 2 ? tiles_of_2 : tiles_of_4;
    int side = m + 2;
    for (int i = 0; i < side; i++)
        for (int x = 0; x < 3; x++)
            for (int o = 0; o < MAX_WIDTH; o++)
                p->half[i][x][o] = G[i][0] * p->tap[x][o] + G[i][1] * p->tap[3 + x][o] + G[i][2] * p->tap[6 + x][o];
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            for (int o = 0; o < MAX_WIDTH; o++)
                p->point[i * side + j][o] =
                    (float)(G[j][0] * p->half[i][0][o] + G[j][1] * p->half[i][1][o] + G[j][2] * p->half[i][2][o]);
}

typedef struct packing {
    const df_cpu_ctx *ctx;
    char *u;
    const float *weights;
    int64_t oc, ic, channels; /* channels: ic, rounded up to a chunk */
    int64_t panels, width;
    int m;
} packing;

/* Channel c of a point's panel. In bf16 two channels share a lane. */
static void store(const packing *p, void *panel, int64_t c, const float *point) {
    if (p->ctx->dtype == DF_BF16) {
        uint16_t *to = (uint16_t *)panel + c / 2 * 2 * p->width + c % 2;
        for (int64_t o = 0; o < p->width; o++) to[2 * o] = df_f32_to_bf16(point[o]);
    } else {
        memcpy((float *)panel + c * p->width, point, (size_t)p->width * sizeof *point);
    }
}

static void pack_panel(const packing *p, int64_t panel) {
    int64_t first = panel * p->width, points = (p->m + 2) * (p->m + 2);
    int64_t n = p->oc - first < p->width ? p->oc - first : p->width;
    panel_channel now = { 0 };
    for (int64_t c = 0; c < p->channels; c++) {
        for (int64_t o = 0; o < n; o++)
            for (int t = 0; t < TAPS; t++)
                now.tap[t][o] = c < p->ic ? (double)p->weights[((first + o) * p->ic + c) * TAPS + t] : 0;
        transform(&now, p->m);
        for (int64_t at = 0; at < points; at++)
            store(p, df_cpu_to(p->ctx, p->u, (at * p->panels + panel) * p->channels * p->width), c, now.point[at]);
    }
}

void *df_winograd_pack(const df_cpu_ctx *ctx, const float *weights, int64_t oc, int64_t ic, int m) {
    int64_t width = 2 * ctx->simd->lanes;
    packing p = { .ctx = ctx,
                  .u = df_cpu_alloc(df_winograd_packed_bytes(ctx, oc, ic, m)),
                  .weights = weights,
                  .oc = oc,
                  .ic = ic,
                  .channels = rounded_up(ic, ctx->simd->lanes),
                  .panels = rounded_up(oc, width) / width,
                  .width = width,
                  .m = m };
    if (!p.u) return NULL;
#pragma omp parallel for schedule(static)
    for (int64_t panel = 0; panel < p.panels; panel++) pack_panel(&p, panel);
    return p.u;
}
