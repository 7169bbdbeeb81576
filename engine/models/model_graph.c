/* From a model and a component to its graph: built, checked against the weight files, fused. */
#include "engine/graph/fuse.h"
#include "engine/models/clip_text.h"
#include "engine/models/model_impl.h"
#include "engine/models/unet.h"
#include "engine/models/vae.h"
#include "engine/models/weights_check.h"

static void build(const df_model *m, df_component c, int h, int w, df_graph *g) {
    switch (c) {
    case DF_TEXT_ENCODER: df_clip_text_build(g, &m->text, m->info.max_tokens); return;
    case DF_UNET: df_unet_build(g, &m->unet, h, w, m->info.max_tokens); return;
    case DF_VAE_DECODER: df_vae_decoder_build(g, &m->vae, h, w); return;
    case DF_VAE_ENCODER: df_vae_encoder_build(g, &m->vae, h, w); return;
    case DF_COMPONENT_COUNT: break;
    }
    df_graph_fail(g, DF_EINVAL, "no component %d", (int)c);
}

static df_code check_size(const df_model *m, df_component c, int h, int w, df_err *err) {
    if (c == DF_TEXT_ENCODER || (h >= 1 && w >= 1 && h <= DF_MODEL_MAX_LATENT && w <= DF_MODEL_MAX_LATENT))
        return DF_OK;
    return df_err_set(err, DF_EINVAL, "%s: %s for latents of %dx%d (height x width); sides must be 1 to %d", m->dir,
                      df_component_name(c), h, w, DF_MODEL_MAX_LATENT);
}

df_code df_model_graph(const df_model *m, df_component c, int latent_h, int latent_w, df_graph **out, df_err *err) {
    df_err own;
    if (!err) err = &own;
    df_code rc = check_size(m, c, latent_h, latent_w, err);
    if (rc) return rc;
    df_graph *g = df_graph_new(df_component_name(c));
    if (!g) return df_err_set(err, DF_ENOMEM, "graph of %s", df_component_name(c));
    build(m, c, latent_h, latent_w, g);
    if ((rc = df_graph_finish(g, err)) || (rc = df_graph_fuse(g, err))) {
        df_err_wrap(err, "%s", m->dir);
        goto fail;
    }
    /* The whole component, whichever part the caller will hold: so all ranks of a pipeline refuse a broken model. */
    if ((rc = df_weights_check(df_model_weights(m, c), g, err))) goto fail;
    *out = g;
    return DF_OK;
fail:
    df_graph_free(&g);
    return rc;
}
