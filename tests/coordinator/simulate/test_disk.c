/* The simulated disk: what survives a power cut, and what fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "coordinator/simulate/disk.h"

static df_sim_random chance;

static int mount(void **state) {
    chance = df_sim_random_from(1);
    *state = df_sim_disk_new(&chance);
    df_sim_disk_mount(*state);
    df_disk_use(df_sim_disk_calls());
    return 0;
}

static int unmount(void **state) {
    df_disk_use(NULL);
    df_sim_disk_free((df_sim_disk **)state);
    return 0;
}

static void sync_root(void) {
    int fd = df_disk_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);
    assert_int_equal(df_disk_fsync(fd), 0);
    df_disk_close(fd);
}

static int write_file(const char *path, const char *text) {
    int fd = df_disk_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(df_disk_write_all(fd, text, strlen(text)), 0);
    return fd;
}

static bool holds(const df_sim_disk *d, const char *path, const char *text) {
    size_t n;
    const void *at = df_sim_disk_look(d, path, false, &n);
    return at && n == strlen(text) && !memcmp(at, text, n);
}

/* Only a file that is synced, under a name that is synced, is sure. */
static void synced_files_survive(void **state) {
    df_sim_disk *d = *state;
    int lost = 0;
    df_disk_close(write_file("/a", "old"));
    int fd = df_disk_openat(AT_FDCWD, "/a", O_RDONLY, 0);
    df_disk_fsync(fd);
    df_disk_close(fd);
    sync_root();
    for (int i = 0; i < 50; i++) {
        df_disk_close(write_file("/b", "never synced"));
        df_sim_disk_cut(d);
        assert_true(holds(d, "/a", "old"));
        lost += !holds(d, "/b", "never synced");
        df_disk_unlinkat(AT_FDCWD, "/b", 0);
        sync_root();
    }
    assert_in_range(lost, 10, 49);
}

static void failed_sync_drops_what_it_was_to_write(void **state) {
    df_sim_disk *d = *state;
    int fd = write_file("/a", "gone");
    sync_root();
    d->n_errors = 1;
    assert_int_equal(df_disk_fsync(fd), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(df_disk_fsync(fd), 0);
    df_disk_close(fd);
    assert_true(holds(d, "/a", "gone"));
    df_sim_disk_cut(d);
    assert_false(holds(d, "/a", "gone"));
}

static void full_disk_takes_what_fits(void **state) {
    df_sim_disk *d = *state;
    int fd = write_file("/a", "");
    d->is_full = true;
    d->room = 3;
    assert_int_equal(df_disk_write(fd, "12345", 5), 3);
    assert_int_equal(df_disk_write(fd, "45", 2), -1);
    assert_int_equal(errno, ENOSPC);
    df_disk_close(fd);
}

static void stopped_machine_changes_nothing(void **state) {
    df_sim_disk *d = *state;
    df_disk_close(write_file("/a", "1"));
    d->ops_to_live = 1;
    assert_int_equal(df_disk_unlinkat(AT_FDCWD, "/a", 0), -1);
    assert_true(d->stopped && holds(d, "/a", "1"));
    df_sim_disk_revive(d);
    assert_int_equal(df_disk_unlinkat(AT_FDCWD, "/a", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(synced_files_survive, mount, unmount),
        cmocka_unit_test_setup_teardown(failed_sync_drops_what_it_was_to_write, mount, unmount),
        cmocka_unit_test_setup_teardown(full_disk_takes_what_fits, mount, unmount),
        cmocka_unit_test_setup_teardown(stopped_machine_changes_nothing, mount, unmount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
