/* What df_cuda_attention computes, without its kernels: a grid of fibers takes minutes for what a model takes. Compiled
 * as products.c is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cuda/kernels/kernels.h"
#include "tests/engine/backend/cuda/double/launch.h"
#include "tests/engine/backend/cuda/double/products.h"

typedef struct job {
    df_cuda_attention_args a;
    df_dtype type;
    float *k, *v, *scores; /* of a head: [keys][d], [keys][dv], [keys] */
} job;

static float bias_of(const df_cuda_attention_args *a, int head, int64_t query, int64_t key) {
    return a->bias ? a->bias[head * (a->queries + a->keys - 1) + a->queries - 1 + key - query] : 0;
}

/* The softmax's weights in j->scores; their sum. */
static float weigh(const job *j, const float *q, int head, int64_t query, int64_t keys) {
    const df_cuda_attention_args *a = &j->a;
    float scale = a->scale == 0 ? (float)(1 / sqrt(a->d)) : (float)a->scale, largest = -INFINITY, sum = 0;
    for (int64_t key = 0; key < keys; key++) {
        float dot = 0;
        for (int i = 0; i < a->d; i++) dot += q[i] * j->k[key * a->d + i];
        j->scores[key] = dot * scale + bias_of(a, head, query, key);
        largest = fmaxf(largest, j->scores[key]);
    }
    for (int64_t key = 0; key < keys; key++) {
        float weight = expf(j->scores[key] - largest), stored;
        sum += weight;
        number_store(j->type, &stored, 0, weight);
        j->scores[key] = number_of(j->type, &stored, 0);
    }
    return sum;
}

static void attend(const job *j, int head, int64_t row, int64_t query, float *q, float *out) {
    const df_cuda_attention_args *a = &j->a;
    int64_t at = row * a->queries + query, keys = a->causal ? query + 1 : a->keys;
    for (int i = 0; i < a->d; i++) q[i] = number_of(j->type, a->q, (at * a->heads + head) * a->d + i);
    float sum = weigh(j, q, head, query, keys);
    memset(out, 0, (size_t)a->dv * sizeof *out);
    for (int64_t key = 0; key < keys; key++)
        for (int i = 0; i < a->dv; i++) out[i] += j->scores[key] * j->v[key * a->dv + i];
    for (int i = 0; i < a->dv; i++) number_store(j->type, a->out, (at * a->heads + head) * a->dv + i, out[i] / sum);
}

static void load_head(float *to, const job *j, const void *x, int width, int head, int64_t row) {
    const df_cuda_attention_args *a = &j->a;
    for (int64_t key = 0; key < a->keys; key++)
        for (int i = 0; i < width; i++)
            to[key * width + i] = number_of(j->type, x, ((row * a->keys + key) * a->heads + head) * width + i);
}

static void run(void *ctx) {
    job *j = ctx;
    const df_cuda_attention_args *a = &j->a;
    float *q = malloc((size_t)(a->d + a->dv) * sizeof *q);
    j->k = malloc((size_t)(a->keys * a->d) * sizeof *j->k);
    j->v = malloc((size_t)(a->keys * a->dv) * sizeof *j->v);
    j->scores = malloc((size_t)a->keys * sizeof *j->scores);
    if (!q || !j->k || !j->v || !j->scores) abort();
    for (int64_t row = 0; row < a->rows; row++)
        for (int head = 0; head < a->heads; head++) {
            load_head(j->k, j, a->k, a->d, head, row);
            load_head(j->v, j, a->v, a->dv, head, row);
            for (int64_t query = 0; query < a->queries; query++) attend(j, head, row, query, q, q + a->d);
        }
    free(q);
    free(j->k);
    free(j->v);
    free(j->scores);
}

static bool is_aligned(const df_cuda_attention_args *a) {
    return (((uintptr_t)a->q | (uintptr_t)a->k | (uintptr_t)a->v | (uintptr_t)a->out) & 15) == 0;
}

cudaError_t launch_attention(df_dtype type, const df_cuda_attention_args *a, cudaStream_t s) {
    if (type != DF_F32 && a->d % 8 == 0 && a->dv % 8 == 0 && a->d <= 512 && !is_aligned(a))
        return cudaErrorMisalignedAddress;
    job *j = calloc(1, sizeof *j);
    if (!j) abort();
    j->a = *a;
    j->type = type;
    return launch_function(s, run, free, j);
}
