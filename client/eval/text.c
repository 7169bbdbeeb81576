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

static df_code tokenize_for(df_eval *e, df_component c, const char *name, const json_t *prompts, df_err *err) {
    int64_t n = (int64_t)json_array_size(prompts), max = df_model_facts(e->model, c)->text.tokens;
    int32_t *ids;
    df_code rc = df_eval_output(&e->out, name, DF_I32, (int64_t[]) { n, max }, 2, &ids, err);
    for (int64_t i = 0; i < n && !rc; i++)
        rc = df_model_tokenize(e->model, c, json_string_value(json_array_get(prompts, (size_t)i)), ids + i * max,
                               (int)max, NULL, err);
    return rc;
}

static df_code tokenize_all(df_eval *e, const json_t *prompts, df_err *err) {
    static const char *const names[] = { "ids", "ids_2", "ids_3" };
    df_code rc = DF_OK;
    for (int i = 0; i < DF_MAX_TOKENIZERS && !rc; i++)
        if (df_model_has(e->model, (df_component)(DF_TEXT_ENCODER + i)))
            rc = tokenize_for(e, (df_component)(DF_TEXT_ENCODER + i), names[i], prompts, err);
    if (!rc && !df_model_has(e->model, DF_TEXT_ENCODER))
        rc = df_err_set(err, DF_EUNSUPPORTED, "%s: a %s takes no text", df_model_dir(e->model),
                        df_model_info_of(e->model)->pipeline_class);
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

/* dim: [n, length]. */
static df_code read_ids(df_eval *e, int64_t dim[2], int32_t **out, df_err *err) {
    const df_part_facts *facts = df_model_facts(e->model, e->call->component);
    int32_t *ids = NULL;
    df_code rc = df_eval_read_i32(&e->in, "ids", dim, 2, &ids, err);
    if (rc) return rc;
    for (int64_t i = 0; i < dim[0] * dim[1] && !rc; i++)
        if (ids[i] < 0 || ids[i] >= facts->text.vocab)
            rc = df_err_set(err, DF_EINVAL, "%s: 'ids' has %d at [%lld, %lld]; the model has ids 0 to %lld", e->in.path,
                            ids[i], (long long)(i / dim[1]), (long long)(i % dim[1]), (long long)facts->text.vocab - 1);
    if (!rc && facts->text.pooled && dim[1] > facts->text.tokens) /* an encoder that pools has a table of positions */
        rc = df_err_set(err, DF_ESHAPE, "%s: 'ids' is [%lld, %lld]; the model takes at most %lld tokens", e->in.path,
                        (long long)dim[0], (long long)dim[1], (long long)facts->text.tokens);
    if (rc)
        free(ids);
    else
        *out = ids;
    return rc;
}

static df_code add_pooled(df_eval *e, const int32_t *ids, const float *states, const int64_t dim[2], df_err *err) {
    df_component c = e->call->component;
    int64_t width = df_model_facts(e->model, c)->text.pooled;
    float *pooled;
    df_code rc = df_eval_output(&e->out, "pooled", DF_F32, (int64_t[]) { dim[0], width }, 2, &pooled, err);
    for (int64_t r = 0; r < dim[0] && !rc; r++) {
        int64_t at = df_model_pooled_position_of(e->model, c, ids + r * dim[1], dim[1]);
        memcpy(pooled + r * width, states + (r * dim[1] + at) * width, sizeof *states * (size_t)width);
    }
    return rc;
}

static df_code encode(df_eval *e, int program, int32_t *ids, const int64_t dim[2], df_err *err) {
    const df_graph *g = df_eval_runner_graph(e->runner, program);
    const df_part_facts *facts = df_model_facts(e->model, e->call->component);
    const char *pooled_from = facts->text.projected ? "projected" : "last_hidden_state";
    df_eval_port in = { "ids", ids };
    df_eval_port *out = calloc((size_t)g->n_outputs, sizeof *out);
    df_code rc = out ? DF_OK : df_err_set(err, DF_ENOMEM, "outputs of the text encoder");
    const float *states = NULL;
    for (int i = 0; i < g->n_outputs && !rc; i++) {
        int64_t width = df_graph_shape(g, g->outputs[i].value).dim[1];
        out[i].name = g->outputs[i].name;
        rc = df_eval_output(&e->out, out[i].name, DF_F32, (int64_t[]) { dim[0], dim[1], width }, 3, &out[i].rows, err);
        if (!rc && strcmp(out[i].name, pooled_from) == 0) states = out[i].rows;
    }
    if (!rc) rc = df_eval_runner_run(e->runner, program, dim[0], &in, 1, out, g->n_outputs, err);
    if (!rc && facts->text.pooled) rc = add_pooled(e, ids, states, dim, err);
    free(out);
    return rc;
}

df_code df_eval_text_encode(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    int program;
    int64_t dim[2] = { DF_ANY, DF_ANY };
    int32_t *ids = NULL;
    df_code rc = DF_OK;
    if (!df_model_has(e->model, e->call->component))
        return df_err_set(err, DF_EUNSUPPORTED, "%s: a %s has no %s", df_model_dir(e->model),
                          df_model_info_of(e->model)->pipeline_class, df_component_name(e->call->component));
    if ((rc = read_ids(e, dim, &ids, err))) return rc;
    rc = df_eval_runner_load(e->runner, e->call->component, dim[1], 0, &program, err);
    if (!rc) rc = encode(e, program, ids, dim, err);
    free(ids);
    return rc;
}
