#include "engine/weights/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"
#include "engine/weights/foreign.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data is little-endian and is read in place");

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100000000 /* the limit of the format's own library */ };

struct df_safetensors {
    const unsigned char *bytes;
    size_t n_bytes;
    bool mapped;
    json_t *header; /* owns the names */
    df_tensor_view *views; /* in name order */
    int n_views;
};

/* What a header is read against. */
typedef struct reader {
    const char *path;
    const unsigned char *data; /* first byte after the header */
    uint64_t data_bytes;
    uint64_t needed_bytes; /* the furthest end of a tensor */
    df_err *err;
} reader;

/* The length in front of the JSON; on success the JSON lies inside the file. */
static df_code read_length(size_t *out, const unsigned char *bytes, size_t n_bytes, const char *path, df_err *err) {
    uint64_t n = 0;
    if (n_bytes >= LENGTH_BYTES) memcpy(&n, bytes, LENGTH_BYTES);
    bool plausible = n_bytes > LENGTH_BYTES && n <= MAX_HEADER_BYTES && bytes[LENGTH_BYTES] == '{';
    df_code rc;
    if (!plausible && (rc = df_foreign_check(bytes, n_bytes, path, err))) return rc;
    if (n_bytes < LENGTH_BYTES)
        return df_err_set(err, DF_EFORMAT, "%s: %zu bytes, a safetensors file begins with %d bytes of length", path,
                          n_bytes, LENGTH_BYTES);
    if (n > MAX_HEADER_BYTES)
        return df_err_set(err, DF_EFORMAT,
                          "%s: not a safetensors file: its header would be %llu bytes, at most %d are read", path,
                          (unsigned long long)n, MAX_HEADER_BYTES);
    if (n > n_bytes - LENGTH_BYTES)
        return df_err_set(err, DF_EFORMAT, "%s: cut inside its header: %llu bytes are missing", path,
                          (unsigned long long)(n - (n_bytes - LENGTH_BYTES)));
    if (!plausible)
        return df_err_set(err, DF_EFORMAT, "%s: not a safetensors file: its header is not a JSON object", path);
    *out = (size_t)n;
    return DF_OK;
}

static df_code read_dtype(df_tensor_view *v, const json_t *entry, const reader *r) {
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name) return df_err_set(r->err, DF_EFORMAT, "%s: tensor '%.200s' has no \"dtype\" string", r->path, v->name);
    int t = df_dtype_of(name);
    if (t < 0)
        return df_err_set(r->err, DF_EUNSUPPORTED, "%s: tensor '%.200s' is of type %.40s, which is not supported",
                          r->path, v->name, name);
    v->dtype = (df_dtype)t;
    return DF_OK;
}

/* Sets rank, dim, n_elements and the bytes they take. */
static df_code read_shape(df_tensor_view *v, size_t *span, const json_t *entry, const reader *r) {
    const json_t *shape = json_object_get(entry, "shape");
    size_t rank = json_array_size(shape), elements;
    if (!json_is_array(shape))
        return df_err_set(r->err, DF_EFORMAT, "%s: tensor '%.200s' has no \"shape\" array", r->path, v->name);
    if (rank > DF_TENSOR_MAX_RANK)
        return df_err_set(r->err, DF_ELIMIT, "%s: tensor '%.200s' has %zu dimensions, at most %d are supported",
                          r->path, v->name, rank, DF_TENSOR_MAX_RANK);
    for (size_t i = 0; i < rank; i++) {
        const json_t *d = json_array_get(shape, i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return df_err_set(r->err, DF_EFORMAT, "%s: tensor '%.200s': dimension %zu is not a count", r->path, v->name,
                              i);
        v->dim[i] = json_integer_value(d);
    }
    v->rank = (int)rank;
    if (!df_size_of_dims(&elements, v->dim, v->rank, 1) || elements > INT64_MAX ||
        !df_size_mul(span, elements, df_dtype_bytes(v->dtype)))
        return df_err_set(r->err, DF_EFORMAT, "%s: the shape of tensor '%.200s' overflows", r->path, v->name);
    v->n_elements = (int64_t)elements;
    return DF_OK;
}

/* Sets data, unless the file is too short for it: needed_bytes tells. */
static df_code read_offsets(df_tensor_view *v, size_t span, const json_t *entry, reader *r) {
    const json_t *pair = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(pair, 0), *last = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return df_err_set(r->err, DF_EFORMAT, "%s: tensor '%.200s' has no \"data_offsets\" pair", r->path, v->name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin)
        return df_err_set(r->err, DF_EFORMAT, "%s: tensor '%.200s' lies at %lld to %lld, which is no range", r->path,
                          v->name, (long long)begin, (long long)end);
    if ((uint64_t)(end - begin) != span) {
        char shape[128];
        return df_err_set(r->err, DF_EFORMAT, "%s: tensor '%.200s' is %s %s, which takes %zu bytes, but %lld are given",
                          r->path, v->name, df_dtype_name(v->dtype),
                          df_shape_text(shape, sizeof shape, v->dim, v->rank), span, (long long)(end - begin));
    }
    if ((uint64_t)end > r->needed_bytes) r->needed_bytes = (uint64_t)end;
    if ((uint64_t)end <= r->data_bytes) v->data = r->data + begin;
    return DF_OK;
}

static df_code read_entry(df_tensor_view *v, const char *name, const json_t *entry, reader *r) {
    size_t span = 0;
    df_code rc;
    v->name = name;
    if (!json_is_object(entry))
        return df_err_set(r->err, DF_EFORMAT, "%s: the header entry of '%.200s' is not an object", r->path, name);
    if ((rc = read_dtype(v, entry, r)) || (rc = read_shape(v, &span, entry, r))) return rc;
    return read_offsets(v, span, entry, r);
}

static df_code check_metadata(const json_t *map, const reader *r) {
    const char *key;
    json_t *value;
    if (!json_is_object(map)) return df_err_set(r->err, DF_EFORMAT, "%s: \"__metadata__\" is not an object", r->path);
    json_object_foreach((json_t *)map, key, value) {
        if (!json_is_string(value))
            return df_err_set(r->err, DF_EFORMAT, "%s: metadata '%.200s' is not a string", r->path, key);
    }
    return DF_OK;
}

static df_code read_entries(df_safetensors *f, reader *r) {
    size_t most = json_object_size(f->header);
    f->views = calloc(most + 1, sizeof *f->views);
    if (!f->views) return df_err_set(r->err, DF_ENOMEM, "%s: a table of %zu tensors", r->path, most);
    const char *name;
    json_t *entry;
    json_object_foreach(f->header, name, entry) {
        df_code rc = strcmp(name, "__metadata__") ? read_entry(&f->views[f->n_views++], name, entry, r)
                                                  : check_metadata(entry, r);
        if (rc) return rc;
    }
    if (r->needed_bytes > r->data_bytes)
        return df_err_set(
            r->err, DF_EFORMAT,
            "%s: cut: %llu bytes are missing at its end (its header describes %llu bytes of data, %llu are "
            "there); copy or download it again",
            r->path, (unsigned long long)(r->needed_bytes - r->data_bytes), (unsigned long long)r->needed_bytes,
            (unsigned long long)r->data_bytes);
    return DF_OK;
}

static int by_place(const void *a, const void *b) {
    const df_tensor_view *x = a, *y = b;
    return (x->data > y->data) - (x->data < y->data);
}

static int by_name(const void *a, const void *b) {
    const df_tensor_view *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static df_code check_overlaps(df_safetensors *f, const reader *r) {
    qsort(f->views, (size_t)f->n_views, sizeof *f->views, by_place);
    const df_tensor_view *last = NULL; /* an empty tensor lies nowhere, so it is left out */
    for (int i = 0; i < f->n_views; i++) {
        const df_tensor_view *v = &f->views[i];
        if (!v->n_elements) continue;
        if (last && (const unsigned char *)v->data - (const unsigned char *)last->data <
                        last->n_elements * (int64_t)df_dtype_bytes(last->dtype))
            return df_err_set(r->err, DF_EFORMAT, "%s: tensors '%.200s' and '%.200s' overlap", r->path, last->name,
                              v->name);
        last = v;
    }
    return DF_OK;
}

static df_code parse(df_safetensors *f, const char *path, df_err *err) {
    size_t header_bytes = 0;
    json_error_t at;
    df_code rc = read_length(&header_bytes, f->bytes, f->n_bytes, path, err);
    if (rc) return rc;
    f->header = json_loadb((const char *)f->bytes + LENGTH_BYTES, header_bytes, JSON_REJECT_DUPLICATES, &at);
    if (!f->header)
        return df_err_set(err, DF_EFORMAT, "%s: its header is not valid JSON: byte %d: %s", path, at.position, at.text);
    if (!json_is_object(f->header)) return df_err_set(err, DF_EFORMAT, "%s: its header is not a JSON object", path);
    reader r = { .path = path,
                 .data = f->bytes + LENGTH_BYTES + header_bytes,
                 .data_bytes = f->n_bytes - LENGTH_BYTES - header_bytes,
                 .err = err };
    if ((rc = read_entries(f, &r)) || (rc = check_overlaps(f, &r))) return rc;
    qsort(f->views, (size_t)f->n_views, sizeof *f->views, by_name);
    return DF_OK;
}

/* Parses and hands over f, or closes it. */
static df_code finish(df_safetensors **out, df_safetensors *f, const char *path, df_err *err) {
    df_code rc = parse(f, path, err);
    if (rc)
        df_safetensors_close(&f);
    else
        *out = f;
    return rc;
}

static df_code map_file(df_safetensors *f, const char *path, df_err *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block the open */
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    df_code rc = DF_OK;
    if (fstat(fd, &st)) {
        rc = df_err_errno(err, errno, "%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = df_err_set(err, DF_EINVAL, "%s: not a regular file", path);
    } else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            rc = df_err_errno(err, errno, "%s: map %lld bytes", path, (long long)st.st_size);
        } else {
            f->bytes = p;
            f->n_bytes = (size_t)st.st_size;
            f->mapped = true;
        }
    }
    close(fd);
    return rc;
}

df_code df_safetensors_open(df_safetensors **out, const char *path, df_err *err) {
    df_safetensors *f = calloc(1, sizeof *f);
    if (!f) return df_err_set(err, DF_ENOMEM, "%s: no memory to open it", path);
    df_code rc = map_file(f, path, err);
    if (rc) {
        df_safetensors_close(&f);
        return rc;
    }
    return finish(out, f, path, err);
}

df_code df_safetensors_open_memory(df_safetensors **out, const void *data, size_t bytes, const char *path,
                                   df_err *err) {
    df_safetensors *f = calloc(1, sizeof *f);
    if (!f) return df_err_set(err, DF_ENOMEM, "%s: no memory to open it", path);
    f->bytes = data;
    f->n_bytes = bytes;
    return finish(out, f, path, err);
}

void df_safetensors_close(df_safetensors **f) {
    if (!f || !*f) return;
    df_safetensors *file = *f;
    if (file->mapped) munmap((void *)file->bytes, file->n_bytes);
    json_decref(file->header);
    free(file->views);
    free(file);
    *f = NULL;
}

void df_safetensors_forget(const df_safetensors *f, const df_tensor_view *t) {
    if (!f->mapped || !t->n_elements) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (size_t)((const unsigned char *)t->data - f->bytes);
    size_t end = first + (size_t)t->n_elements * df_dtype_bytes(t->dtype);
    first -= first % page;
    madvise((void *)(uintptr_t)(f->bytes + first), end - first, MADV_DONTNEED); /* where it fails they merely stay */
}

int df_safetensors_count(const df_safetensors *f) {
    return f->n_views;
}

const df_tensor_view *df_safetensors_at(const df_safetensors *f, int i) {
    return &f->views[i];
}

const df_tensor_view *df_safetensors_find(const df_safetensors *f, const char *name) {
    df_tensor_view key = { .name = name };
    return bsearch(&key, f->views, (size_t)f->n_views, sizeof key, by_name);
}

const char *df_safetensors_metadata(const df_safetensors *f, const char *key) {
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}
