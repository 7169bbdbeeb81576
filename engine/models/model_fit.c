/* What the parts of a model say of each other. */
#include "engine/models/model_impl.h"

static int64_t pair_width(const df_model *m) {
    return m->part[DF_PART_TEXT].facts.text.width + m->part[DF_PART_TEXT_2].facts.text.width;
}

static int64_t pooled_width(const df_model *m) {
    int64_t first = m->part[DF_PART_TEXT].facts.text.pooled, second = m->part[DF_PART_TEXT_2].facts.text.pooled;
    switch (m->index.pipeline->pooled) {
    case DF_POOLED_NONE: break;
    case DF_POOLED_SECOND: return second;
    case DF_POOLED_PAIR: return first + second;
    }
    return 0;
}

/* Tokens of the third text encoder below those of the first two; zeros stand for them where it was left out. */
static int64_t joint_tokens(const df_model *m) {
    enum { MAX_SEQUENCE_LENGTH = 256 }; /* the library's default, whatever the tokenizer would take */
    int64_t given = m->options.context_tokens - m->part[DF_PART_TEXT].facts.text.tokens;
    if (m->index.pipeline->context != DF_CONTEXT_JOINT) return 0;
    return given > 0 ? given : MAX_SEQUENCE_LENGTH;
}

static int64_t context_tokens(const df_model *m) {
    if (m->index.pipeline->context == DF_CONTEXT_NONE) return 0;
    if (m->options.context_tokens) return m->options.context_tokens;
    return m->part[DF_PART_TEXT].facts.text.tokens + joint_tokens(m);
}

static void limit_joint_tokens(df_model *m) {
    df_part_facts *third = &m->part[DF_PART_TEXT_3].facts;
    if (third->text.tokens > joint_tokens(m)) third->text.tokens = joint_tokens(m);
}

void df_model_fill_info(df_model *m) {
    limit_joint_tokens(m);
    const df_part_facts *d = &m->part[DF_PART_DENOISER].facts, *a = &m->part[DF_PART_AUTOENCODER].facts;
    const df_part_facts *t = &m->part[DF_PART_TEXT].facts;
    bool latent = m->part[DF_PART_AUTOENCODER].klass != NULL;
    int factor = latent ? a->autoencoder.factor : 1;
    int multiple = d->denoiser.size_multiple ? d->denoiser.size_multiple : 1;
    m->info = (df_model_info) {
        .latent_channels = (int)(latent ? a->autoencoder.latent_channels : d->denoiser.out_channels),
        .vae_factor = factor,
        .default_width = (int)d->denoiser.sample_w * factor,
        .default_height = (int)d->denoiser.sample_h * factor,
        .size_multiple = factor * multiple,
        .max_tokens = (int)t->text.tokens,
        .vocab_size = (int)t->text.vocab,
        .text_width = (int)d->denoiser.context_width,
        .context_tokens = (int)context_tokens(m),
        .input_channels = (int)d->denoiser.in_channels,
        .pooled_width = (int)d->denoiser.pooled,
        .n_time_ids = (int)d->denoiser.time_ids,
        .n_classes = (int)d->denoiser.classes,
        .max_noise_level = m->index.max_noise_level,
        .force_zeros = m->index.force_zeros,
        .scaling_factor = latent && !m->index.pipeline->unscaled ? a->autoencoder.scaling_factor : 1,
        .shift_factor = a->autoencoder.shift_factor,
        .pipeline_class = m->index.pipeline->name,
    };
}

static const char *folder_of(const df_model *m, df_part part) {
    return m->index.pipeline->part[part].folder;
}

/* in_channels: the latents and what goes beside them. */
static bool input_fits(const df_model *m, int64_t in) {
    int64_t latents = m->info.latent_channels;
    switch (m->index.pipeline->sample) {
    case DF_SAMPLE_LATENTS: return in == latents;
    case DF_SAMPLE_MASKED: return in == latents || in == 2 * latents + 1;
    case DF_SAMPLE_PICTURE: return in == latents + 3;
    }
    return false;
}

static df_code check_channels(const df_model *m, df_err *err) {
    const df_part_facts *d = &m->part[DF_PART_DENOISER].facts;
    int64_t latents = m->info.latent_channels, out = d->denoiser.out_channels;
    if (input_fits(m, d->denoiser.in_channels) && (out == latents || out == 2 * latents)) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED,
                      "%s/%s/config.json: 'in_channels' %lld and 'out_channels' %lld do not fit the 'latent_channels' "
                      "%lld of the autoencoder in a %s",
                      m->dir, folder_of(m, DF_PART_DENOISER), (long long)d->denoiser.in_channels, (long long)out,
                      (long long)latents, m->index.pipeline->name);
}

/* The states of two encoders side by side are padded to the width of the third's, and cannot be cut to it. */
static df_code check_padding(const df_model *m, int64_t width, df_err *err) {
    if (m->index.pipeline->context != DF_CONTEXT_JOINT || pair_width(m) <= width) return DF_OK;
    return df_err_set(err, DF_ESHAPE,
                      "%s/%s/config.json: 'joint_attention_dim' is %lld, the first two text encoders together give "
                      "%lld, which is more",
                      m->dir, folder_of(m, DF_PART_DENOISER), (long long)width, (long long)pair_width(m));
}

static df_code check_context(const df_model *m, df_err *err) {
    int64_t have = m->part[DF_PART_DENOISER].facts.denoiser.context_width, need = 0;
    const char *of = "the text encoder gives", *field = "cross_attention_dim";
    switch (m->index.pipeline->context) {
    case DF_CONTEXT_NONE: of = "there is no text"; break;
    case DF_CONTEXT_LAST: need = m->part[DF_PART_TEXT].facts.text.width; break;
    case DF_CONTEXT_PENULTIMATE_PAIR:
        need = pair_width(m);
        of = "the two text encoders together give";
        break;
    case DF_CONTEXT_JOINT:
        need = m->part[DF_PART_TEXT_3].klass ? m->part[DF_PART_TEXT_3].facts.text.width : have;
        of = "the third text encoder gives";
        field = "joint_attention_dim";
        break;
    }
    if (have == need) return check_padding(m, have, err);
    return df_err_set(err, DF_ESHAPE, "%s/%s/config.json: '%s' is %lld, %s %lld", m->dir,
                      folder_of(m, DF_PART_DENOISER), field, (long long)have, of, (long long)need);
}

static df_code check_pooled(const df_model *m, df_err *err) {
    int64_t have = m->part[DF_PART_DENOISER].facts.denoiser.pooled, need = pooled_width(m);
    bool pair = m->index.pipeline->pooled == DF_POOLED_PAIR;
    if (have == need) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%s/%s/config.json: takes a pooled text ('%s') of width %lld, a %s gives it %lld",
                      m->dir, folder_of(m, DF_PART_DENOISER), pair ? "pooled_projection_dim" : "addition_embed_type",
                      (long long)have, m->index.pipeline->name, (long long)need);
}

/* An upscaler's class is its noise level. */
static df_code check_classes(const df_model *m, df_err *err) {
    int64_t classes = m->part[DF_PART_DENOISER].facts.denoiser.classes;
    bool by_level = m->index.pipeline->low_res_scheduler;
    if (by_level && classes <= m->info.max_noise_level)
        return df_err_set(err, DF_ESHAPE,
                          "%s/%s/config.json: 'num_class_embeds' is %lld, 'max_noise_level' of model_index.json is %d",
                          m->dir, folder_of(m, DF_PART_DENOISER), (long long)classes, m->info.max_noise_level);
    if (classes && !by_level && m->index.pipeline->context != DF_CONTEXT_NONE)
        return df_err_set(err, DF_EUNSUPPORTED, "%s/%s/config.json: 'num_class_embeds' is %lld, a %s gives no class",
                          m->dir, folder_of(m, DF_PART_DENOISER), (long long)classes, m->index.pipeline->name);
    return DF_OK;
}

/* Of the pipelines built here only those of SD3 look at it. */
static df_code check_shift(const df_model *m, df_err *err) {
    if (m->info.shift_factor == 0 || m->index.pipeline->context == DF_CONTEXT_JOINT) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "%s/%s/config.json: 'shift_factor' is %g, a %s has no use for it", m->dir,
                      folder_of(m, DF_PART_AUTOENCODER), m->info.shift_factor, m->index.pipeline->name);
}

/* n: ids that a tokenizer gives, 0: there is none. */
static df_code check_tokenizer(const df_model *m, int i, int n, df_err *err) {
    int64_t vocab = m->part[DF_PART_TEXT + i].facts.text.vocab;
    if (n <= vocab) return DF_OK;
    return df_err_set(err, DF_ESHAPE, "%s/%s: %d token ids, %s/config.json has a 'vocab_size' of %lld", m->dir,
                      df_tokenizer_folder(i), n, folder_of(m, (df_part)(DF_PART_TEXT + i)), (long long)vocab);
}

static df_code check_tokenizers(const df_model *m, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < DF_MAX_TOKENIZERS && !rc; i++)
        rc = check_tokenizer(m, i, m->tokenizer[i] ? df_tokenizer_vocab_size(m->tokenizer[i]) : 0, err);
    if (!rc && m->t5_tokenizer)
        rc = check_tokenizer(m, DF_PART_TEXT_3 - DF_PART_TEXT, df_t5_tokenizer_vocab_size(m->t5_tokenizer), err);
    return rc;
}

df_code df_model_check_fit(const df_model *m, df_err *err) {
    df_code rc = check_channels(m, err);
    if (!rc) rc = check_context(m, err);
    if (!rc) rc = check_pooled(m, err);
    if (!rc) rc = check_classes(m, err);
    if (!rc) rc = check_shift(m, err);
    return rc ? rc : check_tokenizers(m, err);
}
