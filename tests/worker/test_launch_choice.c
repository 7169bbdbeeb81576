/* The choice between launchers, with stand-ins for srun and mpirun: what each site's would say, on a machine without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/launch_choice.h"

static char folder[] = "/tmp/diffarm-launch-XXXXXX", before[4096];
static const char *const probe[] = { "doctor", "--probe=ranks", NULL };
static const df_allocation two_nodes = { .job = "42", .node = "n1", .n_nodes = 2 };

static void put_program(const char *name, const char *text) {
    char file[128];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(file, 0700), 0);
}

/* list: what --mpi=list prints; each kind does what stands in `kinds`, a case of sh. */
static void put_srun(const char *list, const char *kinds) {
    char text[1000];
    snprintf(text, sizeof text, "case \"$*\" in --mpi=list) echo 'types are... %s' >&2 ;;\n%s\nesac", list, kinds);
    put_program("srun", text);
}

static int set_up(void **state) {
    (void)state;
    snprintf(before, sizeof before, "%s", getenv("PATH"));
    if (!mkdtemp(folder)) return -1;
    return setenv("PATH", folder, 1); /* no launchers but ours */
}

static void forget(const char *name) {
    char file[128];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    unlink(file);
}

static int tear_down(void **state) {
    (void)state;
    forget("srun");
    forget("mpirun");
    rmdir(folder);
    return setenv("PATH", before, 1);
}

static df_launcher chosen(df_launch_cfg cfg, df_launch_choice *why) {
    df_err err;
    cfg.n_ranks = 4;
    assert_int_equal(df_launch_choose(&cfg, why, probe, 20, &err), DF_OK);
    if (cfg.by == DF_LAUNCHER_SRUN) assert_string_equal(cfg.mpi, why->mpi);
    return cfg.by;
}

static void mpirun_where_slurm_is_not_needed(void **state) {
    (void)state;
    df_launch_choice why;
    put_program("mpirun", "exit 0");
    put_srun("pmix", "*--mpi=pmix*) echo ranks 2 ;;");
    assert_int_equal(chosen((df_launch_cfg) { .hosts = "a:2,b:2" }, &why), DF_LAUNCHER_MPIRUN);
    assert_non_null(strstr(why.why, "not in an allocation"));
    assert_int_equal(chosen((df_launch_cfg) { .here = true, .in = two_nodes }, &why), DF_LAUNCHER_MPIRUN);
    assert_non_null(strstr(why.why, "on this node"));
    assert_int_equal(chosen((df_launch_cfg) { .hosts = "a:4", .in = two_nodes }, &why), DF_LAUNCHER_MPIRUN);
}

static void srun_for_several_nodes_if_it_works(void **state) {
    (void)state;
    df_launch_choice why;
    put_program("mpirun", "exit 0");
    put_srun("pmix none pmi2", "*--mpi=pmix*'--ntasks 2'*'--nodelist a,b'*) echo 'ranks 2, a hop' ;;");
    assert_int_equal(chosen((df_launch_cfg) { .hosts = "a:2,b:2", .in = two_nodes }, &why), DF_LAUNCHER_SRUN);
    assert_string_equal(why.mpi, "pmix");
    assert_non_null(strstr(why.why, "srun --mpi=pmix works: ranks 2, a hop"));
    assert_int_equal(chosen((df_launch_cfg) { .in = two_nodes }, &why), DF_LAUNCHER_MPIRUN); /* it puts none on a,b */
}

static void every_kind_of_mpi_is_tried(void **state) {
    (void)state;
    df_launch_choice why;
    const df_launch_cfg spread = { .in = two_nodes };
    put_program("mpirun", "exit 0");
    put_srun("pmix none pmi2", "*--mpi=pmix*) echo no PMIx >&2; exit 1 ;; *--mpi=pmi2*) echo ranks 2 ;;");
    assert_int_equal(chosen(spread, &why), DF_LAUNCHER_SRUN);
    assert_string_equal(why.mpi, "pmi2");
    assert_non_null(strstr(why.why, "srun --mpi=pmix does not work: exit code 1: no PMIx"));
    put_srun("pmix pmi2", "*) echo ranks 1; echo ranks 1 ;;");
    assert_int_equal(chosen(spread, &why), DF_LAUNCHER_MPIRUN);
    assert_non_null(strstr(why.why, "srun --mpi=pmi2 does not work: each rank is alone"));
    put_srun("pmi2",
             "*) echo '[n1:7] OPAL ERROR' >&2; echo but OMPI was not built with SLURM\\'s PMI support >&2; exit 1 ;;");
    assert_int_equal(chosen(spread, &why), DF_LAUNCHER_MPIRUN);
    assert_non_null(strstr(why.why, "srun --mpi=pmi2 does not work: Open MPI was not built"));
    put_srun("none cray_shasta", "*) echo ranks 2 ;;");
    assert_int_equal(chosen(spread, &why), DF_LAUNCHER_MPIRUN);
    assert_non_null(strstr(why.why, "neither pmix nor pmi2"));
    forget("srun");
    assert_int_equal(chosen(spread, &why), DF_LAUNCHER_MPIRUN);
    assert_non_null(strstr(why.why, "there is no srun"));
}

static void srun_where_there_is_no_mpirun(void **state) {
    (void)state;
    df_launch_choice why;
    forget("mpirun");
    put_srun("pmix", "*--mpi=pmix*) echo ranks 2 ;;");
    assert_int_equal(chosen((df_launch_cfg) { .here = true, .in = two_nodes }, &why), DF_LAUNCHER_SRUN);
    assert_non_null(strstr(why.why, "there is no mpirun"));
}

static void what_was_asked_for_is_taken(void **state) {
    (void)state;
    df_launch_choice why;
    df_err err;
    df_launch_cfg srun = { .by = DF_LAUNCHER_SRUN, .n_ranks = 2, .in = two_nodes };
    put_program("mpirun", "exit 0");
    put_srun("none pmi2", "");
    assert_int_equal(chosen((df_launch_cfg) { .by = DF_LAUNCHER_MPIRUN, .in = two_nodes }, &why), DF_LAUNCHER_MPIRUN);
    assert_int_equal(chosen(srun, &why), DF_LAUNCHER_SRUN);
    assert_string_equal(why.mpi, "pmi2");
    put_srun("none", "");
    assert_int_equal(df_launch_choose(&srun, &why, probe, 20, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "--launcher mpirun"));
    srun.mpi = "openmpi"; /* the user knows better */
    assert_int_equal(df_launch_choose(&srun, &why, probe, 20, &err), DF_OK);
    forget("srun");
    srun.mpi = NULL;
    assert_int_equal(df_launch_choose(&srun, &why, probe, 20, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "not installed"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mpirun_where_slurm_is_not_needed), cmocka_unit_test(srun_for_several_nodes_if_it_works),
        cmocka_unit_test(every_kind_of_mpi_is_tried),       cmocka_unit_test(srun_where_there_is_no_mpirun),
        cmocka_unit_test(what_was_asked_for_is_taken),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
