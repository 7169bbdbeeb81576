/* A record of a scaling test that never was: rates follow a known law, two runs of each point a percent apart. */
#ifndef DF_TESTS_CLIENT_BENCH_SCALE_SOME_RECORD_H
#define DF_TESTS_CLIENT_BENCH_SCALE_SOME_RECORD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/bench/scale/analysis.h"

static const df_scaling some_law = { .law = DF_LAW_USL, .lambda = 10, .sigma = 0.02, .kappa = 0.001 };

static inline void add_run(df_scale_point *p, double seconds) {
    df_scale_run *r = &p->run[p->n_runs++];
    *r = (df_scale_run) { .seconds = seconds,
                          .steady_rate = 1.1 * (double)p->pictures / seconds,
                          .wall_seconds = seconds + 2,
                          .others_share = 0.02,
                          .traced = true,
                          .share = { 0.8, 0.05, 0.01, 0.02, 0.1, 0.02 } };
}

/* Workers of one rank with the law's rates, and the last of them also as pipelines of two with 1.9 times its pace. */
static inline df_scale_record some_record(const int *workers, int n) {
    df_err err = { 0 };
    df_scale_record r = { .machine = { "here", "a processor", "Linux", 64, 1 << 30 },
                          .setting = { .pictures = 400,
                                       .threads = 1,
                                       .model = "starter",
                                       .model_sha256 = "abc",
                                       .dtype = "bf16",
                                       .width = 64,
                                       .height = 64,
                                       .steps = 25,
                                       .options = "--steps 25",
                                       .software = "diffarm" } };
    for (int i = 0; i <= n; i++) {
        int depth = i < n ? 1 : 2, count = workers[i < n ? i : n - 1];
        df_scale_point *p = df_scale_record_point(&r, count, depth, &err);
        if (!p) fail_msg("%s", err.text);
        p->pictures = 400;
        double seconds = 400 / df_scaling_rate(&some_law, count) / (depth == 2 ? 1.9 : 1);
        add_run(p, 1.005 * seconds);
        add_run(p, 0.995 * seconds);
    }
    return r;
}

#endif
