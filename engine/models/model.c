#include "engine/models/checkpoint.h"
#include "engine/models/model_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static df_code no_memory(const df_model *m, df_err *err) {
    return df_err_set(err, DF_ENOMEM, "%s", m->dir);
}

/* What is missing says who needs it. */
static df_code explain(const df_model *m, df_code rc, const char *what, df_err *err) {
    if (rc == DF_ENOTFOUND)
        return df_err_wrap(err, "%s: a %s cannot do without %s", m->dir, m->index.pipeline->name, what);
    return rc;
}

static df_code read_scheduler(df_model *m, df_err *err) {
    m->scheduler_path = df_model_path(m->arena, m, "scheduler/scheduler_config.json");
    if (!m->scheduler_path) return no_memory(m, err);
    return explain(m, df_scheduler_read(&m->scheduler, m->scheduler_path, err), "the noise schedule", err);
}

static df_code read_low_res_scheduler(df_model *m, df_err *err) {
    if (!m->index.pipeline->low_res_scheduler) return DF_OK;
    const char *path = df_model_path(m->arena, m, "low_res_scheduler/scheduler_config.json");
    if (!path) return no_memory(m, err);
    return explain(m, df_scheduler_read(&m->low_res_scheduler, path, err), "the noise schedule of its picture", err);
}

static df_code open_tokenizer(df_model *m, int i, const char *dir, df_err *err) {
    if (m->index.pipeline->tokenizer[i] == DF_TOKENIZER_T5) return df_t5_tokenizer_open(&m->t5_tokenizer, dir, err);
    return df_tokenizer_open(&m->tokenizer[i], dir, err);
}

static df_code open_tokenizers(df_model *m, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < DF_MAX_TOKENIZERS && !rc; i++) {
        if (!m->index.has_tokenizer[i]) continue;
        const char *dir = df_model_path(m->arena, m, df_tokenizer_folder(i));
        if (dir && (m->options.tokenizer_optional || m->options.invented) && access(dir, F_OK)) continue;
        rc = dir ? open_tokenizer(m, i, dir, err) : no_memory(m, err);
    }
    return rc;
}

static df_code read_part(df_model_part *p, const char *path, df_err *err) {
    df_config c;
    json_t *root = NULL;
    df_code rc = df_config_load(&c, &root, path, err);
    if (!rc) rc = p->klass->read(p->config, &c);
    json_decref(root);
    if (!rc) p->klass->describe(p->config, &p->facts);
    return rc;
}

static df_code read_parts(df_model *m, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < DF_PART_COUNT && !rc; i++) {
        df_model_part *p = &m->part[i];
        const df_pipeline_part *is = &m->index.pipeline->part[i];
        if (!(p->klass = m->index.part[i])) continue;
        p->config = df_arena_alloc(m->arena, p->klass->config_bytes);
        const char *path = df_arena_printf(m->arena, "%s/%s/config.json", m->dir, is->folder);
        if (!p->config || !path) return no_memory(m, err);
        rc = explain(m, read_part(p, path, err), is->what, err);
    }
    return rc;
}

/* A prompt has no more tokens than either its encoder or its tokenizer takes. */
static void limit_tokens(df_model *m) {
    for (int i = 0; i < DF_MAX_TOKENIZERS; i++) {
        df_part_facts *f = &m->part[DF_PART_TEXT + i].facts;
        int64_t max = m->tokenizer[i] ? df_tokenizer_max_length(m->tokenizer[i]) : f->text.tokens;
        if (max < f->text.tokens) f->text.tokens = max;
    }
}

static df_code open_weights(df_model *m, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < DF_PART_COUNT && !rc; i++) {
        df_model_part *p = &m->part[i];
        if (!p->klass) continue;
        const char *dir = df_model_path(m->arena, m, m->index.pipeline->part[i].folder);
        if (m->options.invented)
            rc = dir ? df_weights_open_invented(&p->weights, dir, err) : no_memory(m, err);
        else if (m->one_file)
            rc = explain(m, df_checkpoint_open_part(&p->weights, m->path, (df_part)i, err),
                         m->index.pipeline->part[i].what, err);
        else
            rc = dir ? df_weights_open(&p->weights, dir, p->klass->stem, err) : no_memory(m, err);
    }
    return rc;
}

/* What is no safetensors file is told first: a folder with configs would not help. */
static df_code check_file(const char *path, df_err *err) {
    df_safetensors *f = NULL;
    df_code rc = df_safetensors_open(&f, path, err);
    df_safetensors_close(&f);
    return rc ? df_err_wrap(err, "model '%s' is neither a folder nor a whole checkpoint", path) : DF_OK;
}

/* Which of both layouts it is, and where its configs lie. */
static df_code find_configs(df_model *m, df_err *err) {
    const char *configs = m->options.config_dir;
    struct stat st;
    if (stat(m->path, &st)) return df_err_errno(err, errno, "model '%s'", m->path);
    m->one_file = !S_ISDIR(st.st_mode);
    df_code rc = m->one_file ? check_file(m->path, err) : DF_OK;
    if (rc) return rc;
    if (m->one_file && !configs)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "model '%s' is one file, which holds no configs and no vocabulary; give a folder in the "
                          "diffusers layout that has them with --config DIR (its weights are not read)",
                          m->path);
    if (!m->one_file && configs)
        return df_err_set(err, DF_EINVAL, "model '%s' is a folder with configs of its own; leave out --config",
                          m->path);
    m->dir = m->one_file ? df_arena_strdup(m->arena, configs) : m->path;
    return m->dir ? DF_OK : df_err_set(err, DF_ENOMEM, "model '%s'", m->path);
}

static df_code read_index(df_model *m, df_err *err) {
    df_code rc = find_configs(m, err);
    if (rc) return rc;
    const char *path = df_model_path(m->arena, m, "model_index.json");
    if (!path) return no_memory(m, err);
    rc = df_model_index_read(&m->index, path, err);
    if (rc == DF_ENOTFOUND) return df_err_wrap(err, "model '%s' is no folder in the diffusers layout", m->dir);
    return rc;
}

/* Every graph that a picture needs is built once, so that a shape that does not fit, or a weight that is missing, is
 * found here and not when the first picture is due. (The encoder may be absent: text to picture does without.) */
static df_code check_graphs(const df_model *m, df_err *err) {
    const df_part_facts *d = &m->part[DF_PART_DENOISER].facts;
    df_code rc = DF_OK;
    for (df_component c = DF_TEXT_ENCODER; c <= DF_VAE_DECODER && !rc; c++) {
        df_graph *g = NULL;
        bool text = c < DF_DENOISER;
        if (!df_model_has(m, c)) continue;
        rc = df_model_graph(m, c, text ? 0 : (int)d->denoiser.sample_h, text ? 0 : (int)d->denoiser.sample_w, &g, err);
        df_graph_free(&g);
    }
    return rc;
}

static df_code leave_out_t5(df_model *m, df_err *err) {
    if (!m->options.no_t5) return DF_OK;
    if (m->index.pipeline->context != DF_CONTEXT_JOINT)
        return df_err_set(err, DF_EINVAL, "%s: a %s has no T5 text encoder to leave out", m->dir,
                          m->index.pipeline->name);
    m->index.part[DF_PART_TEXT_3] = NULL;
    m->index.has_tokenizer[DF_PART_TEXT_3 - DF_PART_TEXT] = false;
    return DF_OK;
}

static df_code open_folder(df_model *m, df_err *err) {
    df_code rc = read_index(m, err);
    if (!rc) rc = leave_out_t5(m, err);
    if (!rc) rc = read_scheduler(m, err);
    if (!rc) rc = read_low_res_scheduler(m, err);
    if (!rc) rc = read_parts(m, err);
    if (!rc) rc = open_tokenizers(m, err);
    return rc ? rc : open_weights(m, err);
}

df_code df_model_open(df_model **out, const char *path, df_err *err) {
    return df_model_open_with(out, path, &(df_model_options) { 0 }, err);
}

df_code df_model_open_with(df_model **out, const char *path, const df_model_options *options, df_err *err) {
    df_code rc;
    df_err own;
    if (!err) err = &own;
    df_model *m = calloc(1, sizeof *m);
    if (!m || !(m->arena = df_arena_new()) || !(m->path = df_arena_strdup(m->arena, path))) {
        rc = df_err_set(err, DF_ENOMEM, "model '%s'", path);
        goto fail;
    }
    m->options = *options;
    if (options->context_tokens < 0 || options->context_tokens > DF_MODEL_MAX_TOKENS) {
        rc = df_err_set(err, DF_EINVAL, "model '%s': text of %d tokens; 1 to %d are possible", path,
                        options->context_tokens, DF_MODEL_MAX_TOKENS);
        goto fail;
    }
    if ((rc = open_folder(m, err))) goto fail;
    limit_tokens(m);
    df_model_fill_info(m);
    if ((rc = df_model_check_fit(m, err))) goto fail;
    if ((rc = check_graphs(m, err))) goto fail;
    if ((rc = df_model_adapt(m, err))) goto fail;
    *out = m;
    return DF_OK;
fail:
    df_model_close(&m);
    return rc;
}

void df_model_close(df_model **model) {
    if (!model || !*model) return;
    df_model *m = *model;
    for (int i = 0; i < DF_MAX_TOKENIZERS; i++) df_tokenizer_close(&m->tokenizer[i]);
    df_t5_tokenizer_close(&m->t5_tokenizer);
    for (int i = 0; i < DF_PART_COUNT; i++) df_weights_close(&m->part[i].weights);
    df_model_adapters_close(&m->adapters);
    df_model_embeddings_free(&m->embeddings);
    df_int8_scales_close(&m->int8_scales);
    df_arena_free(&m->arena);
    free(m);
    *model = NULL;
}

const char *df_model_path(df_arena *arena, const df_model *m, const char *sub) {
    return df_arena_printf(arena, "%s/%s", m->dir, sub);
}

const char *df_model_dir(const df_model *m) {
    return m->path;
}

const df_model_info *df_model_info_of(const df_model *m) {
    return &m->info;
}

const df_pipeline_class *df_model_pipeline(const df_model *m) {
    return m->index.pipeline;
}

const df_part_facts *df_model_facts(const df_model *m, df_component c) {
    return &m->part[df_component_part(c)].facts;
}

bool df_model_has(const df_model *m, df_component c) {
    const df_component_class *klass = c < DF_COMPONENT_COUNT ? m->part[df_component_part(c)].klass : NULL;
    return klass && (c != DF_VAE_ENCODER || klass->build_encoder);
}

const df_tokenizer *df_model_tokenizer(const df_model *m) {
    return m->tokenizer[0];
}

const df_scheduler *df_model_scheduler(const df_model *m) {
    return &m->scheduler;
}

const char *df_model_scheduler_path(const df_model *m) {
    return m->scheduler_path;
}

const df_scheduler *df_model_low_res_scheduler(const df_model *m) {
    return m->index.pipeline->low_res_scheduler ? &m->low_res_scheduler : NULL;
}

const df_weights *df_model_weights(const df_model *m, df_component c) {
    return c < DF_COMPONENT_COUNT ? m->part[df_component_part(c)].weights : NULL;
}

/* A prompt of no words, as long as one may be; its last id is the end of the text. */
static df_code invent_ids(const df_model *m, df_component c, int32_t *ids, int max, int *n_tokens) {
    int64_t vocab = df_model_facts(m, c)->text.vocab;
    for (int i = 0; i < max; i++) ids[i] = vocab > 1 ? (int32_t)(i * INT64_C(7919) % (vocab - 1)) : 0;
    if (max > 0) ids[max - 1] = (int32_t)(vocab - 1);
    *n_tokens = max;
    return DF_OK;
}

static bool has_tokenizer(const df_model *m, df_component c) {
    int i = (int)df_component_part(c) - (int)DF_PART_TEXT;
    return (c == DF_TEXT_ENCODER_3 && m->t5_tokenizer) || (i >= 0 && i < DF_MAX_TOKENIZERS && m->tokenizer[i]);
}

df_code df_model_tokenize(const df_model *m, df_component c, const char *text, int32_t *ids, int max, int *n_tokens,
                          df_err *err) {
    int i = (int)df_component_part(c) - (int)DF_PART_TEXT;
    if (m->options.invented && df_model_has(m, c) && !has_tokenizer(m, c)) return invent_ids(m, c, ids, max, n_tokens);
    if (c == DF_TEXT_ENCODER_3 && m->t5_tokenizer)
        return df_t5_tokenizer_encode(m->t5_tokenizer, text, ids, max, n_tokens, err);
    if (!has_tokenizer(m, c))
        return df_err_set(err, DF_ENOTFOUND, "%s: the model has no tokenizer for its %s", m->dir,
                          df_model_component_name(m, c));
    return df_tokenizer_encode(m->tokenizer[i], text, ids, max, n_tokens, err);
}

df_code df_model_chunks(const df_model *m, df_component c, const char *text, const df_prompt_syntax *syntax,
                        df_text_chunks *out, df_err *err) {
    int i = (int)df_component_part(c) - (int)DF_PART_TEXT;
    if (i < 0 || i >= DF_MAX_TOKENIZERS || !m->tokenizer[i])
        return df_err_set(err, DF_EUNSUPPORTED, "%s: the text of its %s is not read in chunks", m->dir,
                          df_model_component_name(m, c));
    return df_text_chunks_make(out, m->tokenizer[i], text, (int)df_model_facts(m, c)->text.tokens, syntax, err);
}

int64_t df_model_pooled_position_of(const df_model *m, df_component c, const int32_t *ids, int64_t n) {
    const df_model_part *p = &m->part[df_component_part(c)];
    return p->klass && p->klass->pooled_position ? p->klass->pooled_position(p->config, ids, n) : 0;
}

int64_t df_model_pooled_position(const df_model *m, const int32_t *ids, int64_t n) {
    return df_model_pooled_position_of(m, DF_TEXT_ENCODER, ids, n);
}

df_part df_component_part(df_component c) {
    static const df_part parts[DF_COMPONENT_COUNT] = {
        [DF_TEXT_ENCODER] = DF_PART_TEXT,       [DF_TEXT_ENCODER_2] = DF_PART_TEXT_2,
        [DF_TEXT_ENCODER_3] = DF_PART_TEXT_3,   [DF_DENOISER] = DF_PART_DENOISER,
        [DF_VAE_DECODER] = DF_PART_AUTOENCODER, [DF_VAE_ENCODER] = DF_PART_AUTOENCODER,
    };
    return parts[c];
}

const char *df_component_name(df_component c) {
    static const char *const names[DF_COMPONENT_COUNT] = {
        [DF_TEXT_ENCODER] = "text_encoder",     [DF_TEXT_ENCODER_2] = "text_encoder_2",
        [DF_TEXT_ENCODER_3] = "text_encoder_3", [DF_DENOISER] = "unet",
        [DF_VAE_DECODER] = "vae_decoder",       [DF_VAE_ENCODER] = "vae_encoder",
    };
    return c < DF_COMPONENT_COUNT ? names[c] : "?";
}

const char *df_model_component_name(const df_model *m, df_component c) {
    const char *folder = m->index.pipeline->part[DF_PART_DENOISER].folder;
    return c == DF_DENOISER && folder ? folder : df_component_name(c);
}
