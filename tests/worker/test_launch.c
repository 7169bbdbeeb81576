#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/launch.h"

static const df_allocation job = { .job = "42", .node = "n1", .n_nodes = 2 };

static int place_of(const df_launch *l, const char *arg) {
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->argv[i], arg)) return i;
    return -1;
}

/* The launcher's own options end where the program's path stands. */
static bool is_own(const df_launch *l, int at) {
    return at > 0 && at < place_of(l, l->self);
}

static bool has(const df_launch *l, const char *option) {
    return is_own(l, place_of(l, option));
}

static void follows(const df_launch *l, const char *name, const char *value) {
    int at = place_of(l, name);
    assert_true(is_own(l, at));
    assert_string_equal(l->argv[at + 1], value);
}

static void the_program_follows_mpiruns_own_options(void **state) {
    (void)state;
    df_launch l;
    const char *const more[] = { "--mca", "btl", NULL };
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_MPIRUN, .n_ranks = 3, .options = more };
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    assert_int_equal(df_launch_add(&l, "worker", NULL), DF_OK);
    assert_string_equal(l.argv[0], "mpirun");
    int np = place_of(&l, "-np");
    assert_true(np > 0);
    assert_string_equal(l.argv[np + 1], "3");
    assert_string_equal(l.argv[np + 2], "--mca");
    assert_string_equal(l.argv[np + 3], "btl");
    assert_int_equal(l.argv[np + 4][0], '/');
    assert_string_equal(l.argv[np + 5], "worker");
    assert_null(l.argv[np + 6]);
    assert_false(l.clean); /* in an allocation it is mpirun's to look at that */
}

static void a_rank_that_waits_gives_its_core_away(void **state) {
    (void)state;
    df_launch l;
    const df_launch_cfg mpirun = { .by = DF_LAUNCHER_MPIRUN, .n_ranks = 2 };
    const df_launch_cfg srun = { .by = DF_LAUNCHER_SRUN, .n_ranks = 2, .in = job };
    assert_int_equal(df_launch_begin(&l, &mpirun, NULL), DF_OK);
    int at = place_of(&l, "mpi_yield_when_idle");
    assert_true(is_own(&l, at));
    assert_string_equal(l.argv[at - 1], "--mca");
    assert_string_equal(l.argv[at + 1], "1");
    assert_int_equal(df_launch_begin(&l, &srun, NULL), DF_OK);
    assert_string_equal(l.env[0], "OMPI_MCA_mpi_yield_when_idle=1");
}

static void hosts_are_given_up_in_the_stated_time(void **state) {
    (void)state;
    df_launch l;
    df_launch_cfg cfg = { .by = DF_LAUNCHER_MPIRUN, .n_ranks = 4, .hosts = "a:2,b:2", .silence_seconds = 60 };
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    follows(&l, "--host", "a:2,b:2");
    follows(&l, "oob_tcp_keepalive_time", "60");
    follows(&l, "oob_tcp_keepalive_intvl", "6");
    follows(&l, "oob_tcp_keepalive_probes", "10");
    cfg.silence_seconds = 1;
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    follows(&l, "oob_tcp_keepalive_intvl", "1");
    follows(&l, "oob_tcp_keepalive_probes", "1");
    cfg.hosts = NULL;
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    assert_int_equal(place_of(&l, "--host"), -1);
    assert_int_equal(place_of(&l, "oob_tcp_keepalive_time"), -1);
}

static void srun_makes_a_step_of_the_job(void **state) {
    (void)state;
    df_launch l;
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_SRUN, .n_ranks = 3, .hosts = "b:2,a", .threads = 4, .in = job };
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    assert_string_equal(l.argv[0], "srun");
    assert_true(has(&l, "--jobid=42") && has(&l, "--mpi=pmix") && has(&l, "--kill-on-bad-exit=1"));
    follows(&l, "--ntasks", "3");
    assert_true(has(&l, "--distribution=arbitrary"));
    follows(&l, "--nodelist", "b,b,a"); /* rank 0 on the first that was named */
    assert_true(has(&l, "--exact") && has(&l, "--cpus-per-task=4"));
    assert_false(has(&l, "--overlap"));
    assert_true(l.clean && l.cleans_up);
}

/* A task's cores belong to its step: a step of its own can only share them. */
static void a_step_inside_a_step_shares_its_cores(void **state) {
    (void)state;
    df_launch l;
    df_launch_cfg cfg = { .by = DF_LAUNCHER_SRUN, .mpi = "pmi2", .n_ranks = 2, .threads = 4, .here = true, .in = job };
    cfg.in.in_step = true;
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    assert_true(has(&l, "--mpi=pmi2") && has(&l, "--nodes=1") && has(&l, "--overlap") && has(&l, "--overcommit"));
    follows(&l, "--nodelist", "n1");
    assert_false(has(&l, "--exact"));
}

static void srun_needs_an_allocation(void **state) {
    (void)state;
    df_launch l;
    df_err err = { 0 };
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_SRUN, .n_ranks = 2 };
    assert_int_equal(df_launch_begin(&l, &cfg, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "--launcher mpirun"));
}

static void every_rank_needs_a_place(void **state) {
    (void)state;
    static const char *const bad[] = { "a:2,b", "a:0,b:9", ":2,b:2", "a:x", "a:-1,b:9", ",a:4" };
    df_launch_cfg cfg = { .by = DF_LAUNCHER_SRUN, .n_ranks = 4, .in = job };
    df_launch l;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cfg.hosts = bad[i];
        assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_EINVAL);
    }
    cfg.hosts = "a:3,b:3,c:3"; /* too many are none the worse */
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_OK);
    follows(&l, "--nodelist", "a,a,a,b");
    char names[DF_LAUNCH_PLACES_BYTES + 2];
    memset(names, 'x', sizeof names - 1);
    names[sizeof names - 1] = '\0';
    cfg.hosts = names;
    assert_int_equal(df_launch_begin(&l, &cfg, NULL), DF_ELIMIT);
}

static void too_many_arguments_are_refused(void **state) {
    (void)state;
    df_launch l;
    df_err err = { 0 };
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_MPIRUN, .n_ranks = 2 };
    df_code rc = df_launch_begin(&l, &cfg, &err);
    for (int i = 0; i < DF_LAUNCH_MAX_ARGS && !rc; i++) rc = df_launch_add(&l, "x", &err);
    assert_int_equal(rc, DF_ELIMIT);
    assert_int_equal(l.n, DF_LAUNCH_MAX_ARGS - 1);
    assert_null(l.argv[l.n]);
    assert_non_null(strstr(err.text, "255 arguments"));
}

static void launchers_have_names(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) assert_int_equal(df_launcher_of(df_launcher_name((df_launcher)i)), i);
    assert_int_equal(df_launcher_of("ssh"), -1);
}

/* environment of Slurm -> allocation */
static void the_environment_says_where_we_are(void **state) {
    (void)state;
    unsetenv("SLURM_JOB_ID");
    setenv("SLURMD_NODENAME", "n7", 1);
    setenv("SLURM_JOB_NUM_NODES", "3", 1);
    df_allocation a = df_allocation_here();
    assert_true(!*a.job && !*a.node && !a.n_nodes && !a.in_step);
    setenv("SLURM_JOB_ID", "17", 1);
    setenv("SLURM_STEP_ID", "4294967291", 1); /* the batch script's */
    a = df_allocation_here();
    assert_string_equal(a.job, "17");
    assert_string_equal(a.node, "n7");
    assert_int_equal(a.n_nodes, 3);
    assert_false(a.in_step);
    setenv("SLURM_STEP_ID", "0", 1);
    assert_true(df_allocation_here().in_step);
    setenv("SLURM_JOB_ID", "17 --mpi=x", 1);
    assert_string_equal(df_allocation_here().job, "");
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_STEP_ID");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_follows_mpiruns_own_options),
        cmocka_unit_test(a_rank_that_waits_gives_its_core_away),
        cmocka_unit_test(hosts_are_given_up_in_the_stated_time),
        cmocka_unit_test(srun_makes_a_step_of_the_job),
        cmocka_unit_test(a_step_inside_a_step_shares_its_cores),
        cmocka_unit_test(srun_needs_an_allocation),
        cmocka_unit_test(every_rank_needs_a_place),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(launchers_have_names),
        cmocka_unit_test(the_environment_says_where_we_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
