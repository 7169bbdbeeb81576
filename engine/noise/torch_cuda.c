#include "engine/noise/torch_cuda.h"

#include <math.h>

#include "engine/noise/philox.h"

enum { BLOCK = 256, UNROLL = 4 };

void df_torch_cuda_seed(df_torch_cuda *g, uint64_t seed, uint32_t grid) {
    *g = (df_torch_cuda) { .seed = seed, .grid = grid };
}

/* cuRAND's f32 constants; both uniforms lie half a step above 0. */
static void box_muller(uint32_t x, uint32_t y, float out[2]) {
    static const float step = 2.3283064e-10f, angle_step = 2.3283064e-10f * 6.2831855f;
    float u = (float)x * step + step / 2; /* may round up to 1, whose logarithm is 0 */
    float v = fmaf((float)y, angle_step, angle_step / 2); /* one rounding, as nvcc contracts it */
    float radius = sqrtf(-2.0f * logf(u));
    out[0] = sinf(v) * radius;
    out[1] = cosf(v) * radius;
}

static void normal4(const df_torch_cuda *g, uint64_t thread, uint64_t round, float out[UNROLL]) {
    uint64_t counter = g->offset + round;
    df_philox_block at = { { (uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)thread,
                             (uint32_t)(thread >> 32) } };
    df_philox_block bits = df_philox(at, g->seed);
    box_muller(bits.word[0], bits.word[1], out);
    box_muller(bits.word[2], bits.word[3], out + 2);
}

void df_torch_cuda_normal(df_torch_cuda *g, float *out, size_t n) {
    if (!n) return; /* nothing is launched, and the offset stays */
    uint64_t blocks = (n + BLOCK - 1) / BLOCK;
    uint64_t threads = (blocks < g->grid ? blocks : g->grid) * BLOCK;
    uint64_t n_rounds = (n - 1) / (threads * UNROLL) + 1;
    for (uint64_t round = 0; round < n_rounds; round++) {
        uint64_t first = round * threads * UNROLL;
        for (uint64_t t = 0; t < threads && first + t < n; t++) {
            float x[UNROLL];
            normal4(g, t, round, x);
            for (uint64_t k = 0, i = first + t; k < UNROLL && i < n; k++, i += threads) out[i] = x[k];
        }
    }
    g->offset += n_rounds;
}
