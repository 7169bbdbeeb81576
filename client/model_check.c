#include "client/model_check.h"

#include "cluster/renderer.h"

/* Building a graph checks its weights; the graph itself is not wanted. */
static df_code check_component(const df_model *m, df_component c, df_err *err) {
    const df_model_info *info = df_model_info_of(m);
    df_graph *g = NULL;
    df_code rc =
        df_model_graph(m, c, info->default_height / info->vae_factor, info->default_width / info->vae_factor, &g, err);
    df_graph_free(&g);
    return rc;
}

df_code df_model_check(const df_model *m, df_err *err) {
    static const df_component used[] = { DF_TEXT_ENCODER, DF_UNET, DF_VAE_DECODER };
    df_code rc = df_renderer_check(m, err);
    for (size_t i = 0; !rc && i < sizeof used / sizeof *used; i++) rc = check_component(m, used[i], err);
    return rc;
}
