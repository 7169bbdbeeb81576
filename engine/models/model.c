#include "engine/models/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/models/model_index.h"

static df_code open_tokenizer(df_model *m, df_err *err) {
    const char *dir = df_model_path(m->arena, m, "tokenizer");
    if (!dir) return df_err_set(err, DF_ENOMEM, "%s", m->dir);
    return df_tokenizer_open(&m->tokenizer, dir, err);
}

typedef df_code (*read_fn)(df_model *m, const char *path, df_err *err);

static df_code read_scheduler(df_model *m, const char *path, df_err *err) {
    m->scheduler_path = path;
    return df_scheduler_read(&m->scheduler, path, err);
}

static df_code read_text(df_model *m, const char *path, df_err *err) {
    return df_clip_text_config_read(&m->text, path, err);
}

static df_code read_unet(df_model *m, const char *path, df_err *err) {
    return df_unet_config_read(&m->unet, path, err);
}

static df_code read_vae(df_model *m, const char *path, df_err *err) {
    return df_vae_config_read(&m->vae, path, err);
}

static df_code read_configs(df_model *m, df_err *err) {
    static const struct {
        const char *file, *what;
        read_fn read;
    } configs[] = {
        { "scheduler/scheduler_config.json", "the noise schedule", read_scheduler },
        { "text_encoder/config.json", "the text encoder", read_text },
        { "unet/config.json", "the U-Net", read_unet },
        { "vae/config.json", "the autoencoder", read_vae },
    };
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        const char *path = df_model_path(m->arena, m, configs[i].file);
        if (!path) return df_err_set(err, DF_ENOMEM, "%s", m->dir);
        df_code rc = configs[i].read(m, path, err);
        if (rc == DF_ENOTFOUND)
            return df_err_wrap(err, "%s: a %s cannot do without %s", m->dir, m->info.pipeline_class, configs[i].what);
        if (rc) return rc;
    }
    return DF_OK;
}

static df_code open_weights(df_model *m, df_err *err) {
    const struct {
        df_weights **out;
        const char *sub, *stem;
    } parts[] = {
        { &m->text_weights, "text_encoder", "model" },
        { &m->unet_weights, "unet", "diffusion_pytorch_model" },
        { &m->vae_weights, "vae", "diffusion_pytorch_model" },
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *dir = df_model_path(m->arena, m, parts[i].sub);
        if (!dir) return df_err_set(err, DF_ENOMEM, "%s", m->dir);
        df_code rc = df_weights_open(parts[i].out, dir, parts[i].stem, err);
        if (rc) return rc;
    }
    return DF_OK;
}

/* Each config may be right by itself and still not fit its neighbour. */
static df_code check_fit(const df_model *m, df_err *err) {
    const df_unet_config *u = &m->unet;
    if (u->in_channels != m->vae.latent_channels || u->out_channels != m->vae.latent_channels)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "%s/unet/config.json: 'in_channels' %lld and 'out_channels' %lld must both be the "
                          "'latent_channels' %lld of vae/config.json in a %s",
                          m->dir, (long long)u->in_channels, (long long)u->out_channels,
                          (long long)m->vae.latent_channels, m->info.pipeline_class);
    if (u->context_width != m->text.width)
        return df_err_set(
            err, DF_ESHAPE,
            "%s/unet/config.json: 'cross_attention_dim' is %lld, 'hidden_size' of text_encoder/config.json "
            "is %lld",
            m->dir, (long long)u->context_width, (long long)m->text.width);
    if (df_tokenizer_vocab_size(m->tokenizer) > m->text.vocab)
        return df_err_set(err, DF_ESHAPE,
                          "%s/tokenizer: %d token ids, text_encoder/config.json has a 'vocab_size' of %lld", m->dir,
                          df_tokenizer_vocab_size(m->tokenizer), (long long)m->text.vocab);
    return DF_OK;
}

static void fill_info(df_model *m) {
    int factor = df_vae_config_factor(&m->vae);
    int max_tokens = df_tokenizer_max_length(m->tokenizer);
    m->info.latent_channels = (int)m->vae.latent_channels;
    m->info.vae_factor = m->info.size_multiple = factor;
    m->info.default_width = (int)m->unet.sample_w * factor;
    m->info.default_height = (int)m->unet.sample_h * factor;
    m->info.max_tokens = max_tokens < m->text.positions ? max_tokens : (int)m->text.positions;
    m->info.vocab_size = (int)m->text.vocab;
    m->info.text_width = (int)m->text.width;
    m->info.scaling_factor = m->vae.scaling_factor;
}

static df_code read_index(df_model *m, df_err *err) {
    struct stat st;
    if (stat(m->dir, &st)) return df_err_errno(err, errno, "model '%s'", m->dir);
    if (!S_ISDIR(st.st_mode))
        return df_err_set(err, DF_EUNSUPPORTED, "model '%s' is a file; a folder in the diffusers layout is needed",
                          m->dir);
    const char *path = df_model_path(m->arena, m, "model_index.json");
    if (!path) return df_err_set(err, DF_ENOMEM, "%s", m->dir);
    df_model_index index;
    df_code rc = df_model_index_read(&index, path, err);
    if (rc == DF_ENOTFOUND) return df_err_wrap(err, "model '%s' is no folder in the diffusers layout", m->dir);
    if (!rc) m->info.pipeline_class = index.pipeline_class;
    return rc;
}

/* Every graph that a picture needs is built once, so that a shape that does not fit, or a weight that is missing, is
 * found here and not when the first picture is due. (The encoder may be absent: text to picture does without.) */
static df_code check_graphs(const df_model *m, df_err *err) {
    for (df_component c = DF_TEXT_ENCODER; c <= DF_VAE_DECODER; c++) {
        df_graph *g = NULL;
        df_code rc = df_model_graph(m, c, (int)m->unet.sample_h, (int)m->unet.sample_w, &g, err);
        df_graph_free(&g);
        if (rc) return rc;
    }
    return DF_OK;
}

df_code df_model_open(df_model **out, const char *dir, df_err *err) {
    df_code rc;
    df_err own;
    if (!err) err = &own;
    df_model *m = calloc(1, sizeof *m);
    if (!m || !(m->arena = df_arena_new()) || !(m->dir = df_arena_strdup(m->arena, dir))) {
        rc = df_err_set(err, DF_ENOMEM, "model '%s'", dir);
        goto fail;
    }
    if ((rc = read_index(m, err))) goto fail;
    if ((rc = read_configs(m, err))) goto fail;
    if ((rc = open_tokenizer(m, err))) goto fail;
    if ((rc = open_weights(m, err))) goto fail;
    fill_info(m);
    if ((rc = check_fit(m, err))) goto fail;
    if ((rc = check_graphs(m, err))) goto fail;
    *out = m;
    return DF_OK;
fail:
    df_model_close(&m);
    return rc;
}

void df_model_close(df_model **model) {
    if (!model || !*model) return;
    df_model *m = *model;
    df_tokenizer_close(&m->tokenizer);
    df_weights_close(&m->text_weights);
    df_weights_close(&m->unet_weights);
    df_weights_close(&m->vae_weights);
    df_arena_free(&m->arena);
    free(m);
    *model = NULL;
}

const char *df_model_path(df_arena *arena, const df_model *m, const char *sub) {
    return df_arena_printf(arena, "%s/%s", m->dir, sub);
}

const char *df_model_dir(const df_model *m) {
    return m->dir;
}

const df_model_info *df_model_info_of(const df_model *m) {
    return &m->info;
}

const df_tokenizer *df_model_tokenizer(const df_model *m) {
    return m->tokenizer;
}

const df_scheduler *df_model_scheduler(const df_model *m) {
    return &m->scheduler;
}

const char *df_model_scheduler_path(const df_model *m) {
    return m->scheduler_path;
}

const df_weights *df_model_weights(const df_model *m, df_component c) {
    switch (c) {
    case DF_TEXT_ENCODER: return m->text_weights;
    case DF_UNET: return m->unet_weights;
    case DF_VAE_DECODER:
    case DF_VAE_ENCODER: return m->vae_weights;
    case DF_COMPONENT_COUNT: break;
    }
    return NULL;
}

int64_t df_model_pooled_position(const df_model *m, const int32_t *ids, int64_t n) {
    return df_clip_text_pooled_position(&m->text, ids, n);
}

const char *df_component_name(df_component c) {
    static const char *const names[DF_COMPONENT_COUNT] = { "text_encoder", "unet", "vae_decoder", "vae_encoder" };
    return c < DF_COMPONENT_COUNT ? names[c] : "?";
}
