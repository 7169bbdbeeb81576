#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/mpirun.h"

static int place_of(const df_mpirun *m, const char *arg) {
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->argv[i], arg)) return i;
    return -1;
}

static void the_program_follows_mpiruns_own_options(void **state) {
    (void)state;
    df_mpirun m;
    assert_int_equal(df_mpirun_begin(&m, 3, NULL, NULL), DF_OK);
    assert_int_equal(df_mpirun_add(&m, "worker", NULL), DF_OK);
    assert_string_equal(m.argv[0], "mpirun");
    int np = place_of(&m, "-np");
    assert_true(np > 0);
    assert_string_equal(m.argv[np + 1], "3");
    assert_int_equal(m.argv[np + 2][0], '/');
    assert_string_equal(m.argv[np + 3], "worker");
    assert_null(m.argv[np + 4]);
}

static void a_rank_that_waits_gives_its_core_away(void **state) {
    (void)state;
    df_mpirun m;
    assert_int_equal(df_mpirun_begin(&m, 2, NULL, NULL), DF_OK);
    int at = place_of(&m, "mpi_yield_when_idle");
    assert_true(at > 0 && at < place_of(&m, "-np"));
    assert_string_equal(m.argv[at - 1], "--mca");
    assert_string_equal(m.argv[at + 1], "1");
}

static void follows(const df_mpirun *m, const char *name, const char *value) {
    int at = place_of(m, name);
    assert_true(at > 0 && at < place_of(m, "-np"));
    assert_string_equal(m->argv[at + 1], value);
}

static void hosts_are_given_up_in_the_stated_time(void **state) {
    (void)state;
    df_mpirun m;
    const df_mpirun_hosts hosts = { .list = "a:2,b:2", .silence_seconds = 60 }, impatient = { "a,b", 1 };
    assert_int_equal(df_mpirun_begin(&m, 4, &hosts, NULL), DF_OK);
    follows(&m, "--host", "a:2,b:2");
    follows(&m, "oob_tcp_keepalive_time", "60");
    follows(&m, "oob_tcp_keepalive_intvl", "6");
    follows(&m, "oob_tcp_keepalive_probes", "10");
    assert_int_equal(df_mpirun_begin(&m, 2, &impatient, NULL), DF_OK);
    follows(&m, "oob_tcp_keepalive_intvl", "1");
    follows(&m, "oob_tcp_keepalive_probes", "1");
    assert_int_equal(df_mpirun_begin(&m, 2, NULL, NULL), DF_OK);
    assert_int_equal(place_of(&m, "--host"), -1);
}

static void too_many_arguments_are_refused(void **state) {
    (void)state;
    df_mpirun m;
    df_err err = { 0 };
    df_code rc = df_mpirun_begin(&m, 2, NULL, &err);
    for (int i = 0; i < DF_MPIRUN_MAX_ARGS && !rc; i++) rc = df_mpirun_add(&m, "x", &err);
    assert_int_equal(rc, DF_ELIMIT);
    assert_int_equal(m.n, DF_MPIRUN_MAX_ARGS - 1);
    assert_null(m.argv[m.n]);
    assert_non_null(strstr(err.text, "255 arguments"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_follows_mpiruns_own_options),
        cmocka_unit_test(a_rank_that_waits_gives_its_core_away),
        cmocka_unit_test(hosts_are_given_up_in_the_stated_time),
        cmocka_unit_test(too_many_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
