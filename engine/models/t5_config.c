#include "engine/models/t5_config.h"

#include <string.h>

#include "engine/models/config_check.h"

/* Unknown fields pass, for the reason that clip_text_config.c gives. 'dense_act_fn' and 'is_gated_act' are written, but
 * the library sets both anew from 'feed_forward_proj'. */
static const struct {
    const char *name;
    bool gated;
    df_act act;
} projections[] = {
    { "relu", false, DF_ACT_RELU },
    { "gelu", false, DF_ACT_GELU },
    { "gelu_new", false, DF_ACT_GELU_TANH },
    { "silu", false, DF_ACT_SILU },
    { "gated-relu", true, DF_ACT_RELU },
    { "gated-gelu", true, DF_ACT_GELU_TANH }, /* which the library takes for gated-gelu_new */
    { "gated-gelu_new", true, DF_ACT_GELU_TANH },
    { "gated-silu", true, DF_ACT_SILU },
};

static void read_feed_forward(df_config *c, df_t5_config *t) {
    const char *name = df_config_string(c, "feed_forward_proj", "relu");
    for (size_t i = 0; i < sizeof projections / sizeof *projections && !c->rc; i++) {
        if (strcmp(projections[i].name, name) != 0) continue;
        t->gated = projections[i].gated;
        t->act = projections[i].act;
        return;
    }
    if (!c->rc)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                           "%s: 'feed_forward_proj' is '%s'; supported: relu, gelu, gelu_new, silu, each also as "
                           "'gated-...'",
                           c->path, name);
}

static void read_width(df_config *c, df_t5_config *t) {
    int64_t head = df_config_int(c, "d_kv", 64, 1, DF_MODEL_MAX_WIDTH);
    t->width = df_config_int(c, "d_model", 512, 1, DF_MODEL_MAX_WIDTH);
    t->heads = (int)df_config_int(c, "num_heads", 8, 1, DF_MODEL_MAX_WIDTH);
    t->attention_width = t->heads * head;
    if (!c->rc && t->attention_width > DF_MODEL_MAX_WIDTH)
        c->rc = df_err_set(c->err, DF_ELIMIT, "%s: %d heads of %lld are wider than the limit of %d", c->path, t->heads,
                           (long long)head, DF_MODEL_MAX_WIDTH);
}

static void read_positions(df_config *c, df_t5_config *t) {
    t->buckets = (int)df_config_int(c, "relative_attention_num_buckets", 32, 4, 65536);
    t->max_distance = (int)df_config_int(c, "relative_attention_max_distance", 128, 2, 1 << 24);
    if (!c->rc && t->max_distance <= t->buckets / 4)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                           "%s: 'relative_attention_max_distance' is %d, it must be above a quarter of the %d buckets",
                           c->path, t->max_distance, t->buckets);
}

df_code df_t5_config_read(df_t5_config *out, df_config *c) {
    static const char *const architectures[] = { "T5EncoderModel", "T5ForConditionalGeneration", "T5Model", NULL };
    df_t5_config t = { 0 };
    df_config_only_string(c, "model_type", "t5");
    if (df_config_array_len(c, "architectures") > 0) df_config_array_choice(c, "architectures", 0, architectures);
    df_config_only_bool(c, "is_decoder", false);
    read_width(c, &t);
    read_feed_forward(c, &t);
    read_positions(c, &t);
    t.ff_width = df_config_int(c, "d_ff", 2048, 1, 8 * DF_MODEL_MAX_WIDTH);
    t.n_layers = (int)df_config_int(c, "num_layers", 6, 1, DF_MODEL_MAX_LAYERS);
    t.vocab = df_config_int(c, "vocab_size", 32128, 1, DF_MODEL_MAX_VOCAB);
    t.eps = df_config_positive(c, "layer_norm_epsilon", 1e-6);
    if (!c->rc) *out = t;
    return c->rc;
}
