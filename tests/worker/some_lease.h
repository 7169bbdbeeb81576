/* A lease for tests, as the wire would bring it. */
#ifndef DF_TESTS_WORKER_SOME_LEASE_H
#define DF_TESTS_WORKER_SOME_LEASE_H

#include <stdio.h>
#include <stdlib.h>

#include "worker/lease.h"

enum { SOME_MAX_ROWS = 64 };

/* The packed lease: rows first, first+1, ... of a job. */
static inline Diffarm__Message *some_lease_message(const char *token, uint64_t first, size_t n) {
    static Diffarm__Row row[SOME_MAX_ROWS], *rows[SOME_MAX_ROWS];
    Diffarm__JobSpec job = DIFFARM__JOB_SPEC__INIT;
    Diffarm__Lease lease = DIFFARM__LEASE__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    for (size_t i = 0; i < n; i++) {
        diffarm__row__init(&row[i]);
        row[i].row = first + i;
        row[i].prompt = (char *)"red apple";
        row[i].task = (char *)"txt2img";
        rows[i] = &row[i];
    }
    job.job_id = (char *)"0123456789abcdef";
    lease.token = (char *)token;
    lease.job = &job;
    lease.n_rows = n;
    lease.rows = rows;
    m.body_case = DIFFARM__MESSAGE__BODY_LEASE;
    m.lease = &lease;
    size_t bytes = diffarm__message__get_packed_size(&m);
    uint8_t *packed = malloc(bytes);
    diffarm__message__pack(&m, packed);
    Diffarm__Message *out = diffarm__message__unpack(NULL, bytes, packed);
    free(packed);
    return out;
}

static inline df_lease *some_lease(const char *token, uint64_t first, size_t n) {
    df_lease *l = NULL;
    Diffarm__Message *m = some_lease_message(token, first, n);
    if (df_lease_new(&l, &m, NULL)) abort();
    return l;
}

#endif
