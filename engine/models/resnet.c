#include "engine/models/resnet.h"

df_value_id df_conv_same(df_graph *g, const char *name, df_value_id x, int64_t channels, int kernel) {
    int p = (kernel - 1) / 2;
    return df_g_conv2d(g, name, x, channels, (df_conv_attr) { .kernel = kernel, .stride = 1, .pad = { p, p, p, p } });
}

df_value_id df_norm_silu(df_graph *g, const char *name, df_value_id x, int groups, double eps) {
    x = df_g_group_norm(g, name, x, groups, eps);
    return df_g_activation(g, df_graph_name(g, "%s.silu", name), x, DF_ACT_SILU);
}

static int64_t channels_of(const df_graph *g, df_value_id x) {
    return df_graph_shape(g, x).dim[2];
}

df_value_id df_resnet_build(df_graph *g, const char *name, df_value_id x, const df_resnet_args *a) {
    /* The projection comes first so that fusion can add it in conv1, which must find it ready. */
    df_value_id t = DF_NO_VALUE;
    bool timed = a->temb != DF_NO_VALUE;
    if (timed) t = df_g_linear(g, df_graph_name(g, "%s.time_emb_proj", name), a->temb, a->channels, false);

    df_value_id y = df_norm_silu(g, df_graph_name(g, "%s.norm1", name), x, a->groups, a->eps);
    y = df_conv_same(g, df_graph_name(g, "%s.conv1", name), y, a->channels, 3);
    if (timed) y = df_g_add_channel(g, df_graph_name(g, "%s.add_time", name), y, t);
    y = df_norm_silu(g, df_graph_name(g, "%s.norm2", name), y, a->groups, a->eps);
    if (channels_of(g, x) != a->channels) /* likewise ready before conv2, which adds it */
        x = df_conv_same(g, df_graph_name(g, "%s.conv_shortcut", name), x, a->channels, 1);
    y = df_conv_same(g, df_graph_name(g, "%s.conv2", name), y, a->channels, 3);
    return df_g_add(g, df_graph_name(g, "%s.residual", name), y, x);
}

df_value_id df_downsample_build(df_graph *g, const char *name, df_value_id x, bool right_bottom_only) {
    int lead = right_bottom_only ? 0 : 1;
    df_conv_attr a = { .kernel = 3, .stride = 2, .pad = { .top = lead, .left = lead, .bottom = 1, .right = 1 } };
    return df_g_conv2d(g, df_graph_name(g, "%s.conv", name), x, channels_of(g, x), a);
}

df_value_id df_upsample_build(df_graph *g, const char *name, df_value_id x, int64_t h, int64_t w) {
    int64_t channels = channels_of(g, x);
    x = df_g_upsample_nearest(g, df_graph_name(g, "%s.nearest", name), x, h, w);
    return df_conv_same(g, df_graph_name(g, "%s.conv", name), x, channels, 3);
}
