#include "engine/models/clip_text_config.h"

#include <string.h>

#include "engine/models/config_check.h"

/* Fields that steer generation or training in transformers' base class say nothing about the forward pass, and there
 * are dozens: so here unknown ones pass, unlike in the diffusers configs. */
static const struct {
    const char *name;
    df_act act;
} acts[] = {
    { "quick_gelu", DF_ACT_QUICK_GELU },
    { "gelu", DF_ACT_GELU },
    { "gelu_new", DF_ACT_GELU_TANH },
    { "gelu_pytorch_tanh", DF_ACT_GELU_TANH },
};

static df_act read_act(df_config *c) {
    const char *name = df_config_string(c, "hidden_act", "quick_gelu");
    if (c->rc) return DF_ACT_NONE;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        if (strcmp(acts[i].name, name) == 0) return acts[i].act;
    c->rc =
        df_err_set(c->err, DF_EUNSUPPORTED,
                   "%s: 'hidden_act' is '%s'; supported: quick_gelu, gelu, gelu_new, gelu_pytorch_tanh", c->path, name);
    return DF_ACT_NONE;
}

static void check_class(df_config *c, bool with_projection) {
    static const char *const plain[] = { "CLIPTextModel", NULL }, *const projected[] = { "CLIPTextModelWithProjection",
                                                                                         NULL };
    df_config_only_string(c, "model_type", "clip_text_model");
    if (df_config_array_len(c, "architectures") > 0)
        df_config_array_choice(c, "architectures", 0, with_projection ? projected : plain);
    df_config_only_absent(c, "text_config"); /* a whole CLIP, not its text half */
}

df_code df_clip_text_config_read(df_clip_text_config *out, df_config *c, bool with_projection) {
    check_class(c, with_projection);
    df_clip_text_config cfg = {
        .width = df_config_int(c, "hidden_size", 512, 1, DF_MODEL_MAX_WIDTH),
        .mlp_width = df_config_int(c, "intermediate_size", 2048, 1, 8 * DF_MODEL_MAX_WIDTH),
        .n_layers = (int)df_config_int(c, "num_hidden_layers", 12, 1, DF_MODEL_MAX_LAYERS),
        .heads = (int)df_config_int(c, "num_attention_heads", 8, 1, DF_MODEL_MAX_WIDTH),
        .vocab = df_config_int(c, "vocab_size", 49408, 1, DF_MODEL_MAX_VOCAB),
        .positions = df_config_int(c, "max_position_embeddings", 77, 1, DF_MODEL_MAX_TOKENS),
        .eos_id = df_config_int(c, "eos_token_id", 49407, 0, DF_MODEL_MAX_VOCAB),
        .act = read_act(c),
        .eps = df_config_positive(c, "layer_norm_eps", 1e-5),
    };
    if (with_projection) cfg.projection = df_config_int(c, "projection_dim", 512, 1, DF_MODEL_MAX_WIDTH);
    if (!c->rc && cfg.width % cfg.heads != 0)
        c->rc = df_err_set(c->err, DF_EFORMAT, "%s: 'hidden_size' %lld is no multiple of 'num_attention_heads' %d",
                           c->path, (long long)cfg.width, cfg.heads);
    if (!c->rc) *out = cfg;
    return c->rc;
}

int64_t df_clip_text_pooled_position(const df_clip_text_config *cfg, const int32_t *ids, int64_t n) {
    int64_t best = 0;
    if (cfg->eos_id == 2) {
        for (int64_t i = 1; i < n; i++)
            if (ids[i] > ids[best]) best = i;
        return best;
    }
    for (int64_t i = 0; i < n; i++)
        if (ids[i] == cfg->eos_id) return i;
    return 0;
}
