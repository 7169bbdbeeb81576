/* One oneDNN primitive: a convolution or a matrix product for a fixed number of rows and of threads.
 *
 *   df_prim_open(&p, ctx, &shape, rows, threads, NULL, &err);       NULL: the library chooses the weights' layout
 *   df_prim_pack(ctx, p, weights, &packed, &err);                   PyTorch's order -> that layout; once
 *   df_prim_open(&q, ctx, &shape, other, threads, df_prim_weights(p), &err);   another size, the same packed weights,
 *                                                                   or, where the library refuses: df_prim_repack
 *   df_prim_args_open(&a, ctx, p, &err);                            the memory handles of one caller
 *   df_prim_run(p, &a, stream, &operands, &err);                    allocates no buffer; one caller for each args
 *
 * y = conv(x) + bias, or y = conv(x) + bias + y where `sum`; everything else (activation, channel vectors) is ours:
 * the library's activations are less exact. Convolutions are direct ones, never Winograd: its rounding is far worse.
 * Scratch is the caller's. Threads: a primitive may be run by several threads at once, each with args of its own. */
#ifndef DF_ENGINE_BACKEND_CPU_PRIMITIVE_H
#define DF_ENGINE_BACKEND_CPU_PRIMITIVE_H

#include "engine/backend/cpu/context.h"

/* Of one row, channels last. A linear layer over T positions is [T][1][ic] -> [T][1][oc] with kernel 1, and so is a
 * 1x1 convolution. All members are 8 bytes: shapes are compared by their bytes. */
typedef struct df_product_shape {
    int64_t ih, iw, ic, oh, ow, oc;
    int64_t kernel, stride, top, left, bottom, right;
    int64_t bias, sum; /* 0 or 1 */
    int64_t dtype; /* df_dtype of y, and of x and weights too unless int8: F32 or BF16; the bias is f32 in both */
    /* x is U8, weights are integers from -127 to 127, and y = scales[oc] * (conv(x - zero) + bias) */
    int64_t int8, zero; /* 0 or 1; 0..255 */
    const float *scales; /* [oc], borrowed; NULL without int8 */
} df_product_shape;

static inline size_t df_product_x_unit(const df_product_shape *s) { /* bytes of an element of x */
    return s->int8 ? 1 : df_dtype_bytes((df_dtype)s->dtype);
}

typedef struct df_prim {
    df_product_shape shape;
    int64_t rows;
    int threads;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    size_t scratch_bytes;
} df_prim;

typedef struct df_prim_args {
    dnnl_memory_t src, weights, bias, dst, scratch;
} df_prim_args;

typedef struct df_operands {
    const void *x; /* [rows][ih][iw][ic] */
    const void *weights; /* packed */
    const float *bias; /* [oc] or NULL */
    void *y; /* [rows][oh][ow][oc] */
    void *scratch; /* scratch_bytes, 64-byte aligned */
} df_operands;

/* DF_EUNSUPPORTED if the library has no fast implementation for the layout asked for. Sets the number of threads of
 * the calling thread itself. */
df_code df_prim_open(df_prim **out, const df_cpu_ctx *ctx, const df_product_shape *shape, int64_t rows, int threads,
                     const dnnl_memory_desc_t *weights, df_err *err);
void df_prim_close(df_prim **p);

const dnnl_memory_desc_t *df_prim_weights(const df_prim *p);
const char *df_prim_implementation(const df_prim *p); /* the library's name for it */

/* weights [oc][ic][kernel][kernel] f32, or int8_t where the shape is int8; *packed, in the type of the shape, is the
 * caller's, to be freed. */
df_code df_prim_pack(const df_cpu_ctx *ctx, const df_prim *p, const void *weights, void **packed, df_err *err);
/* The same from what was packed for another primitive of the shape. */
df_code df_prim_repack(const df_cpu_ctx *ctx, const df_prim *p, const df_prim *other, const void *others, void **packed,
                       df_err *err);
uint64_t df_prim_layout(const df_prim *p); /* a hash of the weights' layout and the library's version */
bool df_prim_same_layout(const df_prim *a, const df_prim *b); /* of the weights */

df_code df_prim_args_open(df_prim_args *a, const df_cpu_ctx *ctx, const df_prim *p, df_err *err);
void df_prim_args_close(df_prim_args *a);

/* The calling thread's number of threads must be the primitive's (or, for 1, it may be inside a parallel region). */
df_code df_prim_run(const df_prim *p, const df_prim_args *a, dnnl_stream_t stream, const df_operands *o, df_err *err);

/* n bytes, 64-byte aligned; NULL when out of memory. */
void *df_cpu_alloc(size_t bytes);

#endif
