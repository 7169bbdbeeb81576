/* OUT on a disk that fails: what must be synced, and what must never be written over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/out_dir.h"
#include "coordinator/simulate/disk.h"

#define JOB "1111111111111111"

typedef struct fixture {
    df_sim_random random;
    df_sim_disk *disk;
    df_out_dir *out;
    df_err err;
} fixture;

static fixture f;

static int claim(void **state) {
    (void)state;
    f = (fixture) { .random = df_sim_random_from(7) };
    f.disk = df_sim_disk_new(&f.random);
    df_sim_disk_mount(f.disk);
    df_disk_use(df_sim_disk_calls());
    assert_int_equal(df_out_dir_claim("/data/out", JOB, &f.err), DF_OK);
    assert_int_equal(df_out_dir_open(&f.out, "/data/out", JOB, &f.err), DF_OK);
    return 0;
}

static int leave(void **state) {
    (void)state;
    df_out_dir_close(&f.out);
    df_disk_use(NULL);
    df_sim_disk_free(&f.disk);
    return 0;
}

static bool is_safe(const char *path, const char *text) {
    size_t n;
    const void *at = df_sim_disk_look(f.disk, path, true, &n);
    return at && n == strlen(text) && !memcmp(at, text, n);
}

/* The folders were made, and then the machine or the sync failed: whoever writes into them later syncs them as well. */
static void folders_made_before_are_synced(void **state) {
    (void)state;
    f.disk->ops_to_error = 5; /* two folders, the picture's three calls; then the rename fails */
    f.disk->n_errors = 1;
    assert_int_not_equal(df_out_dir_write(f.out, "a/b/1.png", "1", 1, &f.err), DF_OK);
    df_out_dir_close(&f.out);
    assert_int_equal(df_out_dir_open(&f.out, "/data/out", JOB, &f.err), DF_OK);
    assert_int_equal(df_out_dir_write(f.out, "a/b/1.png", "1", 1, &f.err), DF_OK);
    assert_int_equal(df_out_dir_sync(f.out, &f.err), DF_OK);
    assert_true(is_safe("/data/out/a/b/1.png", "1"));
}

/* More folders than are remembered: they are synced on the way, and a failure there is not forgotten. */
static void early_sync_that_fails_is_told(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        char path[32];
        snprintf(path, sizeof path, "d%02d/1.png", i);
        assert_int_equal(df_out_dir_write(f.out, path, "1", 1, &f.err), DF_OK);
        if (i == 30) { /* OUT and 31 folders are remembered: the next one is too many. Its own calls come first. */
            f.disk->ops_to_error = 5;
            f.disk->n_errors = 1;
            assert_int_equal(df_out_dir_write(f.out, "e/1.png", "1", 1, &f.err), DF_OK);
        }
    }
    assert_int_equal(df_out_dir_sync(f.out, &f.err), DF_EIO);
}

/* After a power cut in a rename both names may be there. */
static void leftover_is_not_written_over(void **state) {
    (void)state;
    assert_int_equal(df_out_dir_write(f.out, "1.png", "1", 1, &f.err), DF_OK);
    assert_int_equal(df_out_dir_sync(f.out, &f.err), DF_OK);
    df_out_dir_close(&f.out);
    df_sim_disk_link(f.disk, "/data/out/1.png", "/data/out/.diffarm/picture-0");
    assert_int_equal(df_out_dir_open(&f.out, "/data/out", JOB, &f.err), DF_OK);
    assert_int_equal(df_out_dir_write(f.out, "2.png", "2", 1, &f.err), DF_OK);
    assert_int_equal(df_out_dir_sync(f.out, &f.err), DF_OK);
    assert_true(is_safe("/data/out/1.png", "1"));
    assert_true(is_safe("/data/out/2.png", "2"));
}

/* Given back means that it stays so; and the claim goes last, so that nothing is left without one. */
static void release_is_synced(void **state) {
    struct stat is;
    (void)state;
    df_out_dir_close(&f.out);
    assert_int_equal(df_out_dir_release("/data/out", JOB, &f.err), DF_OK);
    for (int i = 0; i < 20; i++) {
        df_sim_disk_cut(f.disk);
        assert_int_equal(df_disk_fstatat(AT_FDCWD, "/data/out/.diffarm", &is, 0), -1);
    }
}

static void half_a_release_is_ended(void **state) {
    struct stat is;
    (void)state;
    assert_int_equal(df_out_dir_write(f.out, ".diffarm/shard-000000/1.png", "1", 1, &f.err), DF_OK);
    df_out_dir_close(&f.out);
    for (int lives = 1; lives < 12; lives++) {
        f.disk->ops_to_live = lives;
        df_code rc = df_out_dir_release("/data/out", JOB, &f.err);
        df_sim_disk_revive(f.disk);
        if (!rc) break;
        df_out_dir_release("/data/out", JOB, &f.err);
        assert_int_equal(df_disk_fstatat(AT_FDCWD, "/data/out/.diffarm", &is, 0), -1);
        assert_int_equal(df_out_dir_claim("/data/out", JOB, &f.err), DF_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_made_before_are_synced, claim, leave),
        cmocka_unit_test_setup_teardown(early_sync_that_fails_is_told, claim, leave),
        cmocka_unit_test_setup_teardown(leftover_is_not_written_over, claim, leave),
        cmocka_unit_test_setup_teardown(release_is_synced, claim, leave),
        cmocka_unit_test_setup_teardown(half_a_release_is_ended, claim, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
