/* How long an item of the suite takes. */
#ifndef DF_CLIENT_BENCH_GPU_TIMING_H
#define DF_CLIENT_BENCH_GPU_TIMING_H

#include <signal.h>

#include "client/bench/gpu/suite.h"

typedef struct df_timing_cfg {
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int pictures; /* that are timed */
    const volatile sig_atomic_t *stop; /* set: give up with DF_ECANCELLED */
    void (*tell)(void *tell_ctx, const char *what); /* "loading", "12 of 16 pictures": something has moved */
    void *tell_ctx;
} df_timing_cfg;

/* Fills in item->seconds: of an operation or a step the least of several runs, of a picture the mean. */
df_code df_time_item(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err);

df_code df_time_op(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err);
df_code df_time_step(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err);
df_code df_time_pictures(const df_suite *s, df_gpu_item *item, const df_timing_cfg *cfg, df_err *err);

#endif
