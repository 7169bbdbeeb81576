/* Int8 scales of a model: opened with it, applied to every graph of its denoiser. */
#include "engine/models/model_impl.h"

/* At the model's own size; names and kinds of layers are the same at any. */
static df_code fits(const df_model *m, const df_int8_scales *s, df_err *err) {
    const df_model_info *info = &m->info;
    df_graph *g = NULL;
    df_code rc = df_model_graph(m, DF_DENOISER, info->default_height / info->vae_factor,
                                info->default_width / info->vae_factor, &g, err);
    if (!rc) rc = df_int8_scales_apply(s, g, err);
    df_graph_free(&g);
    return rc;
}

df_code df_model_check_int8(const df_model *m, const df_adapter_use *use, df_err *err) {
    df_int8_scales *s = NULL;
    df_code rc = df_int8_scales_open(&s, use->path, err);
    if (!rc) rc = fits(m, s, err);
    df_int8_scales_close(&s);
    return rc;
}

df_code df_model_add_int8(df_model *m, const df_adapter_use *use, df_err *err) {
    if (m->int8_scales) return df_err_set(err, DF_EINVAL, "%s: int8 scales are there already", use->path);
    return df_int8_scales_open(&m->int8_scales, use->path, err);
}

df_code df_model_check_int8_hash(const df_model *m, const char *model_sha256, df_err *err) {
    return m->int8_scales ? df_int8_scales_check_model(m->int8_scales, model_sha256, err) : DF_OK;
}

bool df_model_is_int8(const df_model *m) {
    return m->int8_scales != NULL;
}
