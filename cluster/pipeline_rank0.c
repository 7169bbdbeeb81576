/* Rank 0: sends commands, gathers how they ended. */

#include <string.h>

#include "cluster/pipeline_impl.h"

df_code df_rank0_listen(df_pipeline *p, int rank, df_err *err) {
    return p->comm->ops->recv(p->comm, rank, DF_CHANNEL_STATUS, &p->status_in[rank], sizeof p->status_in[rank],
                              &p->status_recv[rank], err);
}

df_code df_rank0_broadcast(df_pipeline *p, const df_command *c, df_comm_request **sent, df_err *err) {
    df_code rc = DF_OK;
    for (int r = 1; r < p->n_ranks && !rc; r++)
        if (df_command_concerns(p, c, r))
            rc = p->comm->ops->send(p->comm, r, DF_CHANNEL_COMMAND, c, sizeof *c, &sent[r], err);
    return rc;
}

static void take_failure(df_err *failure, const df_status *st) {
    if (st->code && !failure->code) df_err_set(failure, (df_code)st->code, "%.*s", DF_STATUS_TEXT - 1, st->text);
}

static df_slot *slot_of(df_pipeline *p, int64_t seq) {
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING && p->slots[i].command.seq == seq) return &p->slots[i];
    return NULL;
}

static df_code take_reply(df_pipeline *p, int rank, const df_status *st, df_err *err) {
    df_reply *r = &p->reply;
    if (st->seq != r->command.seq || r->ended[rank])
        return df_err_set(err, DF_EPROTOCOL, "rank %d: status of command %lld, which does not run", rank,
                          (long long)st->seq);
    r->ended[rank] = true;
    r->n_ended++;
    take_failure(&r->failure, st);
    if (!st->code && r->fingerprint && st->fingerprint != r->fingerprint && !r->failure.code)
        df_err_set(&r->failure, DF_EPROTOCOL,
                   "rank %d has another plan than rank 0: are program, model and options the same on all ranks?", rank);
    return DF_OK;
}

static df_code take_status(df_pipeline *p, int rank, df_err *err) {
    const df_status *st = &p->status_in[rank];
    df_slot *s = slot_of(p, st->seq);
    df_pipeline_note_status(p, rank, st);
    if (st->is_sign) return DF_OK;
    if (!s) return take_reply(p, rank, st, err);
    s->ended[rank] = true;
    s->n_ended++;
    take_failure(&s->failure, st);
    if (!st->code) df_recut_note(p, s, rank, st->compute_ns);
    return DF_OK;
}

static df_code poll_slot(df_pipeline *p, df_slot *s, bool *moved, df_err *err) {
    bool all_sent = true;
    df_code rc = DF_OK;
    for (int r = 1; r < p->n_ranks && !rc; r++) {
        rc = df_pipeline_test(p, &s->command_sent[r], moved, err);
        all_sent &= !s->command_sent[r];
    }
    if (rc || !all_sent || s->n_ended < p->n_ranks - 1 || !df_slot_finished(s)) return rc;
    df_slot_fetch(p, s);
    s->state = DF_SLOT_DONE;
    s->program->has_run = true;
    if (!s->failure.code) df_recut_note(p, s, 0, s->compute_ns);
    *moved = true;
    return DF_OK;
}

df_code df_rank0_poll(df_pipeline *p, bool *moved, df_err *err) {
    df_code rc = DF_OK;
    for (int r = 1; r < p->n_ranks && !rc; r++) {
        bool got = false;
        rc = df_pipeline_test(p, &p->status_recv[r], &got, err);
        if (rc || !got) continue;
        bool is_sign = p->status_in[r].is_sign;
        rc = take_status(p, r, err);
        if (!rc && (is_sign || p->reply.command.op != DF_COMMAND_STOP)) rc = df_rank0_listen(p, r, err);
        *moved |= !is_sign;
    }
    for (int r = 1; r < p->n_ranks && !rc; r++) rc = df_pipeline_test(p, &p->reply.command_sent[r], moved, err);
    for (int r = 1; r < p->n_ranks && !rc; r++) rc = df_pipeline_test(p, &p->reply.costs_sent[r], moved, err);
    for (int r = 1; r < p->n_ranks && !rc; r++) rc = df_pipeline_test(p, &p->reply.speeds_sent[r], moved, err);
    for (int i = 0; i < p->n_slots && !rc; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING) rc = poll_slot(p, &p->slots[i], moved, err);
    return rc;
}

df_code df_rank0_command(df_pipeline *p, const df_command *c, df_err *err) {
    df_reply *r = &p->reply;
    r->command = *c;
    r->command.seq = ++p->n_commands;
    r->n_ended = 0;
    r->failure = (df_err) { 0 };
    memset(r->ended, 0, (size_t)p->n_ranks * sizeof *r->ended);
    df_code rc = df_rank0_broadcast(p, &r->command, r->command_sent, err);
    if (p->watch && c->op == DF_COMMAND_LOAD) p->watch(p->watch_ctx, p, true);
    return rc ? df_pipeline_break(p, err) : DF_OK;
}

static bool all_sent(const df_pipeline *p) {
    for (int r = 1; r < p->n_ranks; r++)
        if (p->reply.command_sent[r] || p->reply.costs_sent[r] || p->reply.speeds_sent[r]) return false;
    return true;
}

df_code df_rank0_wait(df_pipeline *p, uint64_t fingerprint, df_err *err) {
    df_code rc = DF_OK;
    p->reply.fingerprint = fingerprint;
    df_pipeline_note_move(p);
    while (!rc && (p->reply.n_ended < p->n_ranks - 1 || !all_sent(p))) {
        bool moved, ran;
        rc = df_pipeline_work(p, DF_IDLE_US, &moved, &ran, err);
    }
    return rc;
}
