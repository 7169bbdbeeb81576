#include "engine/backend/cpu/primitive.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

void *df_cpu_alloc(size_t bytes) {
    size_t padded;
    return df_size_align(&padded, bytes ? bytes : 1, 64) ? aligned_alloc(64, padded) : NULL;
}

/* As a matrix product. In 8 bits it stays the convolution that it also is: the library's matrix products have no
 * result in bf16. */
static bool is_linear(const df_product_shape *s) {
    return !s->int8 && s->kernel == 1 && s->stride == 1 && s->iw == 1 && s->top + s->left + s->bottom + s->right == 0;
}

static dnnl_data_type_t type_of(const df_product_shape *s) {
    return s->dtype == DF_BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_data_type_t x_type(const df_product_shape *s) {
    return s->int8 ? dnnl_u8 : type_of(s);
}

static dnnl_data_type_t weights_type(const df_product_shape *s) {
    return s->int8 ? dnnl_s8 : type_of(s);
}

static df_code int8_attributes(dnnl_primitive_attr_t attr, const df_product_shape *s, df_err *err) {
    const int every_channel = 1 << 1;
    int32_t zero = (int32_t)s->zero;
    DF_TRY_DNNL(dnnl_primitive_attr_set_output_scales(attr, s->oc, every_channel, s->scales));
    if (zero) DF_TRY_DNNL(dnnl_primitive_attr_set_zero_points(attr, DNNL_ARG_SRC, 1, 0, &zero));
    return DF_OK;
}

static df_code attributes(dnnl_primitive_attr_t *attr, const df_product_shape *s, df_err *err) {
    DF_TRY_DNNL(dnnl_primitive_attr_create(attr));
    DF_TRY_DNNL(dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user));
    df_code rc = s->int8 ? int8_attributes(*attr, s, err) : DF_OK;
    if (rc || !s->sum) return rc;
    dnnl_post_ops_t ops;
    DF_TRY_DNNL(dnnl_post_ops_create(&ops));
    dnnl_status_t status = dnnl_post_ops_append_sum(ops, 1.0f);
    if (!status) status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return status ? df_cpu_dnnl_error(err, status, "sum") : DF_OK;
}

static df_code describe_linear(df_prim *p, const df_cpu_ctx *ctx, const dnnl_memory_desc_t *weights,
                               dnnl_primitive_attr_t attr, df_err *err) {
    const df_product_shape *s = &p->shape;
    dnnl_dims_t x = { p->rows * s->ih, s->ic }, w = { s->ic, s->oc }, b = { 1, s->oc }, y = { p->rows * s->oh, s->oc };
    dnnl_memory_desc_t xd, wd, bd, yd;
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&xd, 2, x, type_of(s), dnnl_ab));
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&wd, 2, w, type_of(s), dnnl_format_tag_any));
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&bd, 2, b, dnnl_f32, dnnl_ab));
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&yd, 2, y, type_of(s), dnnl_ab));
    dnnl_matmul_desc_t desc;
    DF_TRY_DNNL(dnnl_matmul_desc_init(&desc, &xd, weights ? weights : &wd, s->bias ? &bd : NULL, &yd));
    DF_TRY_DNNL(dnnl_primitive_desc_create(&p->desc, &desc, attr, ctx->engine, NULL));
    return DF_OK;
}

static df_code describe_conv(df_prim *p, const df_cpu_ctx *ctx, const dnnl_memory_desc_t *weights,
                             dnnl_primitive_attr_t attr, df_err *err) {
    const df_product_shape *s = &p->shape;
    dnnl_dims_t x = { p->rows, s->ic, s->ih, s->iw }, w = { s->oc, s->ic, s->kernel, s->kernel }, b = { s->oc };
    dnnl_dims_t y = { p->rows, s->oc, s->oh, s->ow }, strides = { s->stride, s->stride };
    dnnl_dims_t before = { s->top, s->left }, after = { s->bottom, s->right };
    dnnl_memory_desc_t xd, wd, bd, yd;
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&xd, 4, x, x_type(s), dnnl_nhwc));
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&wd, 4, w, weights_type(s), dnnl_format_tag_any));
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&bd, 1, b, dnnl_f32, dnnl_a));
    DF_TRY_DNNL(dnnl_memory_desc_init_by_tag(&yd, 4, y, type_of(s), dnnl_nhwc));
    dnnl_convolution_desc_t desc;
    DF_TRY_DNNL(dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &xd,
                                                   weights ? weights : &wd, s->bias ? &bd : NULL, &yd, strides, before,
                                                   after));
    DF_TRY_DNNL(dnnl_primitive_desc_create(&p->desc, &desc, attr, ctx->engine, NULL));
    return DF_OK;
}

const dnnl_memory_desc_t *df_prim_weights(const df_prim *p) {
    return dnnl_primitive_desc_query_md(p->desc, dnnl_query_weights_md, 0);
}

const char *df_prim_implementation(const df_prim *p) {
    const char *name = NULL;
    return dnnl_primitive_desc_query(p->desc, dnnl_query_impl_info_str, 0, &name) == dnnl_success ? name : "unknown";
}

static df_code create(df_prim *p, const df_cpu_ctx *ctx, const dnnl_memory_desc_t *weights, df_err *err) {
    dnnl_primitive_attr_t attr = NULL;
    df_code rc = attributes(&attr, &p->shape, err);
    if (!rc) rc = (is_linear(&p->shape) ? describe_linear : describe_conv)(p, ctx, weights, attr, err);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (rc) return rc;
    if (weights && !strncmp(df_prim_implementation(p), "ref", 3))
        return df_err_set(err, DF_EUNSUPPORTED, "oneDNN: only its reference takes this layout of the weights");
    DF_TRY_DNNL(dnnl_primitive_create(&p->primitive, p->desc));
    p->scratch_bytes = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0));
    return DF_OK;
}

df_code df_prim_open(df_prim **out, const df_cpu_ctx *ctx, const df_product_shape *shape, int64_t rows, int threads,
                     const dnnl_memory_desc_t *weights, df_err *err) {
    df_prim *p = calloc(1, sizeof *p);
    if (!p) return df_err_set(err, DF_ENOMEM, "primitive");
    *p = (df_prim) { .shape = *shape, .rows = rows, .threads = threads };
    int saved = df_cpu_enter(threads);
    df_code rc = create(p, ctx, weights, err);
    df_cpu_leave(saved);
    if (rc) {
        df_prim_close(&p);
        return rc;
    }
    *out = p;
    return DF_OK;
}

void df_prim_close(df_prim **prim) {
    if (!prim || !*prim) return;
    df_prim *p = *prim;
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->desc) dnnl_primitive_desc_destroy(p->desc);
    free(p);
    *prim = NULL;
}

/* PyTorch's order, as the library names it. */
static dnnl_status_t plain_weights(dnnl_memory_desc_t *md, const df_product_shape *s) {
    if (is_linear(s)) return dnnl_memory_desc_init_by_tag(md, 2, (dnnl_dims_t) { s->ic, s->oc }, dnnl_f32, dnnl_ba);
    return dnnl_memory_desc_init_by_tag(md, 4, (dnnl_dims_t) { s->oc, s->ic, s->kernel, s->kernel },
                                        s->int8 ? dnnl_s8 : dnnl_f32, dnnl_oihw);
}

typedef struct reorder {
    dnnl_memory_t from, to;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
} reorder;

static df_code reorder_weights(reorder *r, const df_cpu_ctx *ctx, const df_prim *p, const dnnl_memory_desc_t *layout,
                               const void *weights, void *packed, df_err *err) {
    DF_TRY_DNNL(dnnl_memory_create(&r->from, layout, ctx->engine, (void *)(uintptr_t)weights));
    DF_TRY_DNNL(dnnl_memory_create(&r->to, df_prim_weights(p), ctx->engine, packed));
    DF_TRY_DNNL(
        dnnl_reorder_primitive_desc_create(&r->desc, layout, ctx->engine, df_prim_weights(p), ctx->engine, NULL));
    DF_TRY_DNNL(dnnl_primitive_create(&r->primitive, r->desc));
    dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, r->from }, { DNNL_ARG_TO, r->to } };
    DF_TRY_DNNL(dnnl_primitive_execute(r->primitive, ctx->streams[0], 2, args));
    DF_TRY_DNNL(dnnl_stream_wait(ctx->streams[0]));
    return DF_OK;
}

static df_code pack(const df_cpu_ctx *ctx, const df_prim *p, const dnnl_memory_desc_t *layout, const void *weights,
                    void **packed, df_err *err) {
    size_t bytes = dnnl_memory_desc_get_size(df_prim_weights(p));
    void *to = df_cpu_alloc(bytes);
    if (!to) return df_err_set(err, DF_ENOMEM, "%zu bytes of packed weights", bytes);
    reorder r = { 0 };
    df_code rc = reorder_weights(&r, ctx, p, layout, weights, to, err);
    if (r.primitive) dnnl_primitive_destroy(r.primitive);
    if (r.desc) dnnl_primitive_desc_destroy(r.desc);
    if (r.from) dnnl_memory_destroy(r.from);
    if (r.to) dnnl_memory_destroy(r.to);
    if (rc)
        free(to);
    else
        *packed = to;
    return rc;
}

df_code df_prim_pack(const df_cpu_ctx *ctx, const df_prim *p, const void *weights, void **packed, df_err *err) {
    dnnl_memory_desc_t plain;
    DF_TRY_DNNL(plain_weights(&plain, &p->shape));
    return pack(ctx, p, &plain, weights, packed, err);
}

df_code df_prim_repack(const df_cpu_ctx *ctx, const df_prim *p, const df_prim *other, const void *others, void **packed,
                       df_err *err) {
    return pack(ctx, p, df_prim_weights(other), others, packed, err);
}

static uint64_t mix(uint64_t hash, const void *data, size_t bytes) {
    for (const unsigned char *at = data; bytes; bytes--) hash = (hash ^ *at++) * 0x100000001b3u;
    return hash;
}

uint64_t df_prim_layout(const df_prim *p) {
    const dnnl_version_t *v = dnnl_version();
    const int version[] = { v->major, v->minor, v->patch };
    uint64_t hash = mix(0xcbf29ce484222325u, df_prim_weights(p), sizeof(dnnl_memory_desc_t));
    return mix(hash, version, sizeof version);
}

bool df_prim_same_layout(const df_prim *a, const df_prim *b) {
    return dnnl_memory_desc_equal(df_prim_weights(a), df_prim_weights(b)) == 1;
}

static df_code handle(dnnl_memory_t *m, const df_cpu_ctx *ctx, const df_prim *p, dnnl_query_t what, int index,
                      df_err *err) {
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(p->desc, what, index);
    DF_TRY_DNNL(dnnl_memory_create(m, md, ctx->engine, DNNL_MEMORY_NONE));
    return DF_OK;
}

df_code df_prim_args_open(df_prim_args *a, const df_cpu_ctx *ctx, const df_prim *p, df_err *err) {
    *a = (df_prim_args) { 0 };
    df_code rc = handle(&a->src, ctx, p, dnnl_query_src_md, 0, err);
    if (!rc) rc = handle(&a->weights, ctx, p, dnnl_query_weights_md, 0, err);
    if (!rc && p->shape.bias) rc = handle(&a->bias, ctx, p, dnnl_query_weights_md, 1, err);
    if (!rc) rc = handle(&a->dst, ctx, p, dnnl_query_dst_md, 0, err);
    if (!rc) rc = handle(&a->scratch, ctx, p, dnnl_query_scratchpad_md, 0, err);
    if (rc) df_prim_args_close(a);
    return rc;
}

void df_prim_args_close(df_prim_args *a) {
    dnnl_memory_t all[] = { a->src, a->weights, a->bias, a->dst, a->scratch };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) dnnl_memory_destroy(all[i]);
    *a = (df_prim_args) { 0 };
}

df_code df_prim_run(const df_prim *p, const df_prim_args *a, dnnl_stream_t stream, const df_operands *o, df_err *err) {
    DF_TRY_DNNL(dnnl_memory_set_data_handle(a->src, (void *)(uintptr_t)o->x));
    DF_TRY_DNNL(dnnl_memory_set_data_handle(a->weights, (void *)(uintptr_t)o->weights));
    if (a->bias) DF_TRY_DNNL(dnnl_memory_set_data_handle(a->bias, (void *)(uintptr_t)o->bias));
    DF_TRY_DNNL(dnnl_memory_set_data_handle(a->dst, o->y));
    DF_TRY_DNNL(dnnl_memory_set_data_handle(a->scratch, o->scratch));
    dnnl_exec_arg_t args[5] = { { DNNL_ARG_SRC, a->src },
                                { DNNL_ARG_WEIGHTS, a->weights },
                                { DNNL_ARG_DST, a->dst },
                                { DNNL_ARG_SCRATCHPAD, a->scratch },
                                { DNNL_ARG_BIAS, a->bias } };
    DF_TRY_DNNL(dnnl_primitive_execute(p->primitive, stream, a->bias ? 5 : 4, args));
    DF_TRY_DNNL(dnnl_stream_wait(stream));
    return DF_OK;
}
