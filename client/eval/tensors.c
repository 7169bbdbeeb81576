#include "client/eval/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

bool df_eval_has(const df_eval_inputs *in, const char *name) {
    return df_safetensors_find(in->file, name) != NULL;
}

/* "[any, 4, any, any]" */
static const char *needed_text(char *out, size_t out_bytes, const int64_t *dim, int rank) {
    size_t at = (size_t)snprintf(out, out_bytes, "[");
    for (int i = 0; i < rank; i++) {
        char number[24] = "any";
        if (dim[i] != DF_ANY) snprintf(number, sizeof number, "%lld", (long long)dim[i]);
        at += (size_t)snprintf(out + at, out_bytes - at, "%s%s", i ? ", " : "", number);
    }
    snprintf(out + at, out_bytes - at, "]");
    return out;
}

static bool shape_fits(const df_tensor_view *t, const int64_t *dim, int rank) {
    if (t->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (t->dim[i] < 1 || (dim[i] != DF_ANY && dim[i] != t->dim[i])) return false;
    return true;
}

static df_code find(const df_tensor_view **out, const df_eval_inputs *in, const char *name, int64_t *dim, int rank,
                    df_err *err) {
    const df_tensor_view *t = df_safetensors_find(in->file, name);
    char need[256], have[256];
    needed_text(need, sizeof need, dim, rank);
    if (!t) return df_err_set(err, DF_ENOTFOUND, "%s: tensor '%s' %s is missing", in->path, name, need);
    if (!shape_fits(t, dim, rank))
        return df_err_set(err, DF_ESHAPE, "%s: '%s' is %s, %s is needed", in->path, name,
                          df_shape_text(have, sizeof have, t->dim, t->rank), need);
    memcpy(dim, t->dim, sizeof *dim * (size_t)rank);
    *out = t;
    return DF_OK;
}

static df_code named(const df_eval_inputs *in, df_code rc, const df_err *why, df_err *err) {
    return rc ? df_err_set(err, rc, "%s: %s", in->path, why->text) : DF_OK;
}

df_code df_eval_read_f32(const df_eval_inputs *in, const char *name, int64_t *dim, int rank, float **out, df_err *err) {
    const df_tensor_view *t;
    df_err why;
    df_code rc = find(&t, in, name, dim, rank, err);
    if (rc) return rc;
    float *x = malloc((size_t)t->n_elements * sizeof *x); /* a mapped file holds as many: no overflow */
    if (!x) return df_err_set(err, DF_ENOMEM, "%s: '%s'", in->path, name);
    if ((rc = named(in, df_tensor_to_f32(t, x, &why), &why, err)))
        free(x);
    else
        *out = x;
    return rc;
}

df_code df_eval_read_i32(const df_eval_inputs *in, const char *name, int64_t *dim, int rank, int32_t **out,
                         df_err *err) {
    const df_tensor_view *t;
    df_err why;
    df_code rc = find(&t, in, name, dim, rank, err);
    if (rc) return rc;
    int32_t *x = malloc((size_t)t->n_elements * sizeof *x);
    if (!x) return df_err_set(err, DF_ENOMEM, "%s: '%s'", in->path, name);
    if ((rc = named(in, df_tensor_to_i32(t, x, &why), &why, err)))
        free(x);
    else
        *out = x;
    return rc;
}

df_code df_eval_read_per_row(const df_eval_inputs *in, const char *name, int64_t n, float **out, df_err *err) {
    const df_tensor_view *t = df_safetensors_find(in->file, name);
    bool single = t && t->rank <= 1 && t->n_elements == 1;
    int64_t dim = single ? DF_ANY : n;
    float *x = NULL;
    df_code rc = df_eval_read_f32(in, name, &dim, single ? t->rank : 1, &x, err);
    if (rc || !single) {
        *out = x;
        return rc;
    }
    float *all = calloc((size_t)n, sizeof *all);
    for (int64_t i = 0; all && i < n; i++) all[i] = x[0];
    free(x);
    if (!all) return df_err_set(err, DF_ENOMEM, "%s: '%s'", in->path, name);
    *out = all;
    return DF_OK;
}

df_code df_eval_output(df_eval_outputs *out, const char *name, df_dtype dtype, const int64_t *dim, int rank, void *data,
                       df_err *err) {
    size_t bytes;
    if (out->n == DF_EVAL_MAX_OUTPUTS) return df_err_set(err, DF_ELIMIT, "more than %d results", DF_EVAL_MAX_OUTPUTS);
    struct df_eval_output *t = &out->tensors[out->n];
    if (!df_size_of_dims(&bytes, dim, rank, df_dtype_bytes(dtype)) || !(t->data = calloc(1, bytes + 1)))
        return df_err_set(err, DF_ENOMEM, "result '%s'", name);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->dtype = dtype;
    t->rank = rank;
    memcpy(t->dim, dim, sizeof *dim * (size_t)rank);
    out->n++;
    memcpy(data, &t->data, sizeof t->data); /* the caller's pointer has a type of its own */
    return DF_OK;
}

df_code df_eval_outputs_write(const df_eval_outputs *out, const char *path, df_err *err) {
    df_safetensors_writer *w = df_safetensors_writer_new();
    df_code rc = w ? DF_OK : df_err_set(err, DF_ENOMEM, "%s", path);
    for (int i = 0; i < out->n && !rc; i++) {
        const struct df_eval_output *t = &out->tensors[i];
        rc = df_safetensors_writer_add(w, t->name, t->dtype, t->dim, t->rank, t->data, err);
    }
    if (!rc) rc = df_safetensors_writer_write(w, path, err);
    df_safetensors_writer_free(&w);
    return rc;
}

void df_eval_outputs_free(df_eval_outputs *out) {
    for (int i = 0; i < out->n; i++) free(out->tensors[i].data);
    out->n = 0;
}
