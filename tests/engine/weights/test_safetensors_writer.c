#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/weights/safetensors.h"
#include "tests/support/golden.h"
#include "tests/support/tiny_disk.h"

static const float weights[6] = { 1, -2, 3.5f, 0, 1e-30f, 7 };
static const uint8_t bytes[3] = { 1, 2, 3 };
static const int64_t wide[1] = { INT64_MIN };

typedef struct scratch {
    const char *dir;
    char a[4200], b[4200];
    df_safetensors_writer *w;
    df_err err;
} scratch;

static int open_scratch(void **state) {
    scratch *s = calloc(1, sizeof *s);
    s->dir = golden_temp_dir();
    snprintf(s->a, sizeof s->a, "%s/a.safetensors", s->dir);
    snprintf(s->b, sizeof s->b, "%s/b.safetensors", s->dir);
    s->w = df_safetensors_writer_new();
    *state = s;
    return !s->w;
}

static int close_scratch(void **state) {
    scratch *s = *state;
    df_safetensors_writer_free(&s->w);
    free(s);
    return 0;
}

static void add_three(df_safetensors_writer *w, const int order[3]) {
    for (int i = 0; i < 3; i++) {
        df_code rc = order[i] == 0 ? df_safetensors_writer_add(w, "x.bytes", DF_U8, (int64_t[]) { 3 }, 1, bytes, NULL)
                     : order[i] == 1
                         ? df_safetensors_writer_add(w, "x.\"weight\"", DF_F32, (int64_t[]) { 2, 3 }, 2, weights, NULL)
                         : df_safetensors_writer_add(w, "é", DF_I64, NULL, 0, wide, NULL);
        assert_int_equal(rc, DF_OK);
    }
}

static void what_is_written_is_read(void **state) {
    scratch *s = *state;
    add_three(s->w, (int[]) { 0, 1, 2 });
    assert_int_equal(df_safetensors_writer_metadata(s->w, "format", "pt", &s->err), DF_OK);
    assert_int_equal(df_safetensors_writer_write(s->w, s->a, &s->err), DF_OK);
    df_safetensors *f;
    assert_int_equal(df_safetensors_open(&f, s->a, &s->err), DF_OK);
    assert_int_equal(df_safetensors_count(f), 3);
    assert_string_equal(df_safetensors_metadata(f, "format"), "pt");
    const df_tensor_view *t = df_safetensors_find(f, "x.\"weight\"");
    assert_non_null(t);
    assert_int_equal((uintptr_t)t->data % 8, 0); /* wide types first: aligned */
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dim[1], 3);
    assert_memory_equal(t->data, weights, sizeof weights);
    t = df_safetensors_find(f, "é");
    assert_int_equal(t->rank, 0);
    assert_memory_equal(t->data, wide, sizeof wide);
    assert_memory_equal(df_safetensors_find(f, "x.bytes")->data, bytes, sizeof bytes);
    df_safetensors_close(&f);
    assert_int_equal(files_in(s->dir), 1);
}

static void the_order_of_adding_does_not_show(void **state) {
    scratch *s = *state;
    df_safetensors_writer *other = df_safetensors_writer_new();
    char *x, *y;
    size_t n, m;
    add_three(s->w, (int[]) { 0, 1, 2 });
    add_three(other, (int[]) { 2, 1, 0 });
    df_safetensors_writer_metadata(s->w, "a", "1", NULL);
    df_safetensors_writer_metadata(s->w, "b", "2", NULL);
    df_safetensors_writer_metadata(other, "b", "2", NULL);
    df_safetensors_writer_metadata(other, "a", "1", NULL);
    assert_int_equal(df_safetensors_writer_write(s->w, s->a, NULL), DF_OK);
    assert_int_equal(df_safetensors_writer_write(other, s->b, NULL), DF_OK);
    assert_int_equal(df_file_read(s->a, 1 << 20, &x, &n, NULL), DF_OK);
    assert_int_equal(df_file_read(s->b, 1 << 20, &y, &m, NULL), DF_OK);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
    df_safetensors_writer_free(&other);
}

static void refuses_bad_tensors(void **state) {
    scratch *s = *state;
    df_safetensors_writer *w = s->w;
    df_err *err = &s->err;
    assert_int_equal(df_safetensors_writer_add(w, "x", DF_U8, (int64_t[]) { 3 }, 1, bytes, err), DF_OK);
    assert_int_equal(df_safetensors_writer_add(w, "x", DF_U8, (int64_t[]) { 3 }, 1, bytes, err), DF_EEXIST);
    assert_int_equal(df_safetensors_writer_add(w, "y", DF_U8, (int64_t[]) { -3 }, 1, bytes, err), DF_ESHAPE);
    assert_int_equal(df_safetensors_writer_add(w, "y", DF_F64, (int64_t[]) { INT64_MAX, 4 }, 2, bytes, err), DF_ESHAPE);
    assert_int_equal(df_safetensors_writer_add(w, "y", DF_U8, NULL, 9, bytes, err), DF_EINVAL);
    assert_int_equal(df_safetensors_writer_add(w, "__metadata__", DF_U8, NULL, 0, bytes, err), DF_EINVAL);
    assert_int_equal(df_safetensors_writer_add(w, "\xff", DF_U8, NULL, 0, bytes, err), DF_EINVAL);
    assert_int_equal(df_safetensors_writer_metadata(w, "k", "\xff", err), DF_EINVAL);
    df_safetensors *f;
    assert_int_equal(df_safetensors_writer_write(w, s->a, err), DF_OK);
    assert_int_equal(df_safetensors_open(&f, s->a, err), DF_OK);
    assert_int_equal(df_safetensors_count(f), 1);
    df_safetensors_close(&f);
}

static void writes_a_file_without_tensors(void **state) {
    scratch *s = *state;
    df_safetensors *f;
    assert_int_equal(df_safetensors_writer_write(s->w, s->a, &s->err), DF_OK);
    assert_int_equal(df_safetensors_open(&f, s->a, &s->err), DF_OK);
    assert_int_equal(df_safetensors_count(f), 0);
    df_safetensors_close(&f);
}

static void names_a_missing_folder(void **state) {
    scratch *s = *state;
    char path[4300];
    snprintf(path, sizeof path, "%s/none/a.safetensors", s->dir);
    assert_int_equal(df_safetensors_writer_write(s->w, path, &s->err), DF_ENOTFOUND);
    assert_non_null(strstr(s->err.text, "none/a.safetensors"));
}

static void a_full_disk_leaves_the_old_file(void **state) {
    scratch *s = *state;
    const char *disk = tiny_disk(256 << 10);
    char path[4200], *text;
    size_t n, big_bytes = 1 << 20;
    char *big = calloc(1, big_bytes);
    snprintf(path, sizeof path, "%s/w.safetensors", disk);
    assert_int_equal(df_file_write(path, "old", 3, &s->err), DF_OK);
    assert_int_equal(df_safetensors_writer_add(s->w, "big", DF_U8, (int64_t[]) { 1 << 20 }, 1, big, &s->err), DF_OK);
    assert_int_equal(df_safetensors_writer_write(s->w, path, &s->err), DF_ENOSPACE);
    assert_non_null(strstr(s->err.text, path));
    assert_int_equal(files_in(disk), 1);
    assert_int_equal(df_file_read(path, 100, &text, &n, &s->err), DF_OK);
    assert_string_equal(text, "old");
    free(text);
    free(big);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, open_scratch, close_scratch),
        cmocka_unit_test_setup_teardown(the_order_of_adding_does_not_show, open_scratch, close_scratch),
        cmocka_unit_test_setup_teardown(refuses_bad_tensors, open_scratch, close_scratch),
        cmocka_unit_test_setup_teardown(writes_a_file_without_tensors, open_scratch, close_scratch),
        cmocka_unit_test_setup_teardown(names_a_missing_folder, open_scratch, close_scratch),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_file, open_scratch, close_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
