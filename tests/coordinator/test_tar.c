/* Jobs with format tar: what is in a shard, when it appears, and what a crash at any step leaves. The calls that change
 * files are wrapped (see CMakeLists.txt), so that a child of this test can die before each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "tests/coordinator/bench.h"

enum { N_ROWS = 1010, DIED = -SIGKILL }; /* two shards */

#define RETRY DIFFARM__JOB_CONTROL__ACTION__RETRY

/* dying */

static int calls_to_live; /* 0: for ever */
static int pictures_removed;

static void count_down(void) {
    if (calls_to_live && !--calls_to_live) raise(SIGKILL);
}

#define WRAP(type, name, parameters, ...)                                                                              \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        count_down();                                                                                                  \
        return __real_##name(__VA_ARGS__);                                                                             \
    }
WRAP(ssize_t, write, (int fd, const void *data, size_t n), fd, data, n)
WRAP(int, fsync, (int fd), fd)
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), fd, path, mode)
WRAP(int, renameat, (int fd, const char *from, int to_fd, const char *to), fd, from, to_fd, to)
int __real_unlinkat(int fd, const char *path, int flags);
int __wrap_unlinkat(int fd, const char *path, int flags);
int __wrap_unlinkat(int fd, const char *path, int flags) { /* of a thousand pictures the first few stand for all */
    bool is_picture = strlen(path) > 4 && !strcmp(path + strlen(path) - 4, ".png");
    if (!is_picture || pictures_removed++ < 3) count_down();
    return __real_unlinkat(fd, path, flags);
}

/* helpers */

static int open_bench(void **state) {
    bench *b = bench_open_at(bench_memory_dir());
    b->format = "tar";
    *state = b;
    return 0;
}

static int close_bench(void **state) {
    bench_close(*state);
    return 0;
}

/* Does all there is but the rows of `not`; these stay leased. Returns the last lease's token of those. */
static const char *work_off_but(bench *b, uint64_t not_from, uint64_t not_to) {
    const char *token = NULL;
    bench_hello(b, "w1", NULL, NULL);
    for (Diffarm__Lease *lease; (lease = bench_ask(b, "w1", 256, 100));)
        for (size_t i = 0; i < lease->n_rows; i++) {
            uint64_t row = lease->rows[i]->row;
            if (row >= not_from && row < not_to)
                token = lease->token;
            else
                assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, row), 1);
        }
    return token;
}

static void expect_state(bench *b, const char *state, uint64_t n_done, uint64_t n_failed) {
    bench_wait(b, 1000);
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, state);
    assert_int_equal(s->n_done, n_done);
    assert_int_equal(s->n_failed, n_failed);
}

static int in_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The names in OUT, hidden ones too. */
static void expect_entries(const bench *b, const char *expected) {
    char got[1024] = "";
    struct dirent **entries;
    int n = scandir(b->out, &entries, NULL, in_order);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t used = strlen(got);
        if (strcmp(name, ".") && strcmp(name, "..")) snprintf(got + used, sizeof got - used, "%s ", name);
        free(entries[i]);
    }
    free(entries);
    assert_string_equal(got, expected);
}

static void undisturbed_hash(char *hex) {
    static char known[65];
    if (!known[0]) {
        bench *b = bench_open_at(bench_memory_dir());
        b->format = "tar";
        assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
        work_off_but(b, 0, 0);
        expect_state(b, "done", N_ROWS, 0);
        bench_tree_hash(b->out, "runs.jsonl", known);
        bench_close(b);
    }
    memcpy(hex, known, sizeof known);
}

static void expect_undisturbed(const bench *b) {
    char expected[65], got[65];
    undisturbed_hash(expected);
    bench_tree_hash(b->out, "runs.jsonl", got);
    assert_string_equal(got, expected);
}

/* what is in it */

typedef struct member {
    const char *name;
    const void *data;
    size_t bytes;
} member;

static void expect_member(struct archive *a, const member *m) {
    char data[4096];
    struct archive_entry *e;
    assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
    assert_string_equal(archive_entry_pathname(e), m->name);
    assert_int_equal(archive_entry_filetype(e), AE_IFREG);
    assert_int_equal(archive_entry_perm(e), 0644);
    assert_int_equal(archive_entry_uid(e), 0);
    assert_int_equal(archive_entry_gid(e), 0);
    assert_true(!archive_entry_uname(e) || !*archive_entry_uname(e));
    assert_true(!archive_entry_gname(e) || !*archive_entry_gname(e));
    assert_int_equal(archive_entry_mtime(e), 0);
    assert_int_equal(archive_entry_size(e), m->bytes);
    assert_int_equal(archive_read_data(a, data, sizeof data), m->bytes);
    assert_memory_equal(data, m->data, m->bytes);
}

static void expect_members(const bench *b, const char *shard, const member *members, size_t n) {
    char path[4096];
    struct archive_entry *e;
    struct archive *a = archive_read_new();
    snprintf(path, sizeof path, "%s/%s", b->out, shard);
    archive_read_support_format_tar(a);
    assert_int_equal(archive_read_open_filename(a, path, 4096), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) expect_member(a, &members[i]);
    assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_EOF);
    if (n) assert_int_equal(archive_format(a), ARCHIVE_FORMAT_TAR_USTAR);
    archive_read_free(a);
}

static void change_some(Diffarm__Row *row) {
    if (row->row == 2) row->name = (char *)"v1.5/a.b";
    if (row->row == 2) row->prompt = (char *)"\xc3\xa9 \"quoted\"\nsecond line";
}

/* Rows 0 and 2 are done, 1 fails. */
static void three_rows(bench *b) {
    assert_int_equal(bench_submit(b, JOB_1, b->out, 3, change_some), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 3, 1);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 2), 1);
    bench_failed(b, "w1", lease->token, JOB_1, 1, DF_EINVAL);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 1);
    expect_state(b, "done", 2, 1);
}

static void a_shard_holds_its_samples_in_order(void **state) {
    bench *b = *state;
    uint8_t png[2][BENCH_PNG_BYTES];
    three_rows(b);
    expect_entries(b, "failures.jsonl job.json metadata.jsonl runs.jsonl shard-000000.tar shard-000000_stats.json ");
    bench_png(png[0], 0, 64, 64);
    bench_png(png[1], 2, 64, 64);
    char *lines = bench_read(b->out, "metadata.jsonl"), *second = strchr(lines, '\n') + 1;
    const char *text = "\xc3\xa9 \"quoted\"\nsecond line";
    const member members[] = {
        { "00000000.png", png[0], BENCH_PNG_BYTES }, { "00000000.json", lines, (size_t)(second - lines) },
        { "00000000.txt", "prompt 0", 8 },           { "00000002.png", png[1], BENCH_PNG_BYTES },
        { "00000002.json", second, strlen(second) }, { "00000002.txt", text, strlen(text) },
    };
    expect_members(b, "shard-000000.tar", members, 6);
    assert_null(memmem(lines, (size_t)(second - lines), "\"name\"", 6));
    assert_memory_equal(lines, "{\"file_name\":\"shard-000000.tar/00000000.png\",\"row\":0,", 53);
    assert_memory_equal(second, "{\"file_name\":\"shard-000000.tar/00000002.png\",\"row\":2,", 53);
    assert_non_null(strstr(second, "\",\"name\":\"v1.5/a.b\"}\n")); /* last, where the contract has no field */
    free(lines);
    char *job = bench_read(b->out, "job.json");
    assert_non_null(strstr(job, "\"format\":\"tar\""));
    free(job);
}

/* Other bytes here mean that shards of an older version cannot be held against new ones: say so in CHANGELOG.md. */
static void the_bytes_of_a_shard_are_fixed(void **state) {
    bench *b = *state;
    char path[4096], sha256[DF_SHA256_HEX_BYTES];
    df_err err;
    three_rows(b);
    snprintf(path, sizeof path, "%s/shard-000000.tar", b->out);
    assert_int_equal(df_sha256_file(path, sha256, &err), DF_OK);
    assert_string_equal(sha256, "7c532f38d8f90476fbce8379f1a6aebb43d75480d69a5ed2b638670eff172f67");
    char *stats = bench_read(b->out, "shard-000000_stats.json");
    assert_string_equal(stats,
                        "{\"shard\":\"shard-000000.tar\",\"first_row\":0,\"n_rows\":3,\"n_done\":2,"
                        "\"n_failed\":1,\"bytes\":7168,\"sha256\":"
                        "\"7c532f38d8f90476fbce8379f1a6aebb43d75480d69a5ed2b638670eff172f67\","
                        "\"metadata_sha256\":\"59e5afd2658b980dfbc47862285f60b1122085f3d302513d8b953d69af9b44c4\"}\n");
    free(stats);
}

static void a_shard_of_failures_is_an_empty_archive(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    bench_failed(b, "w1", lease->token, JOB_1, 0, DF_EINVAL);
    bench_failed(b, "w1", lease->token, JOB_1, 1, DF_EINVAL);
    expect_state(b, "done", 0, 2);
    expect_members(b, "shard-000000.tar", NULL, 0);
}

/* when it appears */

static void a_shard_appears_when_its_last_row_is_finished(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    const char *token = work_off_but(b, 999, 1002);
    expect_state(b, "running", N_ROWS - 3, 0);
    expect_entries(b, ".diffarm ");
    assert_true(bench_exists(b->out, ".diffarm/shard-000000/00000998.png"));
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 999), 1);
    expect_state(b, "running", N_ROWS - 2, 0);
    expect_entries(b, ".diffarm shard-000000.tar shard-000000_stats.json ");
    assert_false(bench_exists(b->out, ".diffarm/shard-000000"));
    assert_true(bench_exists(b->out, ".diffarm/shard-000001/00001002.png"));
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 1000), 1);
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 1001), 1);
    expect_state(b, "done", N_ROWS, 0);
    expect_entries(b, "failures.jsonl job.json metadata.jsonl runs.jsonl shard-000000.tar shard-000000_stats.json "
                      "shard-000001.tar shard-000001_stats.json ");
    expect_undisturbed(b);
}

static ino_t inode_of(const bench *b, const char *name) {
    struct stat is;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", b->out, name);
    assert_int_equal(stat(path, &is), 0);
    return is.st_ino;
}

static void a_restart_leaves_finished_shards_alone(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    work_off_but(b, 1005, N_ROWS);
    bench_wait(b, 1000);
    ino_t tar = inode_of(b, "shard-000000.tar"), stats = inode_of(b, "shard-000000_stats.json");
    bench_restart(b);
    bench_wait(b, b->cfg.lease_timeout_ms + 500);
    work_off_but(b, 0, 0);
    expect_state(b, "done", N_ROWS, 0);
    assert_int_equal(inode_of(b, "shard-000000.tar"), tar);
    assert_int_equal(inode_of(b, "shard-000000_stats.json"), stats);
    expect_undisturbed(b);
}

/* Three MiB each: more than one slice. */
static void a_large_shard_is_packed_over_several_turns(void **state) {
    enum { N = 4, BYTES = 3 << 20 };
    bench *b = *state;
    static uint8_t pngs[N][BYTES];
    assert_int_equal(bench_submit(b, JOB_1, b->out, N, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", N, 1);
    for (uint64_t row = 0; row < N; row++) {
        bench_large_png(pngs[row], BYTES, row, 64, 64);
        assert_int_equal(bench_result_of(b, "w1", lease->token, JOB_1, row, pngs[row], BYTES), 1);
    }
    assert_int_equal(df_farm_wait_ms(b->farm), 0);
    assert_false(bench_exists(b->out, "shard-000000.tar"));
    df_farm_turn(b->farm, b->now_ms);
    assert_true(bench_exists(b->out, "shard-000000_stats.json"));
    expect_state(b, "done", N, 0);
}

/* what goes wrong */

static void pictures_that_are_gone_are_rendered_again(void **state) {
    bench *b = *state;
    char path[4096];
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    const char *token = work_off_but(b, 999, 1000);
    snprintf(path, sizeof path, "%s/.diffarm/shard-000000/00000005.png", b->out);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/.diffarm/shard-000000/00000700.png", b->out);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 999), 1);
    expect_state(b, "running", N_ROWS - 2, 0);
    expect_entries(b, ".diffarm ");
    Diffarm__Message *m = bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_LEASE); /* its question was still open */
    assert_int_equal(m->lease->n_rows, 2);
    assert_int_equal(bench_result(b, "w1", m->lease->token, JOB_1, 5), 1);
    assert_int_equal(bench_result(b, "w1", m->lease->token, JOB_1, 700), 1);
    expect_state(b, "done", N_ROWS, 0);
    expect_undisturbed(b);
}

static void cancel_keeps_finished_shards_only(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    work_off_but(b, 1005, N_ROWS);
    bench_wait(b, 1000);
    assert_int_equal(bench_cancel(b, JOB_1), DF_OK);
    expect_state(b, "cancelled", 1005, 0);
    expect_entries(b, "shard-000000.tar shard-000000_stats.json ");
}

/* retry */

/* All rows but those of `failing`, whose lease is failed for good: the job is done with failures. */
static void done_but_for(bench *b, uint64_t from, uint64_t to) {
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    const char *token = work_off_but(b, from, to);
    for (uint64_t row = from; row < to; row++) bench_failed(b, "w1", token, JOB_1, row, DF_EINVAL);
    expect_state(b, "done", N_ROWS - (to - from), to - from);
}

static void ask_for_a_retry(bench *b) {
    assert_int_equal(bench_control(b, JOB_1, RETRY), DF_OK);
    bench_wait(b, 1000);
    bench_forget(b); /* the worker's last question was still open: what that has brought is given back */
}

static void retried_rows_come_into_their_shard(void **state) {
    bench *b = *state;
    done_but_for(b, 500, 503);
    ino_t retried = inode_of(b, "shard-000000.tar"), other = inode_of(b, "shard-000001.tar");
    ask_for_a_retry(b);
    expect_state(b, "running", N_ROWS - 3, 0);
    assert_true(bench_exists(b->out, "shard-000000_stats.json")); /* whole until the new one comes */
    work_off_but(b, 0, 0);
    expect_state(b, "done", N_ROWS, 0);
    expect_undisturbed(b);
    assert_int_not_equal(inode_of(b, "shard-000000.tar"), retried);
    assert_int_equal(inode_of(b, "shard-000001.tar"), other);
}

static void a_retry_that_fails_again_changes_no_shard(void **state) {
    bench *b = *state;
    char before[65], after[65];
    done_but_for(b, 1004, 1005);
    bench_tree_hash(b->out, "runs.jsonl", before);
    ino_t first = inode_of(b, "shard-000000.tar"), second = inode_of(b, "shard-000001.tar");
    ask_for_a_retry(b);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 100);
    bench_failed(b, "w1", lease->token, JOB_1, 1004, DF_EINVAL);
    expect_state(b, "done", N_ROWS - 1, 1);
    bench_tree_hash(b->out, "runs.jsonl", after);
    assert_string_equal(after, before);
    assert_int_equal(inode_of(b, "shard-000000.tar"), first);
    assert_int_equal(inode_of(b, "shard-000001.tar"), second);
}

/* Of a cut archive the samples before the cut are taken, those behind it are rendered again. */
static void a_damaged_shard_is_made_anew_by_a_retry(void **state) {
    bench *b = *state;
    char path[4096];
    struct stat is;
    done_but_for(b, 500, 503);
    snprintf(path, sizeof path, "%s/shard-000000.tar", b->out);
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(truncate(path, is.st_size / 3 * 2), 0);
    ask_for_a_retry(b);
    work_off_but(b, 0, 0);
    expect_state(b, "done", N_ROWS, 0);
    expect_undisturbed(b);
}

/* In a child: finishes what is left of the job, and dies before its n-th call that changes a file. */
static int die_at(bench *b, int n) {
    int status;
    pid_t pid = fork();
    if (!pid) {
        calls_to_live = n;
        pictures_removed = 0;
        bench_restart(b);
        bench_wait(b, b->cfg.lease_timeout_ms + 500); /* leases of the one that died before */
        work_off_but(b, 0, 0);
        bench_wait(b, 1000);
        calls_to_live = 0;
        _exit(strcmp(bench_status(b, JOB_1)->state, "done") ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* How many of the points that cannot be undone are behind it. */
static int milestones(const bench *b) {
    return bench_exists(b->out, "shard-000000_stats.json") + !bench_exists(b->out, ".diffarm/shard-000000") +
           bench_exists(b->out, "shard-000001_stats.json") + !bench_exists(b->out, ".diffarm/shard-000001") +
           bench_exists(b->out, "job.json");
}

static void expect_sound(const bench *b) {
    if (bench_exists(b->out, "shard-000000_stats.json"))
        assert_true(bench_exists(b->out, "shard-000000.tar"));
    else
        assert_true(bench_exists(b->out, ".diffarm/shard-000000/00000500.png"));
    if (bench_exists(b->out, "job.json")) assert_true(bench_exists(b->out, "shard-000001_stats.json"));
}

/* Each start gets one call further than the one before; at a milestone the count begins anew. So there is a death
 * between any two steps: of both shards, of the lists, of the tidying. */
static void a_crash_before_any_step_loses_nothing(void **state) {
    bench *b = *state;
    int deaths = 0, behind = 0, end = DIED;
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    work_off_but(b, 0, 1);
    df_farm_close(&b->farm);
    for (int n = 1; n < 1000 && (end = die_at(b, n)) == DIED; deaths++) {
        expect_sound(b);
        n = milestones(b) > behind ? 1 : n + 1;
        behind = milestones(b);
    }
    assert_int_equal(end, 0);
    assert_true(deaths > 30);
    expect_entries(b, "failures.jsonl job.json metadata.jsonl runs.jsonl shard-000000.tar shard-000000_stats.json "
                      "shard-000001.tar shard-000001_stats.json ");
    expect_undisturbed(b);
}

/* In a child: asks for a retry until it is answered and sees it through, but dies before its n-th call that changes a
 * file. 0: never. */
static int retry_and_die_at(bench *b, int n) {
    int status;
    pid_t pid = fork();
    if (!pid) {
        calls_to_live = n;
        pictures_removed = 0;
        bench_restart(b);
        bench_wait(b, b->cfg.lease_timeout_ms + 500);
        assert_int_equal(bench_control(b, JOB_1, RETRY), DF_OK);
        work_off_but(b, 0, 0);
        bench_wait(b, 1000);
        calls_to_live = 0;
        _exit(strcmp(bench_status(b, JOB_1)->state, "done") || bench_status(b, JOB_1)->n_failed);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* A reader that finds the mark of a shard finds the archive that the mark speaks of. */
static void expect_marks_to_be_true(const bench *b) {
    for (int i = 0; i < 2; i++) {
        char name[64], path[4096], sha256[DF_SHA256_HEX_BYTES];
        df_err err;
        snprintf(name, sizeof name, "shard-00000%d_stats.json", i);
        if (!bench_exists(b->out, name)) continue;
        char *stats = bench_read(b->out, name);
        snprintf(path, sizeof path, "%s/shard-00000%d.tar", b->out, i);
        assert_int_equal(df_sha256_file(path, sha256, &err), DF_OK);
        assert_non_null(strstr(stats, sha256));
        free(stats);
    }
}

/* Every death is of its own: what it left is then seen through, and all begins again from the job with failures. */
static void a_crash_before_any_step_of_a_retry_loses_nothing(void **state) {
    bench *b = *state;
    char saved[4200], command[3 * 4200 + 64];
    int n = 1, unmarked = 0;
    done_but_for(b, 500, 502);
    df_farm_close(&b->farm);
    snprintf(saved, sizeof saved, "%s.saved", b->dir);
    snprintf(command, sizeof command, "cp -a '%s' '%s'", b->dir, saved);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", b->dir, saved, b->dir);
    for (; retry_and_die_at(b, n) == DIED; n++) {
        expect_marks_to_be_true(b);
        unmarked += !bench_exists(b->out, "shard-000000_stats.json");
        assert_int_equal(retry_and_die_at(b, 0), 0);
        expect_undisturbed(b);
        assert_int_equal(system(command), 0);
    }
    assert_true(n > 60);
    assert_true(unmarked >= 4); /* deaths between the old mark and the new one */
    expect_undisturbed(b);
    assert_int_equal(df_file_remove_tree(saved, NULL), DF_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_shard_holds_its_samples_in_order),
        TEST(the_bytes_of_a_shard_are_fixed),
        TEST(a_shard_of_failures_is_an_empty_archive),
        TEST(a_shard_appears_when_its_last_row_is_finished),
        TEST(a_restart_leaves_finished_shards_alone),
        TEST(a_large_shard_is_packed_over_several_turns),
        TEST(pictures_that_are_gone_are_rendered_again),
        TEST(cancel_keeps_finished_shards_only),
        TEST(a_crash_before_any_step_loses_nothing),
        TEST(retried_rows_come_into_their_shard),
        TEST(a_retry_that_fails_again_changes_no_shard),
        TEST(a_damaged_shard_is_made_anew_by_a_retry),
        TEST(a_crash_before_any_step_of_a_retry_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
