#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/weights/atomic_file.h"
#include "engine/weights/safetensors.h"

typedef struct item {
    char *name;
    df_dtype dtype;
    int rank;
    int64_t dim[DF_TENSOR_MAX_RANK];
    const void *data; /* borrowed */
    size_t bytes;
} item;

struct df_safetensors_writer {
    item *items;
    size_t n, cap;
    json_t *names; /* an object as a set */
    json_t *metadata;
};

df_safetensors_writer *df_safetensors_writer_new(void) {
    df_safetensors_writer *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->names = json_object();
    w->metadata = json_object();
    if (!w->names || !w->metadata) df_safetensors_writer_free(&w);
    return w;
}

void df_safetensors_writer_free(df_safetensors_writer **w) {
    if (!w || !*w) return;
    for (size_t i = 0; i < (*w)->n; i++) free((*w)->items[i].name);
    free((*w)->items);
    json_decref((*w)->names);
    json_decref((*w)->metadata);
    free(*w);
    *w = NULL;
}

static bool reserve_one(df_safetensors_writer *w) {
    if (w->n < w->cap) return true;
    size_t cap = w->cap ? 2 * w->cap : 64;
    item *items = realloc(w->items, cap * sizeof *items);
    if (!items) return false;
    w->items = items;
    w->cap = cap;
    return true;
}

df_code df_safetensors_writer_add(df_safetensors_writer *w, const char *name, df_dtype dtype, const int64_t *dim,
                                  int rank, const void *data, df_err *err) {
    item it = { .dtype = dtype, .rank = rank, .data = data };
    if (rank < 0 || rank > DF_TENSOR_MAX_RANK || (unsigned)dtype >= DF_DTYPE_COUNT || !strcmp(name, "__metadata__"))
        return df_err_set(err, DF_EINVAL, "tensor '%.200s' of type %d with %d dimensions cannot be written", name,
                          (int)dtype, rank);
    if (!df_size_of_dims(&it.bytes, dim, rank, df_dtype_bytes(dtype)) || it.bytes > INT64_MAX)
        return df_err_set(err, DF_ESHAPE, "the shape of tensor '%.200s' is negative or overflows", name);
    if (json_object_get(w->names, name)) return df_err_set(err, DF_EEXIST, "tensor '%.200s' was added already", name);
    json_t *utf8 = json_string(name); /* NULL if it is not UTF-8 */
    if (!utf8) return df_err_set(err, DF_EINVAL, "tensor name '%.200s' is not UTF-8", name);
    json_decref(utf8);
    if (rank) memcpy(it.dim, dim, (size_t)rank * sizeof *dim);
    if (!reserve_one(w) || !(it.name = strdup(name)) || json_object_set_new(w->names, name, json_true())) {
        free(it.name);
        return df_err_set(err, DF_ENOMEM, "tensor '%.200s'", name);
    }
    w->items[w->n++] = it;
    return DF_OK;
}

df_code df_safetensors_writer_metadata(df_safetensors_writer *w, const char *key, const char *value, df_err *err) {
    if (json_object_set_new(w->metadata, key, json_string(value)))
        return df_err_set(err, DF_EINVAL, "metadata '%.200s' is not UTF-8, or out of memory", key);
    return DF_OK;
}

static int in_file_order(const void *a, const void *b) {
    const item *x = a, *y = b;
    size_t wide = df_dtype_bytes(x->dtype), other = df_dtype_bytes(y->dtype);
    return wide != other ? (wide < other) - (wide > other) : strcmp(x->name, y->name);
}

static json_t *entry_of(const item *it, size_t begin) {
    json_t *shape = json_array();
    for (int i = 0; i < it->rank; i++) json_array_append_new(shape, json_integer(it->dim[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", df_dtype_name(it->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + it->bytes));
}

/* NULL when out of memory. */
static char *header_text(const df_safetensors_writer *w) {
    json_t *header = json_object();
    int failed = !header;
    if (json_object_size(w->metadata)) failed |= json_object_set(header, "__metadata__", w->metadata);
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        failed |= json_object_set_new(header, w->items[i].name, entry_of(&w->items[i], at));
        at += w->items[i].bytes;
    }
    char *text = failed ? NULL : json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(header);
    return text;
}

static bool total_fits(const df_safetensors_writer *w) {
    size_t total = 0;
    for (size_t i = 0; i < w->n; i++)
        if (!df_size_add(&total, total, w->items[i].bytes)) return false;
    return total <= INT64_MAX;
}

/* The header is padded with spaces so that the data begins at a multiple of a cache line. */
static void add_header(df_atomic_file *f, const char *text) {
    enum { LINE = 64 };
    uint64_t n = strlen(text), end = (sizeof n + n + LINE - 1) / LINE * LINE, length = end - sizeof n;
    df_atomic_file_add(f, &length, sizeof length);
    df_atomic_file_add(f, text, n);
    for (; n < length; n++) df_atomic_file_add(f, " ", 1);
}

df_code df_safetensors_writer_write(df_safetensors_writer *w, const char *path, df_err *err) {
    if (!total_fits(w)) return df_err_set(err, DF_ELIMIT, "%s: more data than a file can hold", path);
    if (w->n) qsort(w->items, w->n, sizeof *w->items, in_file_order);
    char *text = header_text(w);
    if (!text) return df_err_set(err, DF_ENOMEM, "%s: a header of %zu tensors", path, w->n);
    df_atomic_file f;
    df_code rc = df_atomic_file_open(&f, path, err);
    if (!rc) {
        add_header(&f, text);
        for (size_t i = 0; i < w->n; i++) df_atomic_file_add(&f, w->items[i].data, w->items[i].bytes);
        rc = df_atomic_file_close(&f, 1, err);
    }
    free(text);
    return rc;
}
