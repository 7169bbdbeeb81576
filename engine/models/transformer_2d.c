#include "engine/models/transformer_2d.h"

#include "engine/models/resnet.h"

/* Unlike the norms of the residual blocks these do not follow norm_eps of the config. */
static const double group_norm_eps = 1e-6;
static const double layer_norm_eps = 1e-5;

static df_value_id attention(df_graph *g, const char *name, df_value_id x, df_value_id context, int64_t width,
                             int heads) {
    df_value_id q = df_g_linear(g, df_graph_name(g, "%s.to_q", name), x, width, true);
    df_value_id k = df_g_linear(g, df_graph_name(g, "%s.to_k", name), context, width, true);
    df_value_id v = df_g_linear(g, df_graph_name(g, "%s.to_v", name), context, width, true);
    x = df_g_attention(g, df_graph_name(g, "%s.attention", name), q, k, v, heads, false);
    return df_g_linear(g, df_graph_name(g, "%s.to_out.0", name), x, width, false);
}

static df_value_id feed_forward(df_graph *g, const char *name, df_value_id x, int64_t width) {
    x = df_g_linear(g, df_graph_name(g, "%s.net.0.proj", name), x, 8 * width,
                    false); /* 4 * width, twice for the gate */
    x = df_g_geglu(g, df_graph_name(g, "%s.net.0.geglu", name), x);
    return df_g_linear(g, df_graph_name(g, "%s.net.2", name), x, width, false);
}

static df_value_id block(df_graph *g, const char *name, df_value_id x, int64_t width, const df_transformer_2d_args *a) {
    df_value_id y = df_g_layer_norm(g, df_graph_name(g, "%s.norm1", name), x, layer_norm_eps);
    y = attention(g, df_graph_name(g, "%s.attn1", name), y, a->only_cross_attention ? a->context : y, width, a->heads);
    x = df_g_add(g, df_graph_name(g, "%s.attn1_residual", name), y, x);

    y = df_g_layer_norm(g, df_graph_name(g, "%s.norm2", name), x, layer_norm_eps);
    y = attention(g, df_graph_name(g, "%s.attn2", name), y, a->context, width, a->heads);
    x = df_g_add(g, df_graph_name(g, "%s.attn2_residual", name), y, x);

    y = df_g_layer_norm(g, df_graph_name(g, "%s.norm3", name), x, layer_norm_eps);
    y = feed_forward(g, df_graph_name(g, "%s.ff", name), y, width);
    return df_g_add(g, df_graph_name(g, "%s.ff_residual", name), y, x);
}

/* Picture to tokens and back; a reshape moves nothing, so its place beside the projection is free. */
static df_value_id project_in(df_graph *g, const char *name, df_value_id x, df_shape tokens, bool linear) {
    const char *proj = df_graph_name(g, "%s.proj_in", name), *reshape = df_graph_name(g, "%s.tokens", name);
    if (linear) return df_g_linear(g, proj, df_g_reshape(g, reshape, x, tokens), tokens.dim[1], false);
    return df_g_reshape(g, reshape, df_conv_same(g, proj, x, tokens.dim[1], 1), tokens);
}

static df_value_id project_out(df_graph *g, const char *name, df_value_id x, df_shape picture, bool linear) {
    const char *proj = df_graph_name(g, "%s.proj_out", name), *reshape = df_graph_name(g, "%s.picture", name);
    if (linear) return df_g_reshape(g, reshape, df_g_linear(g, proj, x, picture.dim[2], false), picture);
    return df_conv_same(g, proj, df_g_reshape(g, reshape, x, picture), picture.dim[2], 1);
}

df_value_id df_transformer_2d_build(df_graph *g, const char *name, df_value_id x, const df_transformer_2d_args *a) {
    df_shape picture = df_graph_shape(g, x);
    int64_t width = picture.dim[2];
    df_shape tokens = DF_SHAPE(picture.dim[0] * picture.dim[1], width);

    df_value_id y = df_g_group_norm(g, df_graph_name(g, "%s.norm", name), x, a->groups, group_norm_eps);
    y = project_in(g, name, y, tokens, a->linear_projection);
    for (int i = 0; i < a->depth; i++) y = block(g, df_graph_name(g, "%s.transformer_blocks.%d", name, i), y, width, a);
    y = project_out(g, name, y, picture, a->linear_projection);
    return df_g_add(g, df_graph_name(g, "%s.residual", name), y, x);
}
