#include "engine/models/mmdit_block.h"

static const double eps = 1e-6; /* of every norm of this network */

/* Modules of a stream within a block. */
typedef struct stream {
    const char *norm1, *q, *k, *v, *norm_q, *norm_k, *out, *norm2, *ff;
} stream;

static const stream picture_stream = { "norm1",       "attn.to_q",     "attn.to_k", "attn.to_v", "attn.norm_q",
                                       "attn.norm_k", "attn.to_out.0", "norm2",     "ff" };
static const stream text_stream = { "norm1_context",   "attn.add_q_proj",   "attn.add_k_proj",
                                    "attn.add_v_proj", "attn.norm_added_q", "attn.norm_added_k",
                                    "attn.to_add_out", "norm2_context",     "ff_context" };
/* The picture's second attention. It has no feed-forward of its own and shares the norm before. */
static const stream dual_stream = { .q = "attn2.to_q",
                                    .k = "attn2.to_k",
                                    .v = "attn2.to_v",
                                    .norm_q = "attn2.norm_q",
                                    .norm_k = "attn2.norm_k",
                                    .out = "attn2.to_out.0" };

/* A block under construction. */
typedef struct block {
    df_graph *g;
    const df_mmdit_config *cfg;
    const char *name; /* "transformer_blocks.3" */
    df_value_id act;
} block;

typedef struct qkv {
    df_value_id q, k, v;
} qkv;

static const char *path(const block *b, const char *module) {
    return df_graph_name(b->g, "%s.%s", b->name, module);
}

static const char *path_to(const block *b, const char *module, const char *part) {
    return df_graph_name(b->g, "%s.%s.%s", b->name, module, part);
}

static df_value_id linear(const block *b, const char *module, df_value_id x) {
    return df_g_linear(b->g, path(b, module), x, b->cfg->width, false);
}

/* A norm over each head, with one gamma for all. */
static df_value_id head_norm(const block *b, const char *module, df_value_id x) {
    if (!b->cfg->qk_norm) return x;
    df_shape flat = df_graph_shape(b->g, x);
    df_shape heads = DF_SHAPE(flat.dim[0], b->cfg->heads, b->cfg->head_width);
    x = df_g_reshape(b->g, path_to(b, module, "heads"), x, heads);
    x = df_g_rms_norm(b->g, path(b, module), x, eps);
    return df_g_reshape(b->g, path_to(b, module, "flat"), x, flat);
}

static qkv project(const block *b, const stream *s, df_value_id x) {
    return (qkv) {
        .q = head_norm(b, s->norm_q, linear(b, s->q, x)),
        .k = head_norm(b, s->norm_k, linear(b, s->k, x)),
        .v = linear(b, s->v, x),
    };
}

/* The condition as one norm of the block takes it: chunks of width D, in the file's order. */
typedef struct modulation {
    const char *norm; /* the module: "norm1" */
    df_value_id chunks;
} modulation;

enum { SHIFT_ATTENTION, SCALE_ATTENTION, GATE_ATTENTION, SHIFT_FF, SCALE_FF, GATE_FF, N_CHUNKS };
enum { SHIFT_DUAL = N_CHUNKS, SCALE_DUAL, GATE_DUAL, N_DUAL_CHUNKS };

static modulation condition(const block *b, const char *norm, int n_chunks) {
    return (modulation) { norm,
                          df_g_linear(b->g, path_to(b, norm, "linear"), b->act, n_chunks * b->cfg->width, false) };
}

static df_value_id chunk(const block *b, modulation m, int i) {
    static const char *const names[N_DUAL_CHUNKS] = {
        [SHIFT_ATTENTION] = "shift_msa", [SCALE_ATTENTION] = "scale_msa", [GATE_ATTENTION] = "gate_msa",
        [SHIFT_FF] = "shift_mlp",        [SCALE_FF] = "scale_mlp",        [GATE_FF] = "gate_mlp",
        [SHIFT_DUAL] = "shift_msa2",     [SCALE_DUAL] = "scale_msa2",     [GATE_DUAL] = "gate_msa2",
    };
    return df_g_slice(b->g, path_to(b, m.norm, names[i]), m.chunks, i * b->cfg->width, b->cfg->width);
}

static df_value_id plain_norm(const block *b, const char *name, df_value_id x) {
    return df_g_layer_norm_plain(b->g, name, x, eps);
}

/* shift: number of the chunk; the scale follows it. */
static df_value_id modulate(const block *b, const char *name, df_value_id normed, modulation m, int shift) {
    df_value_id by = chunk(b, m, shift), scale = chunk(b, m, shift + 1);
    return df_g_modulate(b->g, name, normed, by, scale);
}

/* x + gate * y, y being what module `of` gave. */
static df_value_id add_gated(const block *b, const char *of, df_value_id x, df_value_id y, modulation m, int gate) {
    y = df_g_gate(b->g, path_to(b, of, "gate"), y, chunk(b, m, gate));
    return df_g_add(b->g, path_to(b, of, "residual"), y, x);
}

/* Each token of both streams attends to all; the picture's come first. */
static df_value_id joint_attention(const block *b, df_value_id picture, df_value_id text) {
    qkv p = project(b, &picture_stream, picture), t = project(b, &text_stream, text);
    df_value_id q = df_g_concat_tokens(b->g, path(b, "attn.joint_q"), p.q, t.q);
    df_value_id k = df_g_concat_tokens(b->g, path(b, "attn.joint_k"), p.k, t.k);
    df_value_id v = df_g_concat_tokens(b->g, path(b, "attn.joint_v"), p.v, t.v);
    return df_g_attention(b->g, path(b, "attn.attention"), q, k, v, b->cfg->heads, false);
}

df_value_id df_mmdit_continuous_norm(df_graph *g, const df_mmdit_config *cfg, const char *name, df_value_id x,
                                     df_value_id act) {
    df_value_id both = df_g_linear(g, df_graph_name(g, "%s.linear", name), act, 2 * cfg->width, false);
    df_value_id scale = df_g_slice(g, df_graph_name(g, "%s.scale", name), both, 0, cfg->width);
    df_value_id shift = df_g_slice(g, df_graph_name(g, "%s.shift", name), both, cfg->width, cfg->width);
    x = df_g_layer_norm_plain(g, df_graph_name(g, "%s.norm", name), x, eps);
    return df_g_modulate(g, name, x, shift, scale);
}

/* A stream on its way into attention. */
typedef struct entry {
    modulation m; /* unused for the text of the last block */
    df_value_id x, dual; /* modulated for the joint attention and for the picture's own; DF_NO_VALUE: none */
} entry;

static entry before_attention(const block *b, const stream *s, df_value_id x, bool dual) {
    entry e = { .m = condition(b, s->norm1, dual ? N_DUAL_CHUNKS : N_CHUNKS), .dual = DF_NO_VALUE };
    df_value_id normed = plain_norm(b, path_to(b, s->norm1, "norm"), x);
    e.x = modulate(b, path(b, s->norm1), normed, e.m, SHIFT_ATTENTION);
    if (dual) e.dual = modulate(b, path_to(b, s->norm1, "dual"), normed, e.m, SHIFT_DUAL);
    return e;
}

static df_value_id feed_forward(const block *b, const stream *s, df_value_id x) {
    x = df_g_linear(b->g, path_to(b, s->ff, "net.0.proj"), x, 4 * b->cfg->width, false);
    x = df_g_activation(b->g, path_to(b, s->ff, "net.0.gelu"), x, DF_ACT_GELU_TANH);
    return linear(b, df_graph_name(b->g, "%s.net.2", s->ff), x);
}

static df_value_id dual_attention(const block *b, df_value_id x) {
    qkv d = project(b, &dual_stream, x);
    x = df_g_attention(b->g, path(b, "attn2.attention"), d.q, d.k, d.v, b->cfg->heads, false);
    return linear(b, dual_stream.out, x);
}

/* From the stream's tokens x and y, what the joint attention gave for them, to its result. */
static df_value_id after_attention(const block *b, const stream *s, const entry *e, df_value_id x, df_value_id y) {
    x = add_gated(b, s->out, x, linear(b, s->out, y), e->m, GATE_ATTENTION);
    if (e->dual != DF_NO_VALUE) x = add_gated(b, dual_stream.out, x, dual_attention(b, e->dual), e->m, GATE_DUAL);
    y = plain_norm(b, path(b, s->norm2), x);
    y = modulate(b, path_to(b, s->norm2, "modulate"), y, e->m, SHIFT_FF);
    return add_gated(b, s->ff, x, feed_forward(b, s, y), e->m, GATE_FF);
}

df_mmdit_tokens df_mmdit_block(df_graph *g, const df_mmdit_config *cfg, int layer, df_mmdit_tokens x, df_value_id act) {
    block b = { g, cfg, df_graph_name(g, "transformer_blocks.%d", layer), act };
    bool last = layer == cfg->layers - 1;
    int64_t n_picture = df_graph_shape(g, x.picture).dim[0], n_text = df_graph_shape(g, x.text).dim[0];
    df_mmdit_tokens out = { .text = DF_NO_VALUE };
    entry picture = before_attention(&b, &picture_stream, x.picture, cfg->dual[layer]), text = { 0 };
    if (last)
        text.x = df_mmdit_continuous_norm(g, cfg, path(&b, text_stream.norm1), x.text, act);
    else
        text = before_attention(&b, &text_stream, x.text, false);

    df_value_id y = joint_attention(&b, picture.x, text.x);
    df_value_id to_picture = df_g_slice_tokens(g, path(&b, "attn.picture"), y, 0, n_picture);
    out.picture = after_attention(&b, &picture_stream, &picture, x.picture, to_picture);
    if (last) return out;
    df_value_id to_text = df_g_slice_tokens(g, path(&b, "attn.text"), y, n_picture, n_text);
    out.text = after_attention(&b, &text_stream, &text, x.text, to_text);
    return out;
}
