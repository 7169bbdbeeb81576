#include "engine/adapters/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "engine/adapters/lora_keys.h"

enum { SHOWN_KEYS = 5, NO_PART = -1, MAX_RANK = 8192 };

/* One weight's pair. */
typedef struct pair {
    df_lora_key key; /* its role is of no meaning here */
    const df_tensor_view *down, *up, *alpha; /* NULL where the file has none */
    int part; /* that it belongs to */
    const char *name; /* of the weight there */
} pair;

struct df_lora {
    df_arena *arena;
    const char *path;
    df_safetensors *file;
    pair *pairs; /* by part and module */
    int n_pairs;
};

static int by_module(const void *a, const void *b) {
    const pair *x = a, *y = b;
    int order = strcmp(x->key.part, y->key.part);
    return order ? order : strcmp(x->key.module, y->key.module);
}

/* reading */

static df_code refuse_key(const df_lora *l, const char *key, df_err *err) {
    static const char *const others[] = { ".hada_", ".lokr_", ".dora_scale", "lora_magnitude", ".lora_mid" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strstr(key, others[i]))
            return df_err_set(err, DF_EUNSUPPORTED, "%s: '%.200s': only plain LoRA is supported, this is another kind",
                              l->path, key);
    return df_err_set(err, DF_EFORMAT, "%s: '%.200s' is no key of a LoRA", l->path, key);
}

static df_code read_keys(df_lora *l, df_err *err) {
    int n = df_safetensors_count(l->file);
    l->pairs = calloc((size_t)n + 1, sizeof *l->pairs);
    if (!l->pairs) return df_err_set(err, DF_ENOMEM, "%s: %d keys", l->path, n);
    for (int i = 0; i < n; i++) {
        const df_tensor_view *t = df_safetensors_at(l->file, i);
        pair *p = &l->pairs[l->n_pairs];
        *p = (pair) { .part = NO_PART };
        if (!df_lora_key_parse(&p->key, t->name)) return refuse_key(l, t->name, err);
        if (p->key.role == DF_LORA_DOWN) p->down = t;
        if (p->key.role == DF_LORA_UP) p->up = t;
        if (p->key.role == DF_LORA_ALPHA) p->alpha = t;
        l->n_pairs++;
    }
    return DF_OK;
}

/* Keys of one module become one pair. */
static void join(df_lora *l) {
    int n = 0;
    qsort(l->pairs, (size_t)l->n_pairs, sizeof *l->pairs, by_module);
    for (int i = 0; i < l->n_pairs; i++) {
        const pair *p = &l->pairs[i];
        if (n && !by_module(&l->pairs[n - 1], p)) {
            pair *to = &l->pairs[n - 1];
            if (p->down) to->down = p->down;
            if (p->up) to->up = p->up;
            if (p->alpha) to->alpha = p->alpha;
        } else {
            l->pairs[n++] = *p;
        }
    }
    l->n_pairs = n;
}

static df_code check_pairs(const df_lora *l, df_err *err) {
    for (int i = 0; i < l->n_pairs; i++) {
        const pair *p = &l->pairs[i];
        const df_tensor_view *there = p->down ? p->down : p->up ? p->up : p->alpha;
        if (!p->down || !p->up)
            return df_err_set(err, DF_EFORMAT, "%s: '%.200s' has no %s beside it", l->path, there->name,
                              p->down ? "up" : "down");
        if (p->down->rank < 2 || p->up->rank < 2 || p->down->dim[0] < 1 || p->down->dim[0] > MAX_RANK)
            return df_err_set(err, DF_ESHAPE, "%s: '%.200s' is no matrix of a rank from 1 to %d", l->path,
                              p->down->name, MAX_RANK);
        if (p->alpha && p->alpha->n_elements != 1)
            return df_err_set(err, DF_ESHAPE, "%s: '%.200s' is not a single number", l->path, p->alpha->name);
    }
    return l->n_pairs ? DF_OK : df_err_set(err, DF_EFORMAT, "%s: no LoRA in it", l->path);
}

df_code df_lora_open(df_lora **out, const char *path, df_err *err) {
    df_lora *l = calloc(1, sizeof *l);
    df_code rc = DF_OK;
    if (!l || !(l->arena = df_arena_new()) || !(l->path = df_arena_strdup(l->arena, path)))
        rc = df_err_set(err, DF_ENOMEM, "%s", path);
    if (!rc) rc = df_safetensors_open(&l->file, path, err);
    if (!rc) rc = read_keys(l, err);
    if (!rc) {
        join(l);
        rc = check_pairs(l, err);
    }
    if (rc)
        df_lora_close(&l);
    else
        *out = l;
    return rc;
}

void df_lora_close(df_lora **lora) {
    if (!lora || !*lora) return;
    df_safetensors_close(&(*lora)->file);
    df_arena_free(&(*lora)->arena);
    free((*lora)->pairs);
    free(*lora);
    *lora = NULL;
}

/* matching */

/* Input blocks of a level: its layers, and the downsampler. */
static int stride_of(const df_weights *w) {
    int layers = 0;
    char name[64];
    do snprintf(name, sizeof name, "down_blocks.0.resnets.%d.conv1.weight", layers++);
    while (df_weights_find(w, name));
    return layers;
}

/* Names of the original code base become those of diffusers; the order of modules is then another. */
static void translate(df_lora *l, int stride) {
    for (int i = 0; i < l->n_pairs; i++)
        if (!strcmp(l->pairs[i].key.part, "unet")) df_lora_module_from_original(l->pairs[i].key.module, stride);
    qsort(l->pairs, (size_t)l->n_pairs, sizeof *l->pairs, by_module);
}

static pair *find(const df_lora *l, const char *part, const char *module) {
    pair key = { 0 };
    snprintf(key.key.part, sizeof key.key.part, "%s", part);
    snprintf(key.key.module, sizeof key.key.module, "%s", module);
    return bsearch(&key, l->pairs, (size_t)l->n_pairs, sizeof key, by_module);
}

static bool fits(const pair *p, const df_tensor_view *w) {
    int64_t r = p->down->dim[0], rows = w->dim[0];
    return w->rank >= 2 && rows > 0 && p->up->dim[0] == rows && p->up->n_elements == rows * r &&
           p->down->n_elements == r * (w->n_elements / rows);
}

static df_code take(const df_lora *l, pair *p, int part, const df_tensor_view *w, df_err *err) {
    char down[96], up[96], shape[96];
    if (!fits(p, w))
        return df_err_set(err, DF_ESHAPE, "%s: '%.150s' is %s and its up is %s, which do not fit '%.150s' of %s",
                          l->path, p->down->name, df_shape_text(down, sizeof down, p->down->dim, p->down->rank),
                          df_shape_text(up, sizeof up, p->up->dim, p->up->rank), w->name,
                          df_shape_text(shape, sizeof shape, w->dim, w->rank));
    p->part = part;
    p->name = df_arena_strdup(l->arena, w->name);
    return p->name ? DF_OK : df_err_set(err, DF_ENOMEM, "%s", l->path);
}

/* Text encoders are saved with the name of the whole before theirs, or without (weights.h). */
static pair *find_module(const df_lora *l, const char *part_name, const char *module) {
    char longer[DF_LORA_NAME_BYTES + 16];
    pair *p = find(l, part_name, module);
    if (p || strncmp(part_name, "text_encoder", 12)) return p;
    snprintf(longer, sizeof longer, "text_model_%s", module);
    return find(l, part_name, longer);
}

df_code df_lora_match(df_lora *l, int part, const char *part_name, const df_weights *weights, df_err *err) {
    df_code rc = DF_OK;
    char module[DF_LORA_NAME_BYTES];
    if (!strcmp(part_name, "unet")) translate(l, stride_of(weights));
    for (int i = 0; i < df_weights_count(weights) && !rc; i++) {
        const df_tensor_view *w = df_weights_at(weights, i);
        pair *p = df_lora_module_of(module, w->name) ? find_module(l, part_name, module) : NULL;
        if (p) rc = take(l, p, part, w, err);
    }
    return rc;
}

df_code df_lora_check(const df_lora *l, df_err *err) {
    df_buf list = { 0 };
    int n = 0;
    for (int i = 0; i < l->n_pairs; i++)
        if (l->pairs[i].part == NO_PART && n++ < SHOWN_KEYS)
            df_buf_printf(&list, "%s'%s'", n > 1 ? ", " : "", l->pairs[i].down->name);
    df_code rc = !n ? DF_OK
                    : df_err_set(err, DF_EINVAL, "%s: %d of %d layers are none of this model: %.600s%s", l->path, n,
                                 l->n_pairs, list.data ? list.data : "", n > SHOWN_KEYS ? ", ..." : "");
    df_buf_free(&list);
    return rc;
}

/* adding */

static df_code read_factors(const pair *p, float **down, float **up, float *alpha, df_err *err) {
    *down = malloc((size_t)p->down->n_elements * sizeof **down);
    *up = malloc((size_t)p->up->n_elements * sizeof **up);
    *alpha = (float)p->down->dim[0];
    df_code rc = *down && *up ? DF_OK : df_err_set(err, DF_ENOMEM, "'%s'", p->down->name);
    if (!rc) rc = df_tensor_to_f32(p->down, *down, err);
    if (!rc) rc = df_tensor_to_f32(p->up, *up, err);
    if (!rc && p->alpha) rc = df_tensor_to_f32(p->alpha, alpha, err);
    return rc;
}

/* w [rows][cols] += scale * up [rows][r] * down [r][cols] */
static df_code add_product(float *w, const float *up, const float *down, int64_t rows, int64_t cols, int64_t r,
                           double scale, df_err *err) {
    double *row = malloc((size_t)cols * sizeof *row);
    if (!row) return df_err_set(err, DF_ENOMEM, "a row of %lld numbers", (long long)cols);
    for (int64_t i = 0; i < rows; i++) {
        memset(row, 0, (size_t)cols * sizeof *row);
        for (int64_t k = 0; k < r; k++)
            for (int64_t j = 0; j < cols; j++) row[j] += (double)up[i * r + k] * (double)down[k * cols + j];
        for (int64_t j = 0; j < cols; j++) w[i * cols + j] = (float)((double)w[i * cols + j] + scale * row[j]);
    }
    free(row);
    return DF_OK;
}

static const pair *pair_of(const df_lora *l, int part, const char *name) {
    for (int i = 0; i < l->n_pairs; i++)
        if (l->pairs[i].part == part && !strcmp(l->pairs[i].name, name)) return &l->pairs[i];
    return NULL;
}

df_code df_lora_add(const df_lora *l, int part, const char *name, double weight, float *w, const int64_t *dim, int rank,
                    df_err *err) {
    const pair *p = pair_of(l, part, name);
    float *down = NULL, *up = NULL, alpha;
    if (!p) return DF_OK;
    int64_t cols = 1, r = p->down->dim[0];
    for (int i = 1; i < rank; i++) cols *= dim[i];
    df_code rc = read_factors(p, &down, &up, &alpha, err);
    if (!rc && !isfinite(alpha)) rc = df_err_set(err, DF_EFORMAT, "%s: '%s' is not finite", l->path, p->alpha->name);
    if (!rc) rc = add_product(w, up, down, dim[0], cols, r, weight * (double)alpha / (double)r, err);
    free(down);
    free(up);
    return rc;
}
