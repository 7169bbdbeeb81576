/* A disk that fills up, under OUT and under the state folder, and is emptied again. Needs to mount a small tmpfs in a
 * mount namespace of its own, so it runs as root only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/coordinator/bench.h"

static bool may_mount;

static void need_mount(void) {
    if (may_mount) return;
    print_message("NOT TESTED: a full disk (needs root and mount namespaces)\n");
    skip();
}

static void mount_small(const char *dir, const char *size) {
    char options[64];
    df_err err;
    snprintf(options, sizeof options, "size=%s", size);
    assert_int_equal(df_file_mkdirs(dir, &err), DF_OK);
    assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, options), 0);
}

/* Leaves not a single page free. */
static void fill(const char *dir) {
    char path[4096], page[4096];
    memset(page, 'x', sizeof page);
    snprintf(path, sizeof path, "%s/.ballast", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    assert_true(fd >= 0);
    while (write(fd, page, sizeof page) > 0) {}
    close(fd);
}

static void empty(const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/.ballast", dir);
    assert_int_equal(unlink(path), 0);
}

static int open_bench(void **state) {
    *state = bench_open();
    return 0;
}

static int close_bench(void **state) {
    bench *b = *state;
    umount2(b->out, MNT_DETACH);
    bench_close(b);
    return 0;
}

static void a_full_out_stalls_the_job_until_there_is_space(void **state) {
    bench *b = *state;
    need_mount();
    mount_small(b->out, "256k");
    assert_int_equal(bench_submit(b, JOB_1, b->out, 8, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 8, 1);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 1);
    fill(b->out);
    for (uint64_t row = 1; row < 8; row++) assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, row), -1);
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "stalled");
    assert_non_null(strstr(s->problem, "No space left on device"));
    assert_non_null(strstr(s->problem, b->out));
    assert_int_equal(s->n_done, 1);
    bench_wait(b, 5000);
    assert_string_equal(bench_status(b, JOB_1)->state, "stalled");
    empty(b->out);
    bench_wait(b, b->cfg.stall_retry_ms + 500);
    s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "done");
    assert_int_equal(s->n_done, 8);
    assert_int_equal(bench_count(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK), 7);
}

static void a_disk_full_at_the_lists_is_waited_for(void **state) {
    bench *b = *state;
    need_mount();
    mount_small(b->out, "256k");
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 1);
    lease = bench_ask(b, "w1", 1, 1);
    fill(b->out);
    assert_int_equal(bench_failed(b, "w1", lease->token, JOB_1, 1, DF_EINVAL), 0); /* the last row needs no space */
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "stalled");
    assert_false(bench_exists(b->out, "job.json"));
    empty(b->out);
    bench_wait(b, b->cfg.stall_retry_ms + 500);
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
    assert_true(bench_exists(b->out, "job.json"));
}

static void a_disk_full_at_a_shard_is_waited_for(void **state) {
    bench *b = *state;
    need_mount();
    mount_small(b->out, "256k");
    b->format = "tar";
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 1);
    fill(b->out);
    assert_int_equal(bench_failed(b, "w1", lease->token, JOB_1, 1, DF_EINVAL), 0);
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "stalled");
    assert_non_null(strstr(s->problem, "shard-000000.tar: "));
    assert_non_null(strstr(s->problem, "No space left on device"));
    assert_false(bench_exists(b->out, ".diffarm/shard-000000.tar")); /* half of one would take space for nothing */
    bench_wait(b, 2 * b->cfg.stall_retry_ms + 500);
    assert_string_equal(bench_status(b, JOB_1)->state, "stalled");
    empty(b->out);
    bench_wait(b, b->cfg.stall_retry_ms + 500);
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
    assert_true(bench_exists(b->out, "shard-000000_stats.json"));
    assert_false(bench_exists(b->out, ".diffarm"));
}

static void a_full_state_folder_answers_errors_and_goes_on(void **state) {
    bench *b = *state;
    need_mount();
    char small[256];
    snprintf(small, sizeof small, "%s/small", b->dir);
    mount_small(small, "2m");
    b->cfg.state_dir = small;
    bench_restart(b);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 8, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 8, 1);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 1);
    fill(small);
    char other[256];
    snprintf(other, sizeof other, "%s.2", b->out);
    df_code rc = DF_OK;
    for (int i = 0; i < 2000 && !rc; i++) { /* what SQLite has in reserve is used up first */
        char job_id[17];
        snprintf(job_id, sizeof job_id, "%016x", 0x1000 + i);
        rc = bench_begin(b, job_id, other);
    }
    assert_int_equal(rc, DF_ENOSPACE);
    for (uint64_t row = 1; row < 8; row++) bench_result(b, "w1", lease->token, JOB_1, row);
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_true(s->n_done < 8);
    assert_non_null(strstr(s->problem, "full"));
    empty(small);
    bench_wait(b, 3000);
    s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "done");
    assert_int_equal(s->n_done, 8);
    df_farm_close(&b->farm); /* before its disk goes */
    b->cfg.state_dir = b->state;
    bench_restart(b);
    umount2(small, MNT_DETACH);
}

int main(void) {
    may_mount = !geteuid() && !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        TEST(a_full_out_stalls_the_job_until_there_is_space),
        TEST(a_disk_full_at_the_lists_is_waited_for),
        TEST(a_disk_full_at_a_shard_is_waited_for),
        TEST(a_full_state_folder_answers_errors_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
