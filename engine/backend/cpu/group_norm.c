/* Statistics of a row come from a number of chunks that its shape fixes, and are added in their order: the same
 * bytes whether one thread does a whole row or many share it. */
#include <math.h>
#include <stdlib.h>

#include "engine/backend/cpu/kernel.h"

enum { CHUNK_POSITIONS = 64, MAX_CHUNKS = 64 };

typedef struct group_norm {
    float *gamma, *beta; /* [C], NULL without affine */
    int64_t positions, c, groups;
    int64_t chunks; /* of a row */
    double eps;
} group_norm;

typedef struct row_work { /* scratch of one row */
    double *sums; /* [chunks][2][C]: sum and sum of squares */
    float *scale, *shift; /* [C] */
} row_work;

static void close_norm(void *state) {
    group_norm *n = state;
    free(n->gamma);
    free(n->beta);
    free(n);
}

static df_code open_norm(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape s = df_cpu_out_shape(k);
    group_norm *n = k->state = calloc(1, sizeof *n);
    if (!n) return df_err_set(err, DF_ENOMEM, "group_norm");
    n->c = df_cpu_last_dim(s);
    n->positions = df_shape_elements(s) / n->c;
    n->groups = k->node->attr.norm.groups;
    n->eps = k->node->attr.norm.eps;
    n->chunks = (n->positions + CHUNK_POSITIONS - 1) / CHUNK_POSITIONS;
    if (n->chunks > MAX_CHUNKS) n->chunks = MAX_CHUNKS;
    n->gamma = df_cpu_copy(weights[0], n->c);
    n->beta = df_cpu_copy(weights[1], n->c);
    if ((weights[0] && !n->gamma) || (weights[1] && !n->beta)) return df_err_set(err, DF_ENOMEM, "group_norm");
    return DF_OK;
}

static size_t row_bytes(const group_norm *n) {
    size_t bytes = (size_t)n->c * ((size_t)n->chunks * 2 * sizeof(double) + 2 * sizeof(float));
    return (bytes + 63) / 64 * 64;
}

static row_work work_of(const group_norm *n, char *scratch, int64_t row) {
    double *sums = (double *)(scratch + (size_t)row * row_bytes(n));
    float *scale = (float *)(sums + n->chunks * 2 * n->c);
    return (row_work) { sums, scale, scale + n->c };
}

static df_code prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    (void)err;
    *scratch_bytes = (size_t)n_rows * row_bytes(k->state);
    return DF_OK;
}

/* A chunk of a row; first: the element of the batch that it begins with. */
typedef struct span {
    int64_t first, positions;
} span;

static span span_of(const group_norm *n, int64_t row, int64_t chunk) {
    int64_t begin, end;
    df_cpu_part(n->positions, n->chunks, chunk, &begin, &end);
    return (span) { (row * n->positions + begin) * n->c, end - begin };
}

static void chunk_sums(const df_kernel *k, const df_cpu_run *r, int64_t row, int64_t chunk) {
    const group_norm *n = k->state;
    span s = span_of(n, row, chunk);
    double *sum = work_of(n, r->scratch, row).sums + chunk * 2 * n->c;
    k->ctx->simd->channel_sums(sum, sum + n->c, df_cpu_from(k->ctx, r->in[0], s.first), s.positions, n->c);
}

static void chunk_apply(const df_kernel *k, const df_cpu_run *r, int64_t row, int64_t chunk) {
    const group_norm *n = k->state;
    const df_cpu_ctx *x = k->ctx;
    span s = span_of(n, row, chunk);
    row_work w = work_of(n, r->scratch, row);
    x->simd->scale_shift(df_cpu_to(x, r->out, s.first), df_cpu_from(x, r->in[0], s.first), s.positions, n->c, w.scale,
                         w.shift, k->node->act);
}

/* y = x * scale[c] + shift[c] from the sums of all chunks. */
static void row_statistics(const group_norm *n, row_work w) {
    int64_t per = n->c / n->groups;
    for (int64_t i = 1; i < n->chunks; i++)
        for (int64_t c = 0; c < 2 * n->c; c++) w.sums[c] += w.sums[i * 2 * n->c + c];
    for (int64_t g = 0; g < n->groups; g++) {
        double sum = 0, square = 0, count = (double)(per * n->positions);
        for (int64_t c = g * per; c < (g + 1) * per; c++) {
            sum += w.sums[c];
            square += w.sums[n->c + c];
        }
        double mean = sum / count, var = square / count - mean * mean;
        double rstd = 1 / sqrt((var < 0 ? 0 : var) + n->eps);
        for (int64_t c = g * per; c < (g + 1) * per; c++) {
            double scale = rstd * (n->gamma ? n->gamma[c] : 1);
            w.scale[c] = (float)scale;
            w.shift[c] = (float)((n->beta ? n->beta[c] : 0) - mean * scale);
        }
    }
}

/* A row a thread, so that it stays in that thread's cache. */
static void run_rows(const df_kernel *k, const df_cpu_run *r, int parts) {
    const group_norm *n = k->state;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int64_t row = 0; row < r->n_rows; row++) {
        for (int64_t i = 0; i < n->chunks; i++) chunk_sums(k, r, row, i);
        row_statistics(n, work_of(n, r->scratch, row));
        for (int64_t i = 0; i < n->chunks; i++) chunk_apply(k, r, row, i);
    }
}

static void run_chunks(const df_kernel *k, const df_cpu_run *r, int parts) {
    const group_norm *n = k->state;
    int64_t all = r->n_rows * n->chunks;
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < all; i++) chunk_sums(k, r, i / n->chunks, i % n->chunks);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < r->n_rows; row++) row_statistics(n, work_of(n, r->scratch, row));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < all; i++) chunk_apply(k, r, i / n->chunks, i % n->chunks);
    }
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    const group_norm *n = k->state;
    int parts = df_cpu_parts(k->ctx, r->n_rows * n->positions * n->c);
    bool whole_rows = parts == 1 || r->n_rows % parts == 0 || r->n_rows >= 4 * parts;
    (whole_rows ? run_rows : run_chunks)(k, r, parts);
    return DF_OK;
}

const df_cpu_op df_cpu_group_norm = {
    .open = open_norm, .close = close_norm, .prepare = prepare, .run = run, .does_act = true
};
