#include "tests/support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "engine/config/json_config.h"

struct golden {
    df_safetensors *tensors;
    json_t *about;
};

/* Paths that were handed out; reachable until the process ends. */
static df_arena *paths;

__attribute__((format(printf, 1, 2))) static const char *keep(const char *fmt, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (!paths) paths = df_arena_new();
    const char *kept = n < 0 || !paths ? NULL : df_arena_strdup(paths, text);
    free(text);
    if (!kept) fail_msg("out of memory");
    return kept;
}

const char *golden_source_path(const char *relative) {
    return keep("%s/%s", DF_SOURCE_DIR, relative);
}

const char *golden_dir(const char *name) {
    const char *given = getenv("DF_GOLDEN");
    const char *dir = given ? keep("%s/%s", given, name) : keep("%s/../shared/golden/%s", DF_SOURCE_DIR, name);
    if (!access(dir, R_OK | X_OK)) return dir;
    dir = keep("%s/tests/golden/%s", DF_SOURCE_DIR, name);
    return access(dir, R_OK | X_OK) ? NULL : dir;
}

static const char *need_dir(const char *name) {
    const char *dir = golden_dir(name);
    if (!dir) {
        print_message("golden case '%s' is not at hand (set DF_GOLDEN to the folder of the cases)\n", name);
        skip();
    }
    return dir;
}

const char *golden_path(const char *name, const char *file) {
    return keep("%s/%s", need_dir(name), file);
}

golden *golden_open(const char *name) {
    const char *dir = need_dir(name);
    df_err err;
    golden *g = calloc(1, sizeof *g);
    if (!g) fail_msg("out of memory");
    if (df_safetensors_open(&g->tensors, keep("%s/golden.safetensors", dir), &err) ||
        df_json_load(&g->about, keep("%s/golden.json", dir), &err)) {
        golden_close(&g);
        fail_msg("%s", err.text);
    }
    return g;
}

void golden_close(golden **g) {
    if (!g || !*g) return;
    df_safetensors_close(&(*g)->tensors);
    json_decref((*g)->about);
    free(*g);
    *g = NULL;
}

bool golden_has(const golden *g, const char *name) {
    return df_safetensors_find(g->tensors, name) != NULL;
}

const df_tensor_view *golden_view(const golden *g, const char *name) {
    const df_tensor_view *t = df_safetensors_find(g->tensors, name);
    if (!t) fail_msg("no golden tensor '%s'", name);
    return t;
}

const json_t *golden_json(const golden *g) {
    return g->about;
}

/* At least one byte, so that NULL always means failure. */
static void *room_for(const df_tensor_view *t, size_t unit, size_t *n) {
    void *p = malloc((size_t)t->n_elements * unit + 1);
    if (!p) fail_msg("out of memory for '%s'", t->name);
    if (n) *n = (size_t)t->n_elements;
    return p;
}

float *golden_f32(const golden *g, const char *name, size_t *n) {
    const df_tensor_view *t = golden_view(g, name);
    float *x = room_for(t, sizeof *x, n);
    df_err err;
    if (df_tensor_to_f32(t, x, &err)) fail_msg("%s", err.text);
    return x;
}

int32_t *golden_i32(const golden *g, const char *name, size_t *n) {
    const df_tensor_view *t = golden_view(g, name);
    int32_t *x = room_for(t, sizeof *x, n);
    df_err err;
    if (df_tensor_to_i32(t, x, &err)) fail_msg("%s", err.text);
    return x;
}

uint8_t *golden_u8(const golden *g, const char *name, size_t *n) {
    const df_tensor_view *t = golden_view(g, name);
    if (t->dtype != DF_U8) fail_msg("golden tensor '%s' is %s, not U8", name, df_dtype_name(t->dtype));
    uint8_t *x = room_for(t, sizeof *x, n);
    if (t->n_elements) memcpy(x, t->data, (size_t)t->n_elements);
    return x;
}

double golden_bound(const golden *g, const char *name, double tolerance) {
    const json_t *floors = json_object_get(g->about, "noise_floor_fp32_vs_fp64");
    double noise = json_number_value(json_object_get(json_object_get(floors, name), "max_rel"));
    return fmax(tolerance, 10 * noise);
}

double golden_compare_f32(const char *what, const float *got, const float *ref, size_t n, double bound) {
    double scale = 0, worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(got[i])) fail_msg("%s: element %zu is %g, the reference has %.9g", what, i, got[i], ref[i]);
        double off = fabs((double)got[i] - ref[i]);
        scale = fmax(scale, fabs((double)ref[i]));
        if (off > worst) {
            worst = off;
            at = i;
        }
    }
    double e = worst > 0 ? worst / (scale > 0 ? scale : 1) : 0;
    print_message("%-44s e %.2e (at most %.2e)\n", what, e, bound);
    if (!(e <= bound))
        fail_msg("%s: e = %.3e is over %.3e; the worst of %zu elements, %zu, is %.9g, the reference has %.9g", what, e,
                 bound, n, at, got[at], ref[at]);
    return e;
}

static void need_count(const char *name, size_t got, size_t ref) {
    if (got != ref) fail_msg("%s: %zu elements, the reference has %zu", name, got, ref);
}

void golden_compare(const golden *g, const char *name, const float *got, size_t n, double tolerance) {
    size_t n_ref;
    float *ref = golden_f32(g, name, &n_ref);
    need_count(name, n, n_ref);
    golden_compare_f32(name, got, ref, n, golden_bound(g, name, tolerance));
    free(ref);
}

void golden_compare_i32(const golden *g, const char *name, const int32_t *got, size_t n) {
    size_t n_ref;
    int32_t *ref = golden_i32(g, name, &n_ref);
    need_count(name, n, n_ref);
    for (size_t i = 0; i < n; i++)
        if (got[i] != ref[i]) fail_msg("%s: element %zu is %d, the reference has %d", name, i, got[i], ref[i]);
    free(ref);
}

void golden_compare_u8(const golden *g, const char *name, const uint8_t *got, size_t n) {
    size_t n_ref, differ = 0;
    uint8_t *ref = golden_u8(g, name, &n_ref);
    need_count(name, n, n_ref);
    for (size_t i = 0; i < n; i++) {
        int off = abs(got[i] - ref[i]);
        if (off > 1) fail_msg("%s: value %zu is %d, the reference has %d", name, i, got[i], ref[i]);
        differ += off != 0;
    }
    print_message("%-44s %zu of %zu values off by one level\n", name, differ, n);
    if (differ * 200 > n) fail_msg("%s: %zu of %zu values are off by one level, over 0.5 %%", name, differ, n);
    free(ref);
}

void golden_nchw_to_nhwc(float *dst, const float *src, int64_t N, int64_t C, int64_t H, int64_t W) {
    for (int64_t n = 0; n < N; n++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t i = 0; i < H * W; i++) dst[(n * H * W + i) * C + c] = src[(n * C + c) * H * W + i];
}

void golden_nhwc_to_nchw(float *dst, const float *src, int64_t N, int64_t C, int64_t H, int64_t W) {
    for (int64_t n = 0; n < N; n++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t i = 0; i < H * W; i++) dst[(n * C + c) * H * W + i] = src[(n * H * W + i) * C + c];
}

/* Folders to remove at the end, by the process that made them: a forked child must not. */
typedef struct temp_dir {
    struct temp_dir *next;
    pid_t owner;
    const char *path;
} temp_dir;

static temp_dir *temp_dirs;

static void remove_temp_dirs(void) {
    for (temp_dir *d = temp_dirs; d; d = d->next)
        if (d->owner == getpid()) df_file_remove_tree(d->path, NULL);
}

const char *golden_temp_dir(void) {
    const char *base = getenv("TMPDIR");
    char *path = (char *)keep("%s/diffarm-test-XXXXXX", base && *base ? base : "/tmp");
    temp_dir *d = df_arena_alloc(paths, sizeof *d);
    if (!d || !mkdtemp(path)) fail_msg("%s: cannot make a temporary folder", path);
    if (!temp_dirs) atexit(remove_temp_dirs);
    *d = (temp_dir) { .next = temp_dirs, .owner = getpid(), .path = path };
    temp_dirs = d;
    return path;
}
