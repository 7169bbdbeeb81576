/* random_model CONFIGS TOKENIZER OUT f16|bf16: a model folder whose weights are random numbers.
 *
 * CONFIGS is a diffusers folder without weights and tokenizers (bench/models/ has the configs of published models),
 * TOKENIZER a folder with any tokenizer of the right kind that has no more tokens than the text encoders know
 * (models/starter/tokenizer). What weights there are, and their shapes, is asked of the graphs that
 * the configs build. The numbers are those of engine/weights/invented.h; pictures are noise. One component is held in
 * memory at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "engine/models/config_check.h"
#include "engine/models/model_index.h"
#include "engine/weights/invented.h"
#include "engine/weights/safetensors.h"

enum { MAX_JSON_BYTES = 16 << 20, LATENT = 32 };

typedef struct maker {
    const char *configs, *tokenizer, *out;
    df_dtype dtype;
    df_arena *arena; /* paths, configs */
} maker;

static void *random_tensor(maker *m, const df_weight *w) {
    size_t n = (size_t)df_shape_elements(w->shape);
    void *data = malloc(n * df_dtype_bytes(m->dtype));
    float *numbers = malloc(n * sizeof *numbers);
    if (data && numbers) {
        df_weights_invent(w->name, w->shape.dim, w->shape.rank, numbers);
        for (size_t i = 0; i < n; i++) df_dtype_store(m->dtype, data, i, (double)numbers[i]);
    } else {
        free(data);
        data = NULL;
    }
    free(numbers);
    return data;
}

/* Weights of a graph that the file does not hold yet; data[] takes them over. */
static df_code add_weights(maker *m, const df_graph *g, df_safetensors_writer *w, void **data, int *n, df_err *err) {
    for (df_weight_id i = 0; i < g->n_weights; i++) {
        const df_weight *weight = &g->weights[i];
        if (weight->values) continue;
        void *numbers = data[*n] = random_tensor(m, weight);
        const char *name = df_arena_strdup(m->arena, weight->name);
        if (!numbers || !name) return df_err_set(err, DF_ENOMEM, "%s", weight->name);
        ++*n;
        df_code rc = df_safetensors_writer_add(w, name, m->dtype, weight->shape.dim, weight->shape.rank, numbers, err);
        if (rc) return rc;
    }
    return DF_OK;
}

typedef void (*build_fn)(df_graph *g, const void *config, const df_build_size *size);

static df_code build(df_graph **out, build_fn fn, const void *config, int64_t tokens, df_err *err) {
    *out = df_graph_new("random");
    if (!*out) return df_err_set(err, DF_ENOMEM, "a graph");
    fn(*out, config, &(df_build_size) { LATENT, LATENT, tokens });
    return df_graph_finish(*out, err);
}

/* An autoencoder's two graphs share no weight. */
static df_code write_weights(maker *m, const df_component_class *klass, const void *config, int64_t tokens,
                             const char *path, df_err *err) {
    df_graph *g[2] = { NULL };
    df_safetensors_writer *w = df_safetensors_writer_new();
    void **data = NULL;
    int n = 0;
    df_code rc = w ? build(&g[0], klass->build, config, tokens, err) : df_err_set(err, DF_ENOMEM, "%s", path);
    if (!rc && klass->build_encoder) rc = build(&g[1], klass->build_encoder, config, tokens, err);
    if (!rc) {
        size_t most = (size_t)(g[0]->n_weights + (g[1] ? g[1]->n_weights : 0));
        if (!(data = calloc(most + 1, sizeof *data))) rc = df_err_set(err, DF_ENOMEM, "%s", path);
    }
    for (int i = 0; !rc && i < 2 && g[i]; i++) rc = add_weights(m, g[i], w, data, &n, err);
    if (!rc) rc = df_safetensors_writer_metadata(w, "format", "pt", err);
    if (!rc) rc = df_safetensors_writer_write(w, path, err);
    for (int i = 0; i < n; i++) free(data[i]);
    free(data);
    df_safetensors_writer_free(&w);
    for (int i = 0; i < 2; i++) df_graph_free(&g[i]);
    return rc;
}

static df_code copy_file(maker *m, const char *from_dir, const char *from, const char *to, df_err *err) {
    char *data = NULL;
    size_t bytes;
    const char *source = df_arena_printf(m->arena, "%s/%s", from_dir, from);
    const char *target = df_arena_printf(m->arena, "%s/%s", m->out, to);
    if (!source || !target) return df_err_set(err, DF_ENOMEM, "%s", from);
    df_code rc = df_file_read(source, MAX_JSON_BYTES, &data, &bytes, err);
    if (!rc) rc = df_file_write(target, data, bytes, err);
    free(data);
    return rc;
}

static df_code make_folder(maker *m, const char *name, df_err *err) {
    const char *path = df_arena_printf(m->arena, "%s/%s", m->out, name);
    return path ? df_file_mkdirs(path, err) : df_err_set(err, DF_ENOMEM, "%s", name);
}

static df_code copy_tokenizer(maker *m, const char *folder, df_err *err) {
    static const char *const files[] = { "vocab.json", "merges.txt", "tokenizer_config.json",
                                         "special_tokens_map.json" };
    df_code rc = make_folder(m, folder, err);
    for (size_t i = 0; !rc && i < sizeof files / sizeof *files; i++) {
        const char *to = df_arena_printf(m->arena, "%s/%s", folder, files[i]);
        rc = to ? copy_file(m, m->tokenizer, files[i], to, err) : df_err_set(err, DF_ENOMEM, "%s", folder);
    }
    return rc;
}

static df_code make_part(maker *m, const df_component_class *klass, const char *folder, df_err *err) {
    df_config c;
    json_t *root = NULL;
    df_part_facts facts = { 0 };
    void *config = df_arena_alloc(m->arena, klass->config_bytes);
    const char *file = df_arena_printf(m->arena, "%s/config.json", folder);
    const char *path = df_arena_printf(m->arena, "%s/%s", m->configs, file);
    const char *weights = df_arena_printf(m->arena, "%s/%s/%s.safetensors", m->out, folder, klass->stem);
    if (!config || !file || !path || !weights) return df_err_set(err, DF_ENOMEM, "%s", folder);
    memset(config, 0, klass->config_bytes);
    df_code rc = make_folder(m, folder, err);
    if (!rc) rc = copy_file(m, m->configs, file, file, err);
    if (!rc) rc = df_config_load(&c, &root, path, err);
    if (!rc) rc = klass->read(config, &c);
    json_decref(root);
    if (rc) return rc;
    klass->describe(config, &facts);
    printf("%s\n", weights);
    fflush(stdout);
    return write_weights(m, klass, config, facts.text.tokens ? facts.text.tokens : 77, weights, err);
}

static df_code make_model(maker *m, df_err *err) {
    df_model_index index;
    const char *path = df_arena_printf(m->arena, "%s/model_index.json", m->configs);
    df_code rc = path ? df_model_index_read(&index, path, err) : df_err_set(err, DF_ENOMEM, "%s", m->configs);
    if (!rc) rc = make_folder(m, "scheduler", err);
    if (!rc) rc = copy_file(m, m->configs, "model_index.json", "model_index.json", err);
    if (!rc) rc = copy_file(m, m->configs, "scheduler/scheduler_config.json", "scheduler/scheduler_config.json", err);
    for (int i = 0; !rc && i < DF_MAX_TOKENIZERS; i++)
        if (index.has_tokenizer[i]) rc = copy_tokenizer(m, df_tokenizer_folder(i), err);
    for (int i = 0; !rc && i < DF_PART_COUNT; i++)
        if (index.part[i]) rc = make_part(m, index.part[i], index.pipeline->part[i].folder, err);
    return rc;
}

int main(int argc, char **argv) {
    df_err err = { 0 };
    int dtype = argc == 5 ? df_dtype_of(argv[4]) : -1;
    if (dtype != DF_F16 && dtype != DF_BF16) {
        fprintf(stderr, "usage: random_model CONFIGS TOKENIZER OUT f16|bf16\n");
        return 2;
    }
    maker m = { argv[1], argv[2], argv[3], (df_dtype)dtype, df_arena_new() };
    df_code rc = m.arena ? make_model(&m, &err) : df_err_set(&err, DF_ENOMEM, "paths");
    df_arena_free(&m.arena);
    if (rc) fprintf(stderr, "random_model: %s\n", err.text);
    return rc ? 1 : 0;
}
