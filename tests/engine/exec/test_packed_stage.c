/* Stages that start from packed weights: the bytes of stages that pack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/graph/fuse.h"
#include "tests/engine/graph/graph_fixture.h"
#include "tests/support/golden.h"

enum { GRAPHS = 12, MAX_FILE = 16 << 20 };

static df_graph *fused_graph(uint64_t seed, bool int8) {
    df_graph *g = fixture_random_graph(seed);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
    for (int i = 0; int8 && i < g->n_nodes; i++)
        if (g->nodes[i].op == DF_OP_LINEAR || g->nodes[i].op == DF_OP_CONV2D)
            g->nodes[i].int8 = (df_int8) { .scale = 0.02f, .zero = 117 };
    return g;
}

/* The one file in the folder. */
static void find_file(const char *dir, char path[512]) {
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') n += snprintf(path, 512, "%s/%.200s", dir, e->d_name) > 0;
    closedir(d);
    assert_int_equal(n, 1);
}

static ino_t inode_of(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

typedef struct setup {
    df_graph *g;
    df_cut *cut;
    df_weights *weights;
    char *want, path[512];
    size_t bytes;
    fixture_run run; /* with the folder */
} setup;

static void check(const setup *s, const char *what) {
    size_t bytes;
    char *got = fixture_outputs(&s->run, &bytes);
    assert_int_equal(bytes, s->bytes);
    if (memcmp(got, s->want, bytes)) fail_msg("%s: other bytes %s", s->g->name, what);
    free(got);
}

static setup open_all(uint64_t seed, bool int8) {
    setup s = { .g = fused_graph(seed, int8) };
    assert_int_equal(df_cut_whole(&s.cut, s.g, NULL), DF_OK);
    s.weights = fixture_weights(s.g, NULL, 0);
    s.run = (fixture_run) { .g = s.g,
                            .cut = s.cut,
                            .weights = s.weights,
                            .dtype = int8 ? DF_BF16 : DF_F32,
                            .int8 = int8,
                            .n_rows = 2,
                            .backend = &df_backend_cpu };
    s.want = fixture_outputs(&s.run, &s.bytes);
    s.run.packed_dir = golden_temp_dir();
    check(&s, "while packing");
    find_file(s.run.packed_dir, s.path);
    return s;
}

static void close_all(setup *s) {
    free(s->want);
    df_weights_close(&s->weights);
    df_cut_free(&s->cut);
    df_graph_free(&s->g);
}

static void start_twice(bool int8) {
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        setup s = open_all(seed, int8);
        ino_t before = inode_of(s.path);
        for (s.run.threads = 1; s.run.threads <= 3; s.run.threads++) check(&s, "from packed weights");
        assert_int_equal(inode_of(s.path), before);
        close_all(&s);
    }
}

static void damage(bool int8) {
    uint64_t random = 1;
    for (uint64_t seed = 0; seed < 3; seed++) {
        setup s = open_all(seed, int8);
        char *whole = NULL;
        size_t bytes;
        assert_int_equal(df_file_read(s.path, MAX_FILE, &whole, &bytes, NULL), DF_OK);
        for (int i = 0; i < 40; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(random >> 20) % (i % 2 ? bytes : 4096 < bytes ? 4096 : bytes);
            whole[at] ^= 1;
            assert_int_equal(df_file_write(s.path, whole, bytes, NULL), DF_OK);
            check(&s, "from a damaged file");
            whole[at] ^= 1;
        }
        check(&s, "from a mended file");
        free(whole);
        close_all(&s);
    }
}

static void skip_without_int8(void) {
    df_err why;
    if (!df_backend_can_do(&df_backend_cpu, (df_arithmetic) { .dtype = DF_BF16, .int8 = true }, &why)) return;
    print_message("skipped: %s\n", why.text);
    skip();
}

static void test_the_second_stage_starts_from_packed_weights(void **state) {
    (void)state;
    start_twice(false);
}

static void test_damage_does_not_show(void **state) {
    (void)state;
    damage(false);
}

static void test_the_second_stage_starts_from_packed_codes(void **state) {
    (void)state;
    skip_without_int8();
    start_twice(true);
}

static void test_damage_does_not_show_in_codes(void **state) {
    (void)state;
    skip_without_int8();
    damage(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_stage_starts_from_packed_weights),
        cmocka_unit_test(test_damage_does_not_show),
        cmocka_unit_test(test_the_second_stage_starts_from_packed_codes),
        cmocka_unit_test(test_damage_does_not_show_in_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
