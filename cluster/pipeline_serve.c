/* Ranks other than 0: take commands, run, report. */
#include <stdio.h>

#include "cluster/pipeline_impl.h"

enum { IDLE_US = 100000 };

df_code df_serve_listen(df_pipeline *p, df_err *err) {
    return p->comm->ops->recv(p->comm, 0, DF_CHANNEL_COMMAND, &p->command_in, sizeof p->command_in, &p->command_recv,
                              err);
}

static df_code report(df_pipeline *p, df_status *out, df_comm_request **sent, int64_t seq, const df_err *why,
                      uint64_t fingerprint, df_err *err) {
    out->seq = seq;
    out->code = (int32_t)why->code;
    out->fingerprint = fingerprint;
    if (why->code) snprintf(out->text, sizeof out->text, "%.*s", (int)sizeof out->text - 1, why->text);
    return p->comm->ops->send(p->comm, 0, DF_CHANNEL_STATUS, out, sizeof *out, sent, err);
}

/* Rank 0 has received what this sent, or it would not have sent the command that needs the buffer again. */
static df_code wait_sent(df_pipeline *p, df_comm_request **req, df_err *err) {
    df_code rc = DF_OK;
    while (*req && !rc) {
        bool moved = false;
        rc = df_pipeline_test(p, req, &moved, err);
        if (!rc && !moved) p->comm->ops->idle(p->comm, 1000);
    }
    return rc;
}

static void load(df_pipeline *p, const df_command *c, df_err *why) {
    int64_t start = df_pipeline_now(p);
    df_pipeline_open_program(p, c, why);
    df_pipeline_trace_other(p, DF_SPAN_LOAD, start);
    if (why->code) df_err_wrap(why, "rank %d", p->rank);
}

static df_code answer(df_pipeline *p, const df_command *c, df_err *err) {
    df_err why = { 0 };
    uint64_t fingerprint = 0;
    df_code rc = wait_sent(p, &p->status_sent, err);
    if (rc) return rc;
    switch (c->op) {
    case DF_COMMAND_LOAD:
        if ((rc = df_costs_receive(p, c, err))) return rc;
        load(p, c, &why);
        if (!why.code) fingerprint = p->programs[c->program]->fingerprint;
        break;
    case DF_COMMAND_UNLOAD: df_program_close(&p->programs[c->program]); break;
    default: p->stopped = true; break;
    }
    p->status_out = (df_status) { 0 };
    rc = report(p, &p->status_out, &p->status_sent, c->seq, &why, fingerprint, err);
    if (!rc && p->stopped) rc = wait_sent(p, &p->status_sent, err);
    return rc || !p->stopped ? rc : wait_sent(p, &p->sign_sent, err); /* came before it */
}

static bool is_sane(const df_pipeline *p, const df_command *c) {
    if (c->op < DF_COMMAND_LOAD || c->op > DF_COMMAND_STOP || c->program < 0 || c->program >= DF_MAX_PROGRAMS)
        return false;
    if (c->op != DF_COMMAND_RUN) return c->component >= 0 && c->component < DF_COMPONENT_COUNT;
    if (!p->programs[c->program] || c->slot < 0 || c->slot >= p->n_slots || p->slots[c->slot].state != DF_SLOT_FREE)
        return false;
    for (int half = 0; half < DF_MOST_HALVES; half++)
        if (c->n_rows[half] < 0 || c->n_rows[half] > p->programs[c->program]->max_rows) return false;
    return c->n_rows[p->half] >= 1;
}

static df_code obey(df_pipeline *p, df_err *err) {
    df_command c = p->command_in;
    df_code rc;
    if (!is_sane(p, &c))
        return df_err_set(err, DF_EPROTOCOL,
                          "rank %d: command %lld of kind %d cannot be: do all ranks run one version?", p->rank,
                          (long long)c.seq, c.op);
    if (c.op != DF_COMMAND_RUN) {
        rc = answer(p, &c, err);
    } else {
        rc = wait_sent(p, &p->slots[c.slot].status_sent, err);
        if (!rc) rc = df_slot_begin(p, &c, err);
    }
    return rc || p->stopped ? rc : df_serve_listen(p, err);
}

df_code df_serve_poll(df_pipeline *p, bool *moved, df_err *err) {
    bool got = false;
    df_code rc = df_pipeline_test(p, &p->command_recv, &got, err);
    if (!rc && got) rc = obey(p, err);
    *moved |= got;
    for (int i = 0; i < p->n_slots && !rc; i++) {
        df_slot *s = &p->slots[i];
        if (s->status_sent) rc = df_pipeline_test(p, &s->status_sent, moved, err);
        if (rc || !df_slot_finished(s)) continue;
        df_slot_fetch(p, s);
        s->state = DF_SLOT_FREE;
        s->status = (df_status) { .compute_ns = s->compute_ns, .longest_pause_ms = s->program->longest_pause_ms };
        rc = report(p, &s->status, &s->status_sent, s->command.seq, &s->failure, 0, err);
        *moved = true;
    }
    return rc ? rc : df_sign_if_due(p, moved, err);
}

df_code df_pipeline_serve(df_pipeline *p, df_err *err) {
    df_err mine;
    if (!err) err = &mine;
    if (p->rank == 0) return df_err_set(err, DF_EINVAL, "rank 0 drives the pipeline, it cannot serve it");
    while (!p->stopped) {
        bool moved, ran;
        df_code rc = df_pipeline_tick(p, &moved, &ran, err);
        if (rc) return df_pipeline_break(p, err);
        if (moved || p->stopped) continue;
        df_trace_wait(p->trace);
        p->comm->ops->idle(p->comm, IDLE_US);
    }
    return DF_OK;
}
