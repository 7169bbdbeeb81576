#include <math.h>
#include <omp.h>

#include "engine/backend/reference/real.h"
#include "engine/graph/relative_position.h"

typedef struct head {
    const real *q, *k, *v; /* of the row, at the head's first channel */
    int64_t d, dv; /* channels of a head */
    int64_t stride_k, stride_v; /* channels of all heads */
    int64_t keys; /* that the query may see */
    double scale;
    int64_t t; /* the query's place among the keys */
    const float *bias; /* [buckets], heads apart; NULL: none */
    int heads, buckets, max_distance;
} head;

static double bias_of(const head *h, int64_t s) {
    return h->bias ? (double)h->bias[df_relative_bucket(s - h->t, h->buckets, h->max_distance) * h->heads] : 0;
}

/* softmax(scale * q.k + bias) into p[keys], not yet divided by its sum, which is returned. */
static double weigh(const head *h, double *p) {
    double largest = -INFINITY, sum = 0;
    for (int64_t s = 0; s < h->keys; s++) {
        double dot = 0;
        for (int64_t i = 0; i < h->d; i++) dot += (double)h->q[i] * (double)h->k[s * h->stride_k + i];
        p[s] = dot * h->scale + bias_of(h, s);
        if (p[s] > largest) largest = p[s];
    }
    for (int64_t s = 0; s < h->keys; s++) sum += p[s] = exp(p[s] - largest);
    return sum;
}

static void mix(const head *h, const double *p, double *y) {
    for (int64_t i = 0; i < h->dv; i++) y[i] = 0;
    for (int64_t s = 0; s < h->keys; s++)
        for (int64_t i = 0; i < h->dv; i++) y[i] += p[s] * (double)h->v[s * h->stride_v + i];
}

/* Query t of one head of one row. scratch: keys + dv doubles. */
static void attend(const df_ref_call *c, int64_t row, int64_t n, int64_t t, double *scratch) {
    df_shape q = in_shape(c, 0), k = in_shape(c, 1), v = in_shape(c, 2);
    int heads = c->node->attr.attention.heads;
    head h = { .d = q.dim[1] / heads, .dv = v.dim[1] / heads, .stride_k = k.dim[1], .stride_v = v.dim[1] };
    h.q = (const real *)c->in[0] + row * df_shape_elements(q) + t * q.dim[1] + n * h.d;
    h.k = (const real *)c->in[1] + row * df_shape_elements(k) + n * h.d;
    h.v = (const real *)c->in[2] + row * df_shape_elements(v) + n * h.dv;
    h.keys = c->node->attr.attention.causal ? t + 1 : k.dim[0];
    h.scale = c->node->attr.attention.scale != 0 ? c->node->attr.attention.scale : 1 / sqrt((double)h.d);
    h.t = t;
    h.bias = c->weight ? c->weight + n : NULL;
    h.heads = heads;
    h.buckets = c->node->attr.attention.bias_buckets;
    h.max_distance = c->node->attr.attention.bias_max_distance;
    double *y = scratch + k.dim[0], sum = weigh(&h, scratch);
    mix(&h, scratch, y);
    for (int64_t i = 0; i < h.dv; i++) store(c, row, t * v.dim[1] + n * h.dv + i, y[i] / sum);
}

df_code REF(attention)(const df_ref_call *c) {
    int64_t heads = c->node->attr.attention.heads, queries = in_shape(c, 0).dim[0];
    size_t per_thread = df_ref_scratch_doubles(c->g, c->node);
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * heads * queries; i++)
        attend(c, i / (heads * queries), i / queries % heads, i % queries,
               c->scratch + (size_t)omp_get_thread_num() * per_thread);
    return DF_OK;
}
