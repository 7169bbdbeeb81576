#include "client/eval/conditions.h"

#include <stdlib.h>
#include <string.h>

static void add(df_eval_conditions *c, const char *name, void *rows) {
    c->port[c->n++] = (df_eval_port) { .name = name, .rows = rows };
}

static df_code check_classes(const df_eval *e, const int32_t *ids, int64_t n, df_err *err) {
    int classes = df_model_info_of(e->model)->n_classes;
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= classes)
            return df_err_set(err, DF_EINVAL, "%s: 'class_labels' has %d; the model has classes 0 to %d", e->in.path,
                              ids[i], classes - 1);
    return DF_OK;
}

static df_code add_f32(df_eval_conditions *c, const df_eval *e, const char *port, const char *name, int64_t *dim,
                       int rank, df_err *err) {
    float *rows;
    df_code rc = df_eval_read_f32(&e->in, name, dim, rank, &rows, err);
    if (!rc) add(c, port, rows);
    return rc;
}

static df_code add_classes(df_eval_conditions *c, const df_eval *e, int64_t n, df_err *err) {
    int32_t *ids;
    df_code rc = df_eval_read_i32(&e->in, "class_labels", &n, 1, &ids, err);
    if (rc) return rc;
    add(c, "class_labels", ids);
    return check_classes(e, ids, n, err);
}

df_code df_eval_conditions_read(df_eval_conditions *c, const df_eval *e, int64_t n, df_err *err) {
    const df_model_info *info = df_model_info_of(e->model);
    df_code rc = DF_OK;
    if (info->text_width)
        rc = add_f32(c, e, "encoder_hidden_states", "encoder_hidden_states",
                     (int64_t[]) { n, info->context_tokens, info->text_width }, 3, err);
    if (!rc && info->pooled_width)
        rc = add_f32(c, e, "pooled", "pooled", (int64_t[]) { n, info->pooled_width }, 2, err);
    if (!rc && info->n_time_ids)
        rc = add_f32(c, e, "time_ids", "time_ids", (int64_t[]) { n, info->n_time_ids }, 2, err);
    if (!rc && info->n_classes) rc = add_classes(c, e, n, err);
    return rc;
}

/* Rows of `uncond`, then those of `cond`; without guidance the latter alone. An element is a float or an int32_t. */
static df_code join(df_eval_conditions *c, const char *port, const void *cond, const void *uncond, int64_t elements,
                    df_err *err) {
    size_t bytes = sizeof(float) * (size_t)elements;
    char *rows = malloc(uncond ? 2 * bytes : bytes);
    if (!rows) return df_err_set(err, DF_ENOMEM, "rows of '%s'", port);
    if (uncond) memcpy(rows, uncond, bytes);
    memcpy(rows + (uncond ? bytes : 0), cond, bytes);
    add(c, port, rows);
    return DF_OK;
}

static df_code add_pair(df_eval_conditions *c, const df_eval *e, bool guided, const char *port,
                        const char *const names[2], int64_t *dim, int rank, df_err *err) {
    float *cond = NULL, *uncond = NULL;
    int64_t elements = dim[0] * dim[1] * (rank == 3 ? dim[2] : 1);
    df_code rc = df_eval_read_f32(&e->in, names[0], dim, rank, &cond, err);
    if (!rc && guided) rc = df_eval_read_f32(&e->in, names[1], dim, rank, &uncond, err);
    if (!rc) rc = join(c, port, cond, uncond, elements, err);
    free(cond);
    free(uncond);
    return rc;
}

static bool has_rows(const df_eval *e, const char *name, int64_t n) {
    const df_tensor_view *t = df_safetensors_find(e->in.file, name);
    return t && t->rank > 0 && t->dim[0] == n;
}

static df_code add_time_ids(df_eval_conditions *c, const df_eval *e, int64_t n, bool guided, df_err *err) {
    static const char *const same[2] = { "time_ids", "time_ids" }, *const both[2] = { "time_ids", "time_ids_uncond" };
    int64_t dim[2] = { n, df_model_info_of(e->model)->n_time_ids };
    if (guided && has_rows(e, "time_ids", 2 * n))
        return add_f32(c, e, "time_ids", "time_ids", (int64_t[]) { 2 * n, dim[1] }, 2, err);
    return add_pair(c, e, guided, "time_ids", df_eval_has(&e->in, both[1]) ? both : same, dim, 2, err);
}

static df_code add_guided_classes(df_eval_conditions *c, const df_eval *e, int64_t n, bool guided, int noise_level,
                                  df_err *err) {
    int32_t *cond = NULL, *uncond = calloc((size_t)n, sizeof *uncond);
    df_code rc = uncond ? DF_OK : df_err_set(err, DF_ENOMEM, "classes");
    if (!rc && noise_level < 0) {
        rc = df_eval_read_i32(&e->in, "class_labels", &n, 1, &cond, err);
        if (!rc) rc = check_classes(e, cond, n, err);
    }
    for (int64_t i = 0; !rc && i < n; i++)
        uncond[i] = noise_level < 0 ? df_model_info_of(e->model)->n_classes - 1 : noise_level;
    if (!rc) rc = join(c, "class_labels", cond ? cond : uncond, guided ? uncond : NULL, n, err);
    free(cond);
    free(uncond);
    return rc;
}

df_code df_eval_conditions_read_guided(df_eval_conditions *c, const df_eval *e, int64_t n, bool guided, int noise_level,
                                       df_err *err) {
    static const char *const text[2] = { "cond", "uncond" }, *const pooled[2] = { "pooled_cond", "pooled_uncond" };
    const df_model_info *info = df_model_info_of(e->model);
    df_code rc = DF_OK;
    if (info->text_width)
        rc = add_pair(c, e, guided, "encoder_hidden_states", text,
                      (int64_t[]) { n, info->context_tokens, info->text_width }, 3, err);
    if (!rc && info->pooled_width)
        rc = add_pair(c, e, guided, "pooled", pooled, (int64_t[]) { n, info->pooled_width }, 2, err);
    if (!rc && info->n_time_ids) rc = add_time_ids(c, e, n, guided, err);
    if (!rc && info->n_classes) rc = add_guided_classes(c, e, n, guided, noise_level, err);
    return rc;
}

void df_eval_conditions_free(df_eval_conditions *c) {
    for (int i = 0; i < c->n; i++) free(c->port[i].rows);
    c->n = 0;
}
