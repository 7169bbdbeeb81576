#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "worker/keeper.h"

static char dir[64], log_path[96];

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/diffarm-test-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    return df_file_remove_tree(dir, NULL) ? -1 : 0;
}

static df_keeper keep(const char **argv, const char *script) {
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    argv[3] = NULL;
    unlink(log_path);
    return (df_keeper) { .child = { .argv = argv, .log_path = log_path, .death_signal = SIGKILL }, .name = "child" };
}

static void poll_until(df_keeper *k, df_keeper_state state) {
    int64_t until = df_clock_ms() + 8000;
    while (k->state != state && df_clock_ms() < until) {
        df_keeper_poll(k);
        df_clock_sleep_ms(5);
    }
    assert_int_equal(k->state, state);
}

static char *log_text(void) {
    static char text[4096];
    FILE *f = fopen(log_path, "r");
    text[f ? fread(text, 1, sizeof text - 1, f) : 0] = '\0';
    if (f) fclose(f);
    return text;
}

static void knows_how_it_ended(void **state) {
    static const struct {
        const char *script;
        df_keeper_state state;
    } cases[] = { { "exit 0", DF_KEEPER_ENDED },
                  { "exit 2", DF_KEEPER_REFUSED },
                  { "exit 3", DF_KEEPER_REFUSED },
                  { "exit 1", DF_KEEPER_WAITING },
                  { "kill -9 $$", DF_KEEPER_WAITING } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[4];
        df_keeper k = keep(argv, cases[i].script);
        assert_int_equal(df_keeper_start(&k, NULL), DF_OK);
        poll_until(&k, cases[i].state);
        df_keeper_stop(&k, SIGTERM, 100);
    }
}

static void starts_it_again(void **state) {
    const char *argv[4];
    (void)state;
    df_keeper k = keep(argv, "echo started; [ $(wc -l <$LOG) -ge 3 ] || exit 1");
    char env[128];
    snprintf(env, sizeof env, "LOG=%s", log_path);
    const char *const more[] = { env, NULL };
    k.child.env = more;
    assert_int_equal(df_keeper_start(&k, NULL), DF_OK);
    poll_until(&k, DF_KEEPER_ENDED);
    assert_string_equal(log_text(), "started\nstarted\nstarted\n");
}

static void gives_up(void **state) {
    const char *argv[4];
    (void)state;
    df_keeper k = keep(argv, "echo no; exit 1");
    k.max_quick_failures = 2;
    assert_int_equal(df_keeper_start(&k, NULL), DF_OK);
    poll_until(&k, DF_KEEPER_BROKEN);
    assert_string_equal(log_text(), "no\nno\n");
}

static void says_what_cannot_be_run(void **state) {
    const char *argv[] = { "/nowhere/program", NULL };
    df_keeper k = { .child = { .argv = argv, .death_signal = SIGKILL }, .name = "child" };
    df_err err;
    (void)state;
    assert_int_equal(df_keeper_start(&k, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/program"));
    assert_int_equal(k.state, DF_KEEPER_BROKEN);
}

static void stops_the_deaf(void **state) {
    const char *argv[4];
    (void)state;
    df_keeper k = keep(argv, "trap '' TERM; while :; do sleep 0.05; done");
    assert_int_equal(df_keeper_start(&k, NULL), DF_OK);
    pid_t pid = k.pid;
    df_clock_sleep_ms(100);
    df_keeper_stop(&k, SIGTERM, 200);
    assert_int_equal(kill(pid, 0), -1);
}

static void replaces_one_that_hangs(void **state) {
    const char *argv[4];
    (void)state;
    df_keeper k = keep(argv, "echo started; [ $(wc -l <$LOG) -ge 2 ] || kill -STOP $$");
    char env[128];
    snprintf(env, sizeof env, "LOG=%s", log_path);
    const char *const more[] = { env, NULL };
    k.child.env = more;
    assert_int_equal(df_keeper_start(&k, NULL), DF_OK);
    for (int i = 0; i < 800 && !*log_text(); i++) df_clock_sleep_ms(10);
    pid_t pid = k.pid;
    df_keeper_replace(&k, SIGTERM, 100);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(k.state, DF_KEEPER_WAITING);
    poll_until(&k, DF_KEEPER_ENDED);
    assert_string_equal(log_text(), "started\nstarted\n");
}

static void cleans_the_environment(void **state) {
    const char *argv[4];
    (void)state;
    setenv("SLURM_PROCID", "0", 1);
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    setenv("PLAIN", "kept", 1);
    df_keeper k = keep(argv, "echo \"$SLURM_PROCID$OMPI_COMM_WORLD_RANK$PLAIN\"");
    k.child.clean_launch = true;
    assert_int_equal(df_keeper_start(&k, NULL), DF_OK);
    poll_until(&k, DF_KEEPER_ENDED);
    assert_string_equal(log_text(), "kept\n");
    unsetenv("SLURM_PROCID");
    unsetenv("OMPI_COMM_WORLD_RANK");
}

/* When the parent is killed, the child goes too. */
static void dies_with_its_parent(void **state) {
    int tell[2];
    pid_t child = 0;
    (void)state;
    assert_int_equal(pipe(tell), 0);
    pid_t parent = fork();
    if (!parent) {
        const char *argv[4];
        df_keeper k = keep(argv, "sleep 60");
        df_keeper_start(&k, NULL);
        if (write(tell[1], &k.pid, sizeof k.pid) < 0) _exit(1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(tell[0], &child, sizeof child), sizeof child);
    assert_true(child > 0 && !kill(child, 0));
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    close(tell[0]);
    close(tell[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_how_it_ended),
        cmocka_unit_test(starts_it_again),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(says_what_cannot_be_run),
        cmocka_unit_test(stops_the_deaf),
        cmocka_unit_test(replaces_one_that_hangs),
        cmocka_unit_test(cleans_the_environment),
        cmocka_unit_test(dies_with_its_parent),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
