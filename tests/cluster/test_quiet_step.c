/* A step allocates, frees, logs and locks nothing, once every size it meets has been prepared. The linker wraps what
 * our own code calls, see CMakeLists.txt; oneDNN's small short-lived objects inside a call are its own affair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cluster/thread_farm.h"

typedef enum call { ALLOCATES, FREES, WRITES, LOCKS, CALLS } call;

static atomic_bool counting;
static atomic_int calls[CALLS];

static void count(call what) {
    if (atomic_load(&counting)) atomic_fetch_add(&calls[what], 1);
}

#define WRAP(what, type, name, parameters, arguments)                                                                  \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        count(what);                                                                                                   \
        return __real_##name arguments;                                                                                \
    }

WRAP(ALLOCATES, void *, malloc, (size_t n), (n))
WRAP(ALLOCATES, void *, calloc, (size_t n, size_t size), (n, size))
WRAP(ALLOCATES, void *, realloc, (void *p, size_t n), (p, n))
WRAP(ALLOCATES, void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(ALLOCATES, void *, aligned_alloc, (size_t align, size_t n), (align, n))
WRAP(ALLOCATES, char *, strdup, (const char *s), (s))
WRAP(FREES, void, free, (void *p), (p))
WRAP(WRITES, ssize_t, write, (int fd, const void *data, size_t n), (fd, data, n))
WRAP(WRITES, size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
WRAP(WRITES, int, vfprintf, (FILE * f, const char *format, va_list args), (f, format, args))
WRAP(LOCKS, int, pthread_mutex_lock, (pthread_mutex_t * lock), (lock))

static void fill(thread_farm *f, int slot, int program, int64_t n_rows, unsigned seed) {
    const df_graph *g = df_pipeline_graph(f->pipeline, program);
    for (int i = 0; i < g->n_inputs; i++) {
        const df_value *v = &g->values[g->inputs[i].value];
        df_dtype dtype = df_value_held_as(v, df_pipeline_dtype(f->pipeline));
        void *data = df_pipeline_input(f->pipeline, slot, program, g->inputs[i].name, n_rows);
        for (int64_t k = 0; k < n_rows * df_shape_elements(v->shape); k++)
            if (dtype == DF_I32)
                ((int32_t *)data)[k] = (int32_t)((seed + k) % 3000);
            else
                df_dtype_store(dtype, data, (size_t)k, (double)((seed + k) % 97) / 97 - 0.5);
    }
}

static void run(thread_farm *f, int program, int64_t n_rows) {
    df_err err;
    fill(f, 0, program, n_rows, 7);
    if (thread_farm_run(f, 0, program, n_rows, &err)) fail_msg("%s", err.text);
}

typedef struct setting {
    df_arithmetic how;
    bool fast_conv;
    int ranks, threads;
} setting;

static void load_all(thread_farm *f, int programs[3]) {
    static const df_component components[] = { DF_TEXT_ENCODER, DF_UNET, DF_VAE_DECODER };
    df_err err;
    for (int i = 0; i < 3; i++) {
        int side = components[i] == DF_TEXT_ENCODER ? 0 : 16;
        if (df_pipeline_load(f->pipeline, components[i], side, side, &programs[i], &err)) fail_msg("%s", err.text);
    }
}

static void check(const df_model *m, const setting *s) {
    enum { ROWS = 4, PAGE = 4096 };
    const df_pipeline_cfg cfg = {
        .backend = &df_backend_cpu,
        .backend_cfg = { .dtype = s->how.dtype, .threads = s->threads, .int8 = s->how.int8, .fast_conv = s->fast_conv },
        .max_rows = ROWS,
        .n_slots = 1
    };
    thread_farm f;
    int programs[3];
    thread_farm_open(&f, m, s->ranks, &cfg, false);
    load_all(&f, programs);
    for (int i = 0; i < 6; i++) run(&f, programs[i % 3], i < 3 ? ROWS : 1);
    memset(calls, 0, sizeof calls);
    size_t held = mallinfo2().uordblks;
    atomic_store(&counting, true);
    for (int i = 0; i < 12; i++) run(&f, programs[i % 3], i < 6 ? ROWS : 1);
    atomic_store(&counting, false);
    assert_int_equal(atomic_load(&calls[ALLOCATES]), 0);
    assert_int_equal(atomic_load(&calls[FREES]), 0);
    assert_int_equal(atomic_load(&calls[WRITES]), 0);
    /* Threads of one process hand their messages over under a lock; ranks that are processes need none. */
    if (s->ranks == 1) assert_int_equal(atomic_load(&calls[LOCKS]), 0);
    assert_true(mallinfo2().uordblks < held + PAGE); /* a library may keep a little, once */
    thread_farm_close(&f);
}

static df_model *starter_in_int8(void) {
    const df_adapter_use scales = { .kind = DF_ADAPTER_INT8_SCALES,
                                    .path = DF_SOURCE_DIR "/models/starter/diffarm-int8.json" };
    const df_model_options how = { .adapters = &scales, .n_adapters = 1 };
    df_model *m = NULL;
    df_err err;
    if (df_model_open_with(&m, DF_SOURCE_DIR "/models/starter", &how, &err)) fail_msg("%s", err.text);
    return m;
}

static void check_all(df_dtype dtype, bool int8, bool fast_conv) {
    if (df_backend_can_do(&df_backend_cpu, (df_arithmetic) { dtype, int8 }, NULL)) skip();
    df_model *m = int8 ? starter_in_int8() : thread_farm_starter();
    for (int ranks = 1; ranks <= 2; ranks++)
        for (int threads = 1; threads <= 2; threads++)
            check(m, &(setting) { { dtype, int8 }, fast_conv, ranks, threads });
    df_model_close(&m);
}

static void test_f32(void **state) {
    (void)state;
    check_all(DF_F32, false, false);
}

static void test_bf16(void **state) {
    (void)state;
    check_all(DF_BF16, false, false);
}

static void test_fast_conv(void **state) {
    (void)state;
    check_all(DF_BF16, false, true);
}

static void test_int8(void **state) {
    (void)state;
    check_all(DF_BF16, true, false);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_f32), cmocka_unit_test(test_bf16),
                                        cmocka_unit_test(test_fast_conv), cmocka_unit_test(test_int8) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
