#include "engine/models/spatial_attention.h"

df_value_id df_spatial_attention_build(df_graph *g, const char *name, df_value_id x,
                                       const df_spatial_attention_args *a) {
    df_shape picture = df_graph_shape(g, x);
    int64_t width = picture.dim[2];
    df_shape tokens = DF_SHAPE(picture.dim[0] * picture.dim[1], width);

    df_value_id y = df_g_group_norm(g, df_graph_name(g, "%s.group_norm", name), x, a->groups, a->eps);
    y = df_g_reshape(g, df_graph_name(g, "%s.tokens", name), y, tokens);
    df_value_id q = df_g_linear(g, df_graph_name(g, "%s.to_q", name), y, width, false);
    df_value_id k = df_g_linear(g, df_graph_name(g, "%s.to_k", name), y, width, false);
    df_value_id v = df_g_linear(g, df_graph_name(g, "%s.to_v", name), y, width, false);
    y = df_g_attention(g, df_graph_name(g, "%s.attention", name), q, k, v, a->heads, false);
    y = df_g_linear(g, df_graph_name(g, "%s.to_out.0", name), y, width, false);
    y = df_g_reshape(g, df_graph_name(g, "%s.picture", name), y, picture);
    return df_g_add(g, df_graph_name(g, "%s.residual", name), y, x);
}
