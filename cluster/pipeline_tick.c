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
    int64_t start = df_pipeline_now(p);
    df_code rc = p->rank == 0 ? df_rank0_poll(p, moved, err) : df_serve_poll(p, moved, err);
    for (int i = 0; i < p->n_slots && !rc; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING) rc = df_slot_test(p, &p->slots[i], moved, err);
    if (*moved) df_pipeline_trace_other(p, DF_SPAN_RECEIVE, start);
    if (!rc) rc = df_slots_run_one(p, ran, err);
    *moved |= *ran;
    if (*moved) p->last_moved_ms = df_clock_ms();
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

static void list_silent(const df_pipeline *p, const bool *ended, char *out, size_t out_bytes) {
    size_t used = 0;
    out[0] = 0;
    for (int r = 1; r < p->n_ranks && used < out_bytes; r++)
        if (!ended[r]) used += (size_t)snprintf(out + used, out_bytes - used, "%s%d", used ? ", " : "", r);
    if (!used) snprintf(out, out_bytes, "0");
}

/* The text names the oldest command and the ranks it has not ended on. */
static df_code fail_if_stalled(df_pipeline *p, df_err *err) {
    const df_slot *oldest = NULL;
    int64_t still_ms = df_clock_ms() - p->last_moved_ms;
    char ranks[128], name[64] = "";
    if (p->rank != 0 || still_ms < p->stall_timeout_ms) return DF_OK;
    for (int i = 0; i < p->n_slots; i++) {
        const df_slot *s = &p->slots[i];
        if (s->state == DF_SLOT_RUNNING && (!oldest || s->command.seq < oldest->command.seq)) oldest = s;
    }
    const bool *ended = oldest ? oldest->ended : p->reply.ended;
    const df_command *c = oldest ? &oldest->command : &p->reply.command;
    list_silent(p, ended, ranks, sizeof ranks);
    if (oldest) df_program_name(oldest->program, name, sizeof name);
    return df_err_set(err, DF_ETIMEOUT, "nothing moved for %.1f s; command %" PRId64 " (%s) has not ended on rank %s",
                      (double)still_ms / 1000, c->seq, oldest ? name : "load or stop", ranks);
}

df_code df_pipeline_work(df_pipeline *p, int64_t idle_us, bool *moved, bool *ran, df_err *err) {
    df_code rc = df_pipeline_tick(p, moved, ran, err);
    if (!rc && !*moved) {
        rc = fail_if_stalled(p, err);
        df_trace_wait(p->trace);
        if (!rc && idle_us > 0) p->comm->ops->idle(p->comm, idle_us);
    }
    return rc ? df_pipeline_break(p, err) : DF_OK;
}
