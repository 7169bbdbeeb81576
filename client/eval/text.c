/* tokenize and text_encode. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/eval/calls.h"
#include "engine/config/json_config.h"

static df_code check_prompts(const json_t *root, const char *path, df_err *err) {
    if (!json_is_array(root)) return df_err_set(err, DF_EFORMAT, "%s: an array of strings is needed", path);
    for (size_t i = 0; i < json_array_size(root); i++)
        if (!json_is_string(json_array_get(root, i)))
            return df_err_set(err, DF_EFORMAT, "%s: entry %zu is no string", path, i);
    return DF_OK;
}

static df_code tokenize_all(df_eval *e, const json_t *prompts, df_err *err) {
    int max = df_model_info_of(e->model)->max_tokens;
    int64_t n = (int64_t)json_array_size(prompts);
    int32_t *ids;
    df_code rc = df_eval_output(&e->out, "ids", DF_I32, (int64_t[]) { n, max }, 2, &ids, err);
    for (int64_t i = 0; i < n && !rc; i++)
        rc = df_tokenizer_encode(df_model_tokenizer(e->model), json_string_value(json_array_get(prompts, (size_t)i)),
                                 ids + i * max, max, NULL, err);
    return rc;
}

df_code df_eval_tokenize(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    json_t *root = NULL;
    df_code rc = df_json_load(&root, e->options->prompts, err);
    if (!rc) rc = check_prompts(root, e->options->prompts, err);
    if (!rc) rc = tokenize_all(e, root, err);
    json_decref(root);
    return rc;
}

/* Shorter rows are filled up to what the graph takes; the encoder is causal, so what comes behind does not show. */
static df_code read_ids(df_eval *e, int64_t *n, int64_t *length, int64_t max, int32_t **out, df_err *err) {
    int64_t dim[2] = { DF_ANY, DF_ANY };
    int32_t *ids = NULL;
    df_code rc = df_eval_read_i32(&e->in, "ids", dim, 2, &ids, err);
    if (rc) return rc;
    *n = dim[0];
    *length = dim[1];
    int64_t vocab = df_model_info_of(e->model)->vocab_size;
    for (int64_t i = 0; i < dim[0] * dim[1] && !rc; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            rc = df_err_set(err, DF_EINVAL, "%s: 'ids' has %d at [%lld, %lld]; the model has ids 0 to %lld", e->in.path,
                            ids[i], (long long)(i / dim[1]), (long long)(i % dim[1]), (long long)vocab - 1);
    if (!rc && dim[1] > max)
        rc = df_err_set(err, DF_ESHAPE, "%s: 'ids' is [%lld, %lld]; the model takes at most %lld tokens", e->in.path,
                        (long long)dim[0], (long long)dim[1], (long long)max);
    int32_t *padded = rc ? NULL : calloc((size_t)(dim[0] * max), sizeof *padded);
    for (int64_t r = 0; padded && r < dim[0]; r++)
        memcpy(padded + r * max, ids + r * dim[1], sizeof *ids * (size_t)dim[1]);
    free(ids);
    if (!rc && !padded) rc = df_err_set(err, DF_ENOMEM, "%s: 'ids'", e->in.path);
    if (!rc) *out = padded;
    return rc;
}

/* Row r of [n][max][width] becomes row r of [n][length][width], in place. */
static void cut_rows(float *x, int64_t n, int64_t max, int64_t length, int64_t width) {
    for (int64_t r = 1; r < n; r++)
        memmove(x + r * length * width, x + r * max * width, sizeof *x * (size_t)(length * width));
}

static df_code add_pooled(df_eval *e, const int32_t *ids, const float *last, int64_t n, int64_t max, int64_t length,
                          df_err *err) {
    int64_t width = df_model_info_of(e->model)->text_width;
    float *pooled;
    df_code rc = df_eval_output(&e->out, "pooled", DF_F32, (int64_t[]) { n, width }, 2, &pooled, err);
    for (int64_t r = 0; r < n && !rc; r++) {
        int64_t at = df_model_pooled_position(e->model, ids + r * max, length);
        memcpy(pooled + r * width, last + (r * length + at) * width, sizeof *last * (size_t)width);
    }
    return rc;
}

static df_code encode(df_eval *e, int program, int32_t *ids, int64_t n, int64_t length, df_err *err) {
    const df_graph *g = df_eval_runner_graph(e->runner, program);
    int64_t max = df_model_info_of(e->model)->max_tokens, width = df_model_info_of(e->model)->text_width;
    df_eval_port in = { "ids", ids };
    df_eval_port *out = calloc((size_t)g->n_outputs, sizeof *out);
    df_code rc = out ? DF_OK : df_err_set(err, DF_ENOMEM, "outputs of the text encoder");
    const float *last = NULL;
    for (int i = 0; i < g->n_outputs && !rc; i++) {
        /* sized for the graph's tokens; cut below */
        out[i].name = g->outputs[i].name;
        rc = df_eval_output(&e->out, out[i].name, DF_F32, (int64_t[]) { n, max, width }, 3, &out[i].rows, err);
        if (!rc && strcmp(out[i].name, "last_hidden_state") == 0) last = out[i].rows;
    }
    if (!rc) rc = df_eval_runner_run(e->runner, program, n, &in, 1, out, g->n_outputs, err);
    for (int i = 0; i < g->n_outputs && !rc; i++) {
        cut_rows(out[i].rows, n, max, length, width);
        e->out.tensors[i].dim[1] = length;
    }
    if (!rc) rc = add_pooled(e, ids, last, n, max, length, err);
    free(out);
    return rc;
}

df_code df_eval_text_encode(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    int program;
    int64_t n, length;
    int32_t *ids = NULL;
    df_code rc = read_ids(e, &n, &length, df_model_info_of(e->model)->max_tokens, &ids, err);
    if (!rc) rc = df_eval_runner_load(e->runner, DF_TEXT_ENCODER, 0, 0, &program, err);
    if (!rc) rc = encode(e, program, ids, n, length, err);
    free(ids);
    return rc;
}
