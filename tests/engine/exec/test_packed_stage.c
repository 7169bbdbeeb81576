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

static df_graph *fused_graph(uint64_t seed) {
    df_graph *g = fixture_random_graph(seed);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
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

static setup open_all(uint64_t seed) {
    setup s = { .g = fused_graph(seed) };
    assert_int_equal(df_cut_whole(&s.cut, s.g, NULL), DF_OK);
    s.weights = fixture_weights(s.g, NULL, 0);
    s.run = (fixture_run) {
        .g = s.g, .cut = s.cut, .weights = s.weights, .dtype = DF_F32, .n_rows = 2, .backend = &df_backend_cpu
    };
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

static void test_the_second_stage_starts_from_packed_weights(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        setup s = open_all(seed);
        ino_t before = inode_of(s.path);
        for (s.run.threads = 1; s.run.threads <= 3; s.run.threads++) check(&s, "from packed weights");
        assert_int_equal(inode_of(s.path), before);
        close_all(&s);
    }
}

static void test_damage_does_not_show(void **state) {
    (void)state;
    uint64_t random = 1;
    for (uint64_t seed = 0; seed < 3; seed++) {
        setup s = open_all(seed);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_stage_starts_from_packed_weights),
        cmocka_unit_test(test_damage_does_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
