/* Files by content: whole with the right hash, or not there; pieces that go on where they stopped; what is no file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/sha256.h"
#include "coordinator/file_store.h"
#include "tests/coordinator/bench.h"

enum { BYTES = 3 * DF_FILE_PIECE_BYTES + 17 };

static char *dir;
static df_file_store *store;
static uint8_t *data;
static char sha256[DF_SHA256_HEX_BYTES];

static int open_store(void **state) {
    (void)state;
    dir = bench_temp_dir();
    data = malloc(BYTES);
    for (int i = 0; i < BYTES; i++) data[i] = (uint8_t)(i * 7 >> 3);
    df_sha256_of(data, BYTES, sha256);
    return df_file_store_open(&store, dir, NULL);
}

static int close_store(void **state) {
    (void)state;
    df_file_store_close(&store);
    bench_remove(dir);
    free(data);
    return 0;
}

static df_code put(uint64_t offset, size_t bytes, uint64_t *have) {
    const df_file_piece piece = {
        .sha256 = sha256, .total_bytes = BYTES, .offset = offset, .data = data + offset, .bytes = bytes
    };
    return df_file_store_put(store, &piece, have, NULL);
}

static void put_all(uint64_t have) {
    while (have < BYTES) {
        size_t n = BYTES - have < DF_FILE_PIECE_BYTES ? BYTES - have : DF_FILE_PIECE_BYTES;
        assert_int_equal(put(have, n, &have), DF_OK);
    }
}

static df_code get(uint64_t offset, size_t *n) {
    static uint8_t piece[DF_FILE_PIECE_BYTES];
    uint64_t total = 0;
    df_code rc = df_file_store_get(store, sha256, offset, piece, sizeof piece, n, &total, NULL);
    if (rc) return rc;
    assert_int_equal(total, BYTES);
    assert_memory_equal(piece, data + offset, *n);
    return DF_OK;
}

static void a_file_comes_and_goes_in_pieces(void **state) {
    (void)state;
    uint64_t have;
    size_t n;
    assert_int_equal(get(0, &n), DF_ENOTFOUND);
    assert_int_equal(put(0, 0, &have), DF_OK);
    assert_int_equal(have, 0);
    put_all(0);
    assert_int_equal(df_file_store_sync(store, NULL), DF_OK);
    for (uint64_t at = 0; at < BYTES; at += n) assert_int_equal(get(at, &n), DF_OK);
    assert_int_equal(get(BYTES, &n), DF_OK);
    assert_int_equal(n, 0);
    assert_int_equal(get(BYTES + 1, &n), DF_EINVAL);
    assert_int_equal(put(0, 5, &have), DF_OK); /* by another: it is there */
    assert_int_equal(have, BYTES);
    assert_int_equal(df_file_store_remove(store, sha256, NULL), DF_OK);
    assert_int_equal(df_file_store_remove(store, sha256, NULL), DF_OK);
    assert_int_equal(get(0, &n), DF_ENOTFOUND);
}

static void it_goes_on_where_it_stopped(void **state) {
    (void)state;
    uint64_t have;
    size_t n;
    assert_int_equal(put(0, 1000, &have), DF_OK);
    assert_int_equal(put(0, 1000, &have), DF_OK); /* twice */
    assert_int_equal(put(5000, 1000, &have), DF_OK); /* a gap */
    assert_int_equal(have, 1000);
    assert_int_equal(put(0, 0, &have), DF_OK); /* another client asks */
    assert_int_equal(have, 1000);
    put_all(have);
    assert_int_equal(get(0, &n), DF_OK);
}

static void a_restart_forgets_half_a_file(void **state) {
    (void)state;
    uint64_t have;
    size_t n;
    assert_int_equal(put(0, 1000, &have), DF_OK);
    df_file_store_close(&store);
    assert_int_equal(df_file_store_open(&store, dir, NULL), DF_OK);
    assert_int_equal(put(0, 0, &have), DF_OK);
    assert_int_equal(have, 0);
    put_all(0);
    df_file_store_close(&store);
    assert_int_equal(df_file_store_open(&store, dir, NULL), DF_OK);
    assert_int_equal(get(0, &n), DF_OK);
}

static void another_content_is_refused(void **state) {
    (void)state;
    uint64_t have;
    size_t n;
    data[BYTES - 1] ^= 1;
    for (uint64_t at = 0; at < BYTES; at = have)
        if (put(at, BYTES - at < DF_FILE_PIECE_BYTES ? BYTES - at : DF_FILE_PIECE_BYTES, &have)) break;
    assert_int_equal(get(0, &n), DF_ENOTFOUND);
    data[BYTES - 1] ^= 1;
    assert_int_equal(put(0, 0, &have), DF_OK);
    assert_int_equal(have, 0); /* nothing of it stays */
    put_all(0);
    assert_int_equal(get(0, &n), DF_OK);
}

static void what_is_no_piece_is_refused(void **state) {
    (void)state;
    uint64_t have;
    df_err err;
    char bad[DF_SHA256_HEX_BYTES];
    memcpy(bad, sha256, sizeof bad);
    memcpy(bad, "../../", 6);
    const struct {
        df_file_piece piece;
        df_code code;
    } cases[] = {
        { { .sha256 = "", .total_bytes = 5 }, DF_EINVAL },
        { { .sha256 = bad, .total_bytes = 5 }, DF_EINVAL },
        { { .sha256 = sha256, .total_bytes = 0 }, DF_ELIMIT },
        { { .sha256 = sha256, .total_bytes = UINT64_MAX }, DF_ELIMIT },
        { { .sha256 = sha256, .total_bytes = 5, .offset = 6 }, DF_EINVAL },
        { { .sha256 = sha256, .total_bytes = 5, .offset = 5, .data = data, .bytes = 1 }, DF_EINVAL },
        { { .sha256 = sha256, .total_bytes = 5, .offset = UINT64_MAX, .data = data, .bytes = 1 }, DF_EINVAL },
        { { .sha256 = sha256, .total_bytes = BYTES, .data = data, .bytes = DF_FILE_PIECE_BYTES + 1 }, DF_ELIMIT },
        { { .sha256 = sha256, .total_bytes = (uint64_t)DF_FILE_MAX_BYTES }, DF_ENOSPACE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_code rc = df_file_store_put(store, &cases[i].piece, &have, &err);
        if (rc == DF_OK && cases[i].code == DF_ENOSPACE) continue; /* a large disk */
        if (rc != cases[i].code) fail_msg("case %zu: %d", i, rc);
    }
    size_t n;
    assert_int_equal(df_file_store_get(store, bad, 0, data, 1, &n, &have, NULL), DF_EINVAL);
}

/* More at once than are kept: those that stood still longest begin anew. */
static void many_at_once_stay_bounded(void **state) {
    (void)state;
    uint64_t have;
    for (int i = 0; i < 100; i++) {
        char name[DF_SHA256_HEX_BYTES];
        snprintf(name, sizeof name, "%064x", i);
        const df_file_piece piece = { .sha256 = name, .total_bytes = 10, .data = data, .bytes = 5 };
        assert_int_equal(df_file_store_put(store, &piece, &have, NULL), DF_OK);
        assert_int_equal(have, 5);
    }
    put_all(0);
}

static void a_full_disk_is_told(void **state) {
    (void)state;
    uint64_t have = 0;
    char path[300];
    df_code rc = DF_OK;
    snprintf(path, sizeof path, "%s/files", dir);
    assert_int_equal(put(0, 1000, &have), DF_OK);
    df_file_store_close(&store);
    if (mount("none", path, "tmpfs", 0, "size=2m")) skip();
    assert_int_equal(df_file_store_open(&store, dir, NULL), DF_OK);
    rc = put(0, DF_FILE_PIECE_BYTES, &have);
    df_file_store_close(&store);
    umount2(path, MNT_DETACH);
    assert_int_equal(df_file_store_open(&store, dir, NULL), DF_OK);
    assert_int_equal(rc, DF_ENOSPACE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_store, close_store)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_comes_and_goes_in_pieces),
        TEST(it_goes_on_where_it_stopped),
        TEST(a_restart_forgets_half_a_file),
        TEST(another_content_is_refused),
        TEST(what_is_no_piece_is_refused),
        TEST(many_at_once_stay_bounded),
        TEST(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
