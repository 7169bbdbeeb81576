#include "client/model_check.h"

#include "cluster/renderer.h"

/* Building a graph checks its weights; the graph itself is not wanted. */
static df_code check_component(const df_model *m, df_component c, df_err *err) {
    const df_model_info *info = df_model_info_of(m);
    bool text = c < DF_DENOISER;
    int h = text ? 0 : info->default_height / info->vae_factor, w = text ? 0 : info->default_width / info->vae_factor;
    df_graph *g = NULL;
    df_code rc = df_model_graph(m, c, h, w, &g, err);
    df_graph_free(&g);
    return rc;
}

df_code df_model_check(const df_model *m, df_err *err) {
    df_code rc = df_renderer_check(m, err);
    for (df_component c = 0; !rc && c < DF_COMPONENT_COUNT; c++)
        if (df_model_has(m, c) && c != DF_VAE_ENCODER) rc = check_component(m, c, err); /* many tasks need none */
    return rc;
}
