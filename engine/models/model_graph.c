/* From a model and a component to its graph: built, checked against the weight files, fused. */
#include "engine/graph/fuse.h"
#include "engine/models/model_impl.h"
#include "engine/models/vae_config.h"
#include "engine/models/weights_check.h"

int64_t df_model_tokens(const df_model *m, df_component c) {
    return c < DF_DENOISER ? m->part[df_component_part(c)].facts.text.tokens : m->info.context_tokens;
}

bool df_graph_size_equal(const df_graph_size *a, const df_graph_size *b) {
    return a->latent_h == b->latent_h && a->latent_w == b->latent_w && a->tokens == b->tokens;
}

df_graph_size df_model_own_size(const df_model *m) {
    return (df_graph_size) { .latent_h = m->info.default_height / m->info.vae_factor,
                             .latent_w = m->info.default_width / m->info.vae_factor };
}

typedef void (*builder)(df_graph *g, const void *config, const df_build_size *size);

static df_code build(const df_model *m, df_component c, builder build_graph, const df_graph_size *of, df_graph *g,
                     df_err *err) {
    df_build_size size = {
        .latent_h = of->latent_h,
        .latent_w = of->latent_w,
        .tokens = of->tokens ? of->tokens : df_model_tokens(m, c),
    };
    build_graph(g, m->part[df_component_part(c)].config, &size);
    df_code rc = df_graph_finish(g, err);
    if (!rc) rc = df_graph_fuse(g, err);
    if (!rc && c == DF_DENOISER && m->int8_scales) rc = df_int8_scales_apply(m->int8_scales, g, err);
    return rc ? df_err_wrap(err, "%s", m->dir) : DF_OK;
}

static df_code check_text_size(const df_model *m, df_component c, int tokens, df_err *err) {
    if (tokens >= 0 && tokens <= DF_MODEL_MAX_TOKENS) return DF_OK;
    return df_err_set(err, DF_EINVAL, "%s: %s for %d tokens; 1 to %d are possible", m->dir, df_component_name(c),
                      tokens, DF_MODEL_MAX_TOKENS);
}

static df_code check_size(const df_model *m, df_component c, const df_graph_size *size, df_err *err) {
    int h = size->latent_h, w = size->latent_w;
    int multiple = m->part[DF_PART_DENOISER].facts.denoiser.size_multiple;
    if (!df_model_has(m, c))
        return df_err_set(err, DF_EUNSUPPORTED, "%s: a %s has no %s", m->dir, m->index.pipeline->name,
                          df_component_name(c));
    df_code rc = check_text_size(m, c, size->tokens, err);
    if (rc || c < DF_DENOISER) return rc;
    if (h < 1 || w < 1 || h > DF_MODEL_MAX_LATENT || w > DF_MODEL_MAX_LATENT)
        return df_err_set(err, DF_EINVAL, "%s: %s for latents of %dx%d (height x width); sides must be 1 to %d", m->dir,
                          df_model_component_name(m, c), h, w, DF_MODEL_MAX_LATENT);
    if (c == DF_DENOISER && multiple > 1 && (h % multiple || w % multiple))
        return df_err_set(err, DF_EINVAL, "%s: %s for latents of %dx%d (height x width); sides must be multiples of %d",
                          m->dir, df_model_component_name(m, c), h, w, multiple);
    return DF_OK;
}

static df_code make(const df_model *m, df_component c, builder build_graph, const df_graph_size *size, df_graph **out,
                    df_err *err) {
    df_graph *g = df_graph_new(df_model_component_name(m, c));
    if (!g) return df_err_set(err, DF_ENOMEM, "graph of %s", df_component_name(c));
    df_code rc = build(m, c, build_graph, size, g, err);
    /* The whole component, whichever part the caller will hold: so all ranks of a pipeline refuse a broken model. */
    if (!rc) rc = df_weights_check(df_model_weights(m, c), g, err);
    if (rc)
        df_graph_free(&g);
    else
        *out = g;
    return rc;
}

df_code df_model_graph_of(const df_model *m, df_component c, const df_graph_size *size, df_graph **out, df_err *err) {
    df_err own;
    if (!err) err = &own;
    df_code rc = check_size(m, c, size, err);
    if (rc) return rc;
    const df_component_class *klass = m->part[df_component_part(c)].klass;
    return make(m, c, c == DF_VAE_ENCODER ? klass->build_encoder : klass->build, size, out, err);
}

df_code df_model_decoder_head(const df_model *m, const df_graph_size *size, df_graph **out, df_err *err) {
    df_code rc = check_size(m, DF_VAE_DECODER, size, err);
    return rc ? rc : make(m, DF_VAE_DECODER, m->part[DF_PART_AUTOENCODER].klass->build_head, size, out, err);
}

const df_vae_config *df_model_decoder_way(const df_model *m) {
    const df_model_part *p = &m->part[DF_PART_AUTOENCODER];
    return p->klass && p->klass->decoder_way ? p->klass->decoder_way(p->config) : NULL;
}

df_code df_model_graph(const df_model *m, df_component c, int latent_h, int latent_w, df_graph **out, df_err *err) {
    df_graph_size size = { .latent_h = latent_h, .latent_w = latent_w };
    if (c < DF_DENOISER) size = (df_graph_size) { .tokens = latent_h };
    return df_model_graph_of(m, c, &size, out, err);
}
