#include "engine/weights/weights.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "engine/config/json_config.h"
#include "engine/weights/foreign.h"
#include "engine/weights/invented.h"

enum { MAX_SHARDS = 1024 };

typedef struct entry {
    const df_tensor_view *view; /* of the shape that readers see */
    int file;
    bool transposed, halves_swapped; /* stored so */
    const df_tensor_view *kept; /* NULL, or what of the file's rows is read; the rest are `added` */
    const float *added;
} entry;

struct df_weights {
    df_arena *arena; /* owns the paths */
    const char *dir;
    const char *path[MAX_SHARDS];
    df_safetensors *file[MAX_SHARDS];
    int n_files;
    entry *entries; /* in name order */
    int n_entries;
    bool invented; /* no file */
    df_weights_patch_fn patch; /* NULL: none */
    void *patch_ctx;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const entry *)a)->view->name, ((const entry *)b)->view->name);
}

static const entry *find(const df_weights *w, const char *name) {
    df_tensor_view view = { .name = name };
    entry key = { .view = &view };
    return w->n_entries ? bsearch(&key, w->entries, (size_t)w->n_entries, sizeof key, by_name) : NULL;
}

static df_code out_of_memory(const df_weights *w, df_err *err) {
    return df_err_set(err, DF_ENOMEM, "%s: no memory for its tables", w->dir);
}

static df_code open_file(df_weights *w, const char *path, df_err *err) {
    if (w->n_files == MAX_SHARDS) return df_err_set(err, DF_ELIMIT, "%s: more than %d files", w->dir, MAX_SHARDS);
    df_code rc = df_safetensors_open(&w->file[w->n_files], path, err);
    if (!rc) w->path[w->n_files++] = path;
    return rc;
}

static df_code open_single(df_weights *w, const char *path, df_err *err) {
    df_code rc = open_file(w, path, err);
    if (rc) return rc;
    int n = df_safetensors_count(w->file[0]);
    if (!(w->entries = calloc((size_t)n + 1, sizeof *w->entries))) return out_of_memory(w, err);
    for (int i = 0; i < n; i++) w->entries[i].view = df_safetensors_at(w->file[0], i);
    w->n_entries = n;
    return DF_OK;
}

/* A view under the alias' name and of its shape, in the arena. NULL: out of memory, or no such piece. */
static const df_tensor_view *aliased(df_arena *arena, const df_tensor_view *t, const df_weights_alias *a) {
    df_tensor_view *v = df_arena_alloc(arena, sizeof *v);
    char *name = df_arena_strdup(arena, a->name);
    if (!v || !name) return NULL;
    *v = *t;
    v->name = name;
    if (a->transposed) {
        v->dim[0] = t->dim[1];
        v->dim[1] = t->dim[0];
    } else if (a->pieces > 1) {
        v->dim[0] /= a->pieces;
        v->n_elements /= a->pieces;
        v->data = (const char *)t->data + (size_t)a->piece * (size_t)v->n_elements * df_dtype_bytes(t->dtype);
    }
    return v;
}

static bool can_be(const df_tensor_view *t, const df_weights_alias *a) {
    if (a->transposed && t->rank != 2) return false;
    if (a->halves_swapped && (t->rank < 1 || t->dim[0] % 2)) return false;
    return a->pieces < 2 || (t->rank > 0 && t->dim[0] % a->pieces == 0);
}

static df_code add_renamed(df_weights *w, const df_tensor_view *t, df_weights_rename_fn rename_tensor, void *ctx,
                           df_err *err) {
    df_weights_alias alias[DF_WEIGHTS_MAX_ALIASES];
    char shape[128];
    int n = 0;
    rename_tensor(ctx, t->name, alias, &n);
    for (int i = 0; i < n; i++) {
        if (!can_be(t, &alias[i]))
            return df_err_set(err, DF_ESHAPE, "%s: '%.200s' is %s, which cannot hold '%.200s'", w->path[0], t->name,
                              df_shape_text(shape, sizeof shape, t->dim, t->rank), alias[i].name);
        entry *e = &w->entries[w->n_entries++];
        *e = (entry) { .view = aliased(w->arena, t, &alias[i]),
                       .transposed = alias[i].transposed,
                       .halves_swapped = alias[i].halves_swapped };
        if (!e->view) return out_of_memory(w, err);
    }
    return DF_OK;
}

static df_code open_renamed(df_weights *w, const char *path, df_weights_rename_fn rename_tensor, void *ctx,
                            df_err *err) {
    df_code rc = open_file(w, path, err);
    if (rc) return rc;
    int n = df_safetensors_count(w->file[0]);
    if (!(w->entries = calloc((size_t)n * DF_WEIGHTS_MAX_ALIASES + 1, sizeof *w->entries)))
        return out_of_memory(w, err);
    for (int i = 0; i < n && !rc; i++) rc = add_renamed(w, df_safetensors_at(w->file[0], i), rename_tensor, ctx, err);
    if (rc) return rc;
    qsort(w->entries, (size_t)w->n_entries, sizeof *w->entries, by_name);
    for (int i = 1; i < w->n_entries; i++)
        if (!by_name(&w->entries[i - 1], &w->entries[i]))
            return df_err_set(err, DF_EFORMAT, "%s: two tensors stand for '%.200s'", path, w->entries[i].view->name);
    return w->n_entries ? DF_OK : df_err_set(err, DF_ENOTFOUND, "%s: no weights of that part in it", path);
}

/* The file of a shard, opened at its first use. An index comes from strangers: a shard lies in the index' own folder.
 */
static df_code shard_of(df_weights *w, int *file, const char *name, const char *index_path, df_err *err) {
    if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
        return df_err_set(err, DF_EFORMAT, "%s: '%.200s' is not a file name beside it", index_path, name);
    size_t dir_bytes = strlen(w->dir) + 1;
    for (int i = 0; i < w->n_files; i++)
        if (!strcmp(w->path[i] + dir_bytes, name)) {
            *file = i;
            return DF_OK;
        }
    const char *path = df_arena_printf(w->arena, "%s/%s", w->dir, name);
    if (!path) return out_of_memory(w, err);
    if (access(path, F_OK))
        return df_err_set(err, DF_ENOTFOUND, "%s: is missing; %s names it: copy or download it too", path, index_path);
    *file = w->n_files;
    return open_file(w, path, err);
}

static df_code add_mapped(df_weights *w, const char *name, const json_t *shard, const char *index_path, df_err *err) {
    entry *e = &w->entries[w->n_entries];
    if (!json_is_string(shard))
        return df_err_set(err, DF_EFORMAT, "%s: the file of '%.200s' is not a string", index_path, name);
    df_code rc = shard_of(w, &e->file, json_string_value(shard), index_path, err);
    if (rc) return rc;
    if (!(e->view = df_safetensors_find(w->file[e->file], name)))
        return df_err_set(err, DF_EFORMAT, "%s: has no tensor '%.200s', which %s places there", w->path[e->file], name,
                          index_path);
    w->n_entries++;
    return DF_OK;
}

static df_code open_index(df_weights *w, const char *path, df_err *err) {
    json_t *root, *shard;
    const char *name;
    df_code rc = df_json_load(&root, path, err);
    if (rc) return rc;
    json_t *map = json_object_get(root, "weight_map");
    if (!json_object_size(map)) rc = df_err_set(err, DF_EFORMAT, "%s: no \"weight_map\" in it", path);
    if (!rc && !(w->entries = calloc(json_object_size(map), sizeof *w->entries))) rc = out_of_memory(w, err);
    if (!rc) {
        json_object_foreach(map, name, shard) {
            if ((rc = add_mapped(w, name, shard, path, err))) break;
        }
    }
    json_decref(root);
    if (!rc) qsort(w->entries, (size_t)w->n_entries, sizeof *w->entries, by_name);
    return rc;
}

/* Nothing to load: says so, or why what is there is not taken. */
static df_code explain_absence(const df_weights *w, const char *stem, df_err *err) {
    static const char *const endings[] = { ".bin", ".ckpt", ".pt", ".pth", ".fp16.bin", ".bin.index.json" };
    const size_t n = sizeof endings / sizeof *endings;
    for (size_t i = 0; i <= n; i++) {
        /* transformers calls its pickle so, whatever the stem */
        const char *path = i == n ? df_arena_printf(w->arena, "%s/pytorch_model.bin", w->dir)
                                  : df_arena_printf(w->arena, "%s/%s%s", w->dir, stem, endings[i]);
        if (!path) return out_of_memory(w, err);
        if (!access(path, F_OK)) return df_err_set(err, DF_EUNSUPPORTED, "%s: " DF_PICKLE_ADVICE, path);
    }
    if (access(w->dir, F_OK)) return df_err_set(err, DF_ENOTFOUND, "%s: there is no such folder", w->dir);
    return df_err_set(
        err, DF_ENOTFOUND,
        "%s: no weights there; looked for %s.safetensors, %s.safetensors.index.json and %s.fp16.safetensors", w->dir,
        stem, stem, stem);
}

static df_code open_first(df_weights *w, const char *stem, df_err *err) {
    static const struct {
        const char *ending;
        df_code (*open)(df_weights *w, const char *path, df_err *err);
    } layouts[] = {
        { ".safetensors", open_single },
        { ".safetensors.index.json", open_index },
        { ".fp16.safetensors", open_single },
        { ".safetensors.index.fp16.json", open_index },
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const char *path = df_arena_printf(w->arena, "%s/%s%s", w->dir, stem, layouts[i].ending);
        if (!path) return out_of_memory(w, err);
        if (!access(path, F_OK)) return layouts[i].open(w, path, err);
    }
    return explain_absence(w, stem, err);
}

static df_code new_weights(df_weights **out, const char *path, df_err *err) {
    df_weights *w = *out = calloc(1, sizeof *w);
    if (w && (w->arena = df_arena_new()) && (w->dir = df_arena_strdup(w->arena, path))) return DF_OK;
    return df_err_set(err, DF_ENOMEM, "%s: no memory to open it", path);
}

static df_code keep(df_weights **out, df_weights *w, df_code rc) {
    if (rc)
        df_weights_close(&w);
    else
        *out = w;
    return rc;
}

df_code df_weights_open(df_weights **out, const char *dir, const char *stem, df_err *err) {
    df_weights *w;
    df_code rc = new_weights(&w, dir, err);
    return keep(out, w, rc ? rc : open_first(w, stem, err));
}

df_code df_weights_open_invented(df_weights **out, const char *dir, df_err *err) {
    df_weights *w;
    df_code rc = new_weights(&w, dir, err);
    if (!rc) w->invented = true;
    return keep(out, w, rc);
}

bool df_weights_are_invented(const df_weights *w) {
    return w->invented;
}

df_code df_weights_open_renamed(df_weights **out, const char *path, df_weights_rename_fn rename_tensor, void *ctx,
                                df_err *err) {
    df_weights *w;
    df_code rc = new_weights(&w, path, err);
    return keep(out, w, rc ? rc : open_renamed(w, w->dir, rename_tensor, ctx, err));
}

void df_weights_close(df_weights **w) {
    if (!w || !*w) return;
    for (int i = 0; i < (*w)->n_files; i++) df_safetensors_close(&(*w)->file[i]);
    free((*w)->entries);
    df_arena_free(&(*w)->arena);
    free(*w);
    *w = NULL;
}

int df_weights_count(const df_weights *w) {
    return w->n_entries;
}

const df_tensor_view *df_weights_at(const df_weights *w, int i) {
    return w->entries[i].view;
}

void df_weights_set_patch(df_weights *w, df_weights_patch_fn patch, void *ctx) {
    w->patch = patch;
    w->patch_ctx = ctx;
}

int64_t df_weights_parameters(const df_weights *w) {
    int64_t total = 0;
    for (int i = 0; i < w->n_entries; i++) total += w->entries[i].view->n_elements;
    return total;
}

int64_t df_weights_bytes(const df_weights *w) {
    int64_t total = 0;
    for (int i = 0; i < w->n_entries; i++)
        total += w->entries[i].view->n_elements * (int64_t)df_dtype_bytes(w->entries[i].view->dtype);
    return total;
}

/* transformers 5 writes text encoders without their "text_model." */
static const entry *find_without_prefix(const df_weights *w, const char *name) {
    static const char prefix[] = "text_model.";
    size_t n = sizeof prefix - 1;
    return strncmp(name, prefix, n) ? NULL : find(w, name + n);
}

/* T5's table of tokens goes by the name of either of the modules that share it. */
static const entry *find_tied(const df_weights *w, const char *name) {
    return strcmp(name, "shared.weight") ? NULL : find(w, "encoder.embed_tokens.weight");
}

/* The entry under the other name that attention layers of autoencoders have had. */
static const entry *find_historical(const df_weights *w, const char *name) {
    static const char *const pairs[][2] = {
        { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." }, { ".to_out.0.", ".proj_attn." }
    };
    for (size_t i = 0; i < 2 * sizeof pairs / sizeof *pairs; i++) {
        const char *from = pairs[i / 2][i % 2], *to = pairs[i / 2][1 - i % 2];
        const char *at = strstr(name, from);
        char other[512];
        if (!at) continue;
        int n = snprintf(other, sizeof other, "%.*s%s%s", (int)(at - name), name, to, at + strlen(from));
        const entry *e = n < (int)sizeof other ? find(w, other) : NULL;
        if (e) return e;
    }
    return NULL;
}

static const entry *find_any(const df_weights *w, const char *name) {
    const entry *e = find(w, name);
    if (!e) e = find_historical(w, name);
    if (!e) e = find_tied(w, name);
    return e ? e : find_without_prefix(w, name);
}

const df_tensor_view *df_weights_find(const df_weights *w, const char *name) {
    const entry *e = find_any(w, name);
    return e ? e->view : NULL;
}

static df_code missing(const df_weights *w, const char *name, df_err *err) {
    return df_err_set(err, DF_ENOTFOUND, "%s: tensor '%.200s' is missing, the config needs it",
                      w->n_files == 1 ? w->path[0] : w->dir, name);
}

/* A 1x1 convolution [D][D][1][1] holds the same numbers as a linear layer [D][D]. */
static bool shape_fits(const df_tensor_view *v, const int64_t *dim, int rank) {
    int got = v->rank == 4 && rank == 2 && v->dim[2] == 1 && v->dim[3] == 1 ? 2 : v->rank;
    if (got != rank) return false;
    for (int i = 0; i < rank; i++)
        if (v->dim[i] != dim[i]) return false;
    return true;
}

/* A copy of t with so many rows, of what is in the file or to be added. */
static df_tensor_view *with_rows(df_arena *arena, const df_tensor_view *t, int64_t rows) {
    df_tensor_view *v = df_arena_alloc(arena, sizeof *v);
    if (!v) return NULL;
    *v = *t;
    v->dim[0] = rows;
    v->n_elements = rows * t->dim[1];
    return v;
}

df_code df_weights_append(df_weights *w, const char *name, int64_t kept, const float *added, int64_t n, int64_t width,
                          df_err *err) {
    entry *e = (entry *)find_any(w, name);
    if (!e) return missing(w, name, err);
    const df_tensor_view *t = e->view;
    if (t->rank != 2 || t->dim[1] != width || t->dim[0] < kept || e->kept || e->transposed || e->halves_swapped) {
        char got[128];
        return df_err_set(err, DF_ESHAPE, "%s: '%.200s' is %s, no table of %lld rows or more of %lld numbers",
                          w->path[e->file], t->name, df_shape_text(got, sizeof got, t->dim, t->rank), (long long)kept,
                          (long long)width);
    }
    const df_tensor_view *whole = with_rows(w->arena, t, kept + n);
    if (!whole || !(e->kept = with_rows(w->arena, t, kept))) return out_of_memory(w, err);
    e->view = whole;
    e->added = added;
    return DF_OK;
}

static df_code read_numbers(const entry *e, float *dst, df_err *err) {
    if (!e->kept) return df_tensor_to_f32(e->view, dst, err);
    df_code rc = df_tensor_to_f32(e->kept, dst, err);
    if (!rc)
        memcpy(dst + e->kept->n_elements, e->added, (size_t)(e->view->n_elements - e->kept->n_elements) * sizeof *dst);
    return rc;
}

static void swap_halves(float *x, int64_t n) {
    for (int64_t i = 0; i < n / 2; i++) {
        float first = x[i];
        x[i] = x[n / 2 + i];
        x[n / 2 + i] = first;
    }
}

/* x is stored [cols][rows] and becomes [rows][cols]. */
static df_code transpose(float *x, int64_t rows, int64_t cols, df_err *err) {
    size_t bytes = (size_t)(rows * cols) * sizeof *x;
    float *stored = malloc(bytes);
    if (!stored) return df_err_set(err, DF_ENOMEM, "a matrix of %zu bytes", bytes);
    memcpy(stored, x, bytes);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) x[r * cols + c] = stored[c * rows + r];
    free(stored);
    return DF_OK;
}

df_code df_weights_read_f32(const df_weights *w, const char *name, const int64_t *dim, int rank, float *dst,
                            df_err *err) {
    if (w->invented) {
        df_weights_invent(name, dim, rank, dst);
        return DF_OK;
    }
    const entry *e = find_any(w, name);
    if (!e) return missing(w, name, err);
    const char *path = w->path[e->file];
    if (!shape_fits(e->view, dim, rank)) {
        char got[128], need[128];
        return df_err_set(err, DF_ESHAPE, "%s: '%.200s' is %s, the config needs %s", path, e->view->name,
                          df_shape_text(got, sizeof got, e->view->dim, e->view->rank),
                          df_shape_text(need, sizeof need, dim, rank));
    }
    df_err inner;
    df_code rc = read_numbers(e, dst, &inner);
    df_safetensors_forget(w->file[e->file], e->kept ? e->kept : e->view);
    if (!rc && e->halves_swapped) swap_halves(dst, e->view->n_elements);
    if (!rc && e->transposed) rc = transpose(dst, dim[0], dim[1], &inner);
    if (rc) return df_err_set(err, rc, "%s: %s", path, inner.text);
    return w->patch ? w->patch(w->patch_ctx, e->view->name, dim, rank, dst, err) : DF_OK;
}

int df_weights_n_files(const df_weights *w) {
    return w->n_files;
}

const char *df_weights_file(const df_weights *w, int i) {
    return w->path[i];
}
