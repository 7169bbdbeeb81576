/* Simulated worlds: all hold, a seed replays exactly, and seeds that once failed stay whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/simulate/world.h"

/* found: what the seed once showed, or NULL. */
static df_sim_report hold(uint64_t seed, const char *found) {
    df_sim_report r;
    df_sim_world_run(&r, seed, NULL);
    if (r.why[0]) fail_msg("seed %d%s%s: %s", (int)seed, found ? ", as once when " : "", found ? found : "", r.why);
    return r;
}

static void worlds_hold(void **state) {
    uint64_t n_copied = 0, n_paused = 0, n_retries = 0, n_put_out = 0, n_ends_met = 0;
    (void)state;
    for (uint64_t seed = 100000; seed < 100300; seed++) {
        df_sim_report r = hold(seed, NULL);
        n_copied += r.n_copied;
        n_paused += r.n_paused;
        n_retries += r.n_retries;
        n_put_out += r.n_put_out;
        n_ends_met += r.n_ends_met;
    }
    assert_true(n_copied > 50); /* all of this is at work in them */
    assert_true(n_paused > 50);
    assert_true(n_retries > 50);
    assert_true(n_put_out > 10);
    assert_true(n_ends_met > 200);
}

static void seed_replays_exactly(void **state) {
    df_sim_report a, b;
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        df_sim_world_run(&a, seed, NULL);
        df_sim_world_run(&b, seed, NULL);
        assert_true(a.trace_hash == b.trace_hash && a.n_events == b.n_events);
        df_sim_world_run(&b, seed + 1, NULL);
        assert_true(a.trace_hash != b.trace_hash);
    }
}

/* Each shows a bug that the simulator has found, when that is put back: docs/simulator.md. */
static void seeds_that_failed(void **state) {
    static const struct {
        uint64_t seed;
        const char *found;
    } seeds[] = {
        { 31, "a folder above a picture was not synced into its parent" },
        { 77, "a folder above a picture was not synced into its parent" },
        { 44, "the log was not written again after a sync of it had failed" },
        { 89, "the log was not written again after a sync of it had failed" },
        { 237, "a row that was failed after its third loss was committed without a sync" },
        { 450, "a row that was failed after its third loss was committed without a sync" },
        { 438, ".diffarm/picture-0 was written over, the second name of a picture in place" },
        { 447, ".diffarm/picture-0 was written over, the second name of a picture in place" },
        { 47, "a row that two workers died with was lent to one whose allocation ends before it" },
        { 241, "a row that two workers died with was lent to one whose allocation ends before it" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) hold(seeds[i].seed, seeds[i].found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worlds_hold),
        cmocka_unit_test(seed_replays_exactly),
        cmocka_unit_test(seeds_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
