/* Micro-batches, as rank 0 starts and gathers them. */
#include <inttypes.h>

#include "base/clock.h"
#include "cluster/pipeline_impl.h"

int df_pipeline_free_slot(const df_pipeline *p) {
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].state == DF_SLOT_FREE) return i;
    return -1;
}

static bool is_valid(const df_pipeline *p, int slot, int program, int half, int64_t n_rows) {
    return slot >= 0 && slot < p->n_slots && program >= 0 && program < DF_MAX_PROGRAMS && p->programs[program] &&
           half >= 0 && half < p->cfg.n_halves && n_rows >= 1 && n_rows <= p->programs[program]->max_rows;
}

static void *value_at(df_pipeline *p, int slot, int program, int half, df_value_id v, int64_t n_rows) {
    if (v == DF_NO_VALUE) return NULL;
    return half ? df_portal_value(p->programs[program]->portal, slot, v)
                : df_stage_value(p->programs[program]->stage, slot, v, n_rows);
}

void *df_pipeline_half_input(df_pipeline *p, int slot, int program, int half, const char *port, int64_t n_rows) {
    if (!is_valid(p, slot, program, half, n_rows)) return NULL;
    return value_at(p, slot, program, half, df_graph_find_input(p->programs[program]->graph, port), n_rows);
}

const void *df_pipeline_half_output(df_pipeline *p, int slot, int program, int half, const char *port, int64_t n_rows) {
    if (!is_valid(p, slot, program, half, n_rows)) return NULL;
    return value_at(p, slot, program, half, df_graph_find_output(p->programs[program]->graph, port), n_rows);
}

void *df_pipeline_input(df_pipeline *p, int slot, int program, const char *port, int64_t n_rows) {
    return df_pipeline_half_input(p, slot, program, 0, port, n_rows);
}

const void *df_pipeline_output(df_pipeline *p, int slot, int program, const char *port, int64_t n_rows) {
    return df_pipeline_half_output(p, slot, program, 0, port, n_rows);
}

void df_pipeline_set_steps(df_pipeline *p, int slot, int first, int last) {
    p->slots[slot].first_step = first;
    p->slots[slot].last_step = last;
}

/* Ranks of a half without rows are not told, and count as ended. */
static void await_ends(df_pipeline *p, df_slot *s) {
    s->n_ended = 0;
    for (int r = 1; r < p->n_ranks; r++) {
        s->ended[r] = !df_command_concerns(p, &s->command, r);
        s->n_ended += s->ended[r];
    }
}

df_code df_pipeline_start_halves(df_pipeline *p, int slot, int program, const int64_t n_rows[DF_MOST_HALVES],
                                 df_err *err) {
    df_err mine;
    bool valid = is_valid(p, slot, program, 0, n_rows[0]) && (!n_rows[1] || is_valid(p, slot, program, 1, n_rows[1]));
    if (!err) err = &mine;
    if (p->broken.code) return df_pipeline_return_broken(p, err);
    if (!valid || p->slots[slot].state != DF_SLOT_FREE)
        return df_err_set(err, DF_EINVAL,
                          "slot %d, program %d, %" PRId64 " and %" PRId64 " rows: not free or not there", slot, program,
                          n_rows[0], n_rows[1]);
    df_slot *s = &p->slots[slot];
    df_command c = { .op = DF_COMMAND_RUN, .program = program, .slot = slot, .n_rows = { n_rows[0], n_rows[1] } };
    c.first_step = s->first_step;
    c.last_step = s->last_step;
    s->first_step = s->last_step = -1;
    c.seq = ++p->n_commands;
    df_pipeline_note_move(p);
    df_code rc = df_slot_begin(p, &c, err);
    await_ends(p, s);
    s->started_ms = p->listened_ms;
    if (!rc) rc = df_rank0_broadcast(p, &s->command, s->command_sent, err);
    return rc ? df_pipeline_break(p, err) : DF_OK;
}

df_code df_pipeline_start(df_pipeline *p, int slot, int program, int64_t n_rows, df_err *err) {
    return df_pipeline_start_halves(p, slot, program, (int64_t[DF_MOST_HALVES]) { n_rows, 0 }, err);
}

static df_slot *oldest_done(df_pipeline *p) {
    df_slot *best = NULL;
    for (int i = 0; i < p->n_slots; i++) {
        df_slot *s = &p->slots[i];
        if (s->state == DF_SLOT_DONE && (!best || s->command.seq < best->command.seq)) best = s;
    }
    return best;
}

static df_code hand_over(df_pipeline *p, df_slot *s, int *slot, df_err *err) {
    s->state = DF_SLOT_FREE;
    *slot = (int)(s - p->slots);
    return s->failure.code ? df_err_set(err, s->failure.code, "%s", s->failure.text) : DF_OK;
}

df_code df_pipeline_advance(df_pipeline *p, int64_t timeout_us, int *slot, df_err *err) {
    df_err mine;
    if (!err) err = &mine;
    *slot = -1;
    int64_t until = df_clock_ns() + timeout_us * 1000;
    for (bool moved, ran = false;;) {
        df_slot *done = oldest_done(p);
        if (done) return hand_over(p, done, slot, err);
        if (p->broken.code) return df_pipeline_return_broken(p, err);
        int64_t left_us = (until - df_clock_ns()) / 1000;
        if (ran || !df_pipeline_is_busy(p)) return DF_OK;
        df_code rc = df_pipeline_work(p, left_us < DF_IDLE_US ? left_us : DF_IDLE_US, &moved, &ran, err);
        if (rc) return rc;
        if (!moved && left_us <= 0) return DF_OK;
    }
}
