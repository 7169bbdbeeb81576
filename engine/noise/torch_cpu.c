#include "engine/noise/torch_cpu.h"

#include <math.h>

static const double two_pi = 2.0 * 3.14159265358979323846;

enum { BLOCK = 16, HALF = BLOCK / 2 };

void df_torch_cpu_seed(df_torch_cpu *g, uint64_t seed) {
    df_mt19937_seed(&g->engine, (uint32_t)seed);
    g->has_cached = false;
}

/* In [0, 1), 24 bits of one draw. */
static float uniform_f32(df_mt19937 *m) {
    return (float)(df_mt19937_next(m) & 0xffffffu) * 0x1p-24f;
}

/* In [0, 1), 53 bits of two draws, the first on top. */
static double uniform_f64(df_mt19937 *m) {
    uint64_t high = df_mt19937_next(m);
    uint64_t low = df_mt19937_next(m);
    return (double)((high << 32 | low) & 0x1fffffffffffffu) * 0x1p-53;
}

/* Box-Muller over 16 uniforms in place: element j pairs with j + 8. */
static void transform_block(float *x) {
    for (int j = 0; j < HALF; j++) {
        float radius = sqrtf(-2.0f * logf(1.0f - x[j])); /* 1 - [0, 1) is never 0 */
        float theta = (float)(two_pi * (double)x[j + HALF]);
        x[j] = radius * cosf(theta);
        x[j + HALF] = radius * sinf(theta);
    }
}

static void fill_uniform(df_mt19937 *m, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = uniform_f32(m);
}

static void normal_blocks(df_mt19937 *m, float *out, size_t n) {
    fill_uniform(m, out, n);
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK) transform_block(out + i);
    if (n % BLOCK == 0) return;
    /* The last 16 values are drawn anew, over some that a whole block had already made. */
    fill_uniform(m, out + n - BLOCK, BLOCK);
    transform_block(out + n - BLOCK);
}

static double normal_one(df_torch_cpu *g) {
    if (g->has_cached) {
        g->has_cached = false;
        return g->cached;
    }
    double u1 = uniform_f64(&g->engine);
    double u2 = uniform_f64(&g->engine);
    double radius = sqrt(-2.0 * log1p(-u2));
    double theta = two_pi * u1;
    g->cached = radius * sin(theta);
    g->has_cached = true;
    return radius * cos(theta);
}

void df_torch_cpu_normal(df_torch_cpu *g, float *out, size_t n) {
    if (n >= BLOCK) {
        normal_blocks(&g->engine, out, n);
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = (float)normal_one(g);
}
