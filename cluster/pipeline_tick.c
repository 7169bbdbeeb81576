#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cluster/pipeline_impl.h"

df_code df_pipeline_test(df_pipeline *p, df_comm_request **req, bool *moved, df_err *err) {
    bool done = false;
    if (!*req) return DF_OK;
    df_code rc = p->comm->ops->test(p->comm, req, &done, err);
    if (!rc && done) *moved = true;
    return rc;
}

df_code df_pipeline_tick(df_pipeline *p, bool *moved, bool *ran, df_err *err) {
    *moved = *ran = false;
    if (p->rank == 0) df_pipeline_note_tick(p);
    int64_t start = df_pipeline_now(p);
    df_code rc = p->rank == 0 ? df_rank0_poll(p, moved, err) : df_serve_poll(p, moved, err);
    for (int i = 0; i < p->n_slots && !rc; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING) rc = df_slot_test(p, &p->slots[i], moved, err);
    if (*moved) df_pipeline_trace_other(p, DF_SPAN_RECEIVE, start);
    if (!rc) rc = df_slots_run_one(p, ran, err);
    *moved |= *ran;
    if (*moved && p->rank == 0) df_pipeline_note_move(p);
    return rc;
}

df_code df_pipeline_break(df_pipeline *p, df_err *err) {
    p->broken = *err;
    return err->code;
}

bool df_pipeline_is_busy(const df_pipeline *p) {
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING) return true;
    return false;
}

df_code df_pipeline_work(df_pipeline *p, int64_t idle_us, bool *moved, bool *ran, df_err *err) {
    df_code rc = df_pipeline_tick(p, moved, ran, err);
    if (p->watch) p->watch(p->watch_ctx, p, false);
    if (!rc && !*moved) {
        rc = df_pipeline_fail_if_stalled(p, err);
        df_trace_wait(p->trace);
        if (!rc && idle_us > 0) p->comm->ops->idle(p->comm, idle_us);
    }
    return rc ? df_pipeline_break(p, err) : DF_OK;
}
