/* What tests of the feeder have in common: leases that a model can render, and a feeder that is run to its end. */
#ifndef DF_TESTS_WORKER_FEED_H
#define DF_TESTS_WORKER_FEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/worker/some_lease.h"
#include "worker/feeder.h"

/* Two steps of 64x64 each. Texts that are set here were empty before, and are freed with the message. */
static inline df_lease *lease_to_render(size_t n, const char *path, const char *sha256, const char *dtype) {
    df_lease *l = some_lease("token", 0, n);
    Diffarm__JobSpec *job = l->msg->lease->job;
    job->model_path = strdup(path);
    job->model_sha256 = strdup(sha256);
    job->noise = strdup("torch-cpu");
    job->dtype = strdup(dtype);
    for (size_t i = 0; i < n; i++) {
        l->rows[i]->seed = 100 + i;
        l->rows[i]->steps = 2;
        l->rows[i]->width = l->rows[i]->height = 64;
        l->rows[i]->guidance = 3;
    }
    return l;
}

static inline void give_int8_scales(Diffarm__Row *row, const char *path, const char *sha256) {
    Diffarm__Adapter *a = calloc(1, sizeof *a);
    diffarm__adapter__init(a);
    a->kind = DIFFARM__ADAPTER__KIND__INT8_SCALES;
    a->file = calloc(1, sizeof *a->file);
    diffarm__input__init(a->file);
    a->file->path = strdup(path);
    a->file->sha256 = strdup(sha256);
    row->adapters = calloc(1, sizeof(Diffarm__Adapter *));
    row->adapters[0] = a;
    row->n_adapters = 1;
}

static inline void work_off(df_feeder *f) {
    df_err err;
    do {
        df_code rc = df_feeder_work(f, &err);
        if (rc) fail_msg("%s", err.text);
    } while (df_feeder_live(f) || df_feeder_waiting(f));
}

#endif
