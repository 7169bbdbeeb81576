/* A rank that hangs: rank 0 does not hear it, or sees that nothing moves; and how long that may be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/pipeline_impl.h"

enum { UNKNOWN_MS = 10 * 60 * 1000, LEAST_MS = 60 * 1000, TIMES_AS_LONG = 20, LOAD_MS = 30 * 60 * 1000, AWAY_MS = 100 };

void df_pipeline_note_move(df_pipeline *p) {
    p->last_moved_ms = p->listened_ms;
}

void df_pipeline_note_status(df_pipeline *p, int rank, const df_status *st) {
    df_sighting *seen = &p->seen[rank];
    seen->heard_ms = p->listened_ms;
    if (st->is_sign) {
        if (seen->seq != st->seq || seen->segment != st->segment || seen->node != st->node) df_pipeline_note_move(p);
        seen->seq = st->seq;
        seen->segment = st->segment;
        seen->node = st->node;
    }
    for (int i = 0; i < p->n_slots; i++) {
        df_slot *s = &p->slots[i];
        if (s->state == DF_SLOT_RUNNING && s->command.seq == st->seq &&
            st->longest_pause_ms > s->program->longest_pause_ms)
            s->program->longest_pause_ms = st->longest_pause_ms;
    }
}

/* While rank 0 computes, or was stopped itself, what others say waits unread: nobody was silent then. */
void df_pipeline_note_tick(df_pipeline *p) {
    int64_t now = df_clock_ms(), since = now - p->last_tick_ms;
    p->listened_ms += since < AWAY_MS ? since : AWAY_MS;
    p->last_tick_ms = now;
}

/* While ranks load a program they do nothing else, whatever runs. */
static bool is_loading(const df_pipeline *p) {
    return p->reply.command.op == DF_COMMAND_LOAD && p->reply.n_ended < p->n_ranks - 1;
}

static bool is_asked(const df_pipeline *p) {
    return p->reply.command.op && p->reply.n_ended < p->n_ranks - 1;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* What was asked for, but a healthy rank is never given up for its pace. */
static int64_t patience_with(const df_pipeline *p, const df_program *q) {
    int64_t told = p->stall_timeout_ms, by_pace = q->longest_pause_ms * TIMES_AS_LONG;
    if (!q->has_run) return most(told ? most(told, LEAST_MS) : UNKNOWN_MS, by_pace);
    return most(told ? told : LEAST_MS, by_pace);
}

static int64_t patience_ms(const df_pipeline *p) {
    int64_t patience = p->stall_timeout_ms ? p->stall_timeout_ms : LEAST_MS;
    if (is_loading(p)) return p->load_timeout_ms ? p->load_timeout_ms : LOAD_MS;
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING) patience = most(patience, patience_with(p, p->slots[i].program));
    return patience;
}

/* How long rank 0 has listened to a rank that has something to do, and heard nothing. */
static int64_t silent_ms(const df_pipeline *p, int rank) {
    const df_slot *owed = df_slot_oldest(p, rank);
    return owed ? p->listened_ms - most(p->seen[rank].heard_ms, owed->started_ms) : 0;
}

/* "unet 16x16, steps 3 to 7, command 90", or what else the ranks were told. */
static void name_command(const df_pipeline *p, const df_slot *s, char *out, size_t out_bytes) {
    const df_command *c = s ? &s->command : &p->reply.command;
    if (s)
        df_program_name(s->program, out, out_bytes);
    else
        snprintf(out, out_bytes, "%s", is_loading(p) ? "load" : "stop");
    size_t used = strlen(out);
    if (s && c->last_step > c->first_step)
        used += (size_t)snprintf(out + used, out_bytes - used, ", steps %d to %d", c->first_step, c->last_step);
    else if (s && c->first_step >= 0)
        used += (size_t)snprintf(out + used, out_bytes - used, ", step %d", c->first_step);
    snprintf(out + used, out_bytes - used, ", command %" PRId64, c->seq);
}

/* ", at mid_block.attentions.0 when last heard", if that was in this very command. */
static void name_place(const df_pipeline *p, int rank, const df_slot *s, char *out, size_t out_bytes) {
    const df_sighting *seen = &p->seen[rank];
    out[0] = '\0';
    if (seen->seq != s->command.seq) return;
    if (seen->node >= 0 && seen->node < s->program->graph->n_nodes)
        snprintf(out, out_bytes, ", at '%s' when last heard", s->program->graph->nodes[seen->node].name);
    else
        snprintf(out, out_bytes, ", waiting when last heard");
}

/* "stage 1", or "stage 1 of the second half" */
static void name_stage(const df_pipeline *p, int rank, char *out, size_t out_bytes) {
    static const char *const halves[DF_MOST_HALVES] = { " of the first half", " of the second half" };
    int depth = df_program_depth(&p->cfg);
    snprintf(out, out_bytes, "stage %d%s", rank % depth, p->cfg.n_halves > 1 ? halves[rank / depth] : "");
}

char *df_pipeline_where(const df_pipeline *p, int rank, char *out, size_t out_bytes) {
    char what[128], stage[48];
    const df_slot *owed = df_slot_oldest(p, rank);
    bool asked = is_asked(p) && !p->reply.ended[rank];
    name_command(p, owed, what, sizeof what);
    name_stage(p, rank, stage, sizeof stage);
    if (owed)
        snprintf(out, out_bytes, "%s of %s", stage, what);
    else
        snprintf(out, out_bytes, "%s", asked ? what : "idle");
    return out;
}

static df_code fail_silent(const df_pipeline *p, int rank, int64_t silent, int n_silent, df_err *err) {
    char what[128], stage[48], place[160], more[32] = "";
    const df_slot *owed = df_slot_oldest(p, rank);
    name_command(p, owed, what, sizeof what);
    name_stage(p, rank, stage, sizeof stage);
    name_place(p, rank, owed, place, sizeof place);
    if (n_silent > 1) snprintf(more, sizeof more, "; so are %d more", n_silent - 1);
    return df_err_set(err, DF_ETIMEOUT, "rank %d hangs: silent for %.1f s in %s of %s%s%s", rank, (double)silent / 1000,
                      stage, what, place, more);
}

static df_code fail_if_silent(const df_pipeline *p, int64_t patience, df_err *err) {
    int64_t longest = 0;
    int worst = 0, n = 0;
    for (int r = 1; r < p->n_ranks; r++) {
        int64_t silent = silent_ms(p, r);
        if (silent < patience) continue;
        n++;
        if (silent > longest) longest = silent, worst = r;
    }
    return n ? fail_silent(p, worst, longest, n, err) : DF_OK;
}

static void list_ranks(const df_pipeline *p, const bool *ended, char *out, size_t out_bytes) {
    size_t used = 0;
    snprintf(out, out_bytes, "0");
    for (int r = 1; r < p->n_ranks && used < out_bytes; r++)
        if (!ended[r]) used += (size_t)snprintf(out + used, out_bytes - used, "%s%d", used ? ", " : "", r);
}

df_code df_pipeline_fail_if_stalled(df_pipeline *p, df_err *err) {
    char ranks[128], what[128];
    if (p->rank != 0) return DF_OK;
    int64_t still = p->listened_ms - p->last_moved_ms, patience = patience_ms(p);
    /* When nothing moves, who was not heard lately is to blame. */
    df_code rc = is_loading(p) ? DF_OK : fail_if_silent(p, still < patience ? patience : patience / 2, err);
    if (rc || still < patience) return rc;
    const df_slot *oldest = is_asked(p) ? NULL : df_slot_oldest(p, -1);
    if (!oldest && !is_asked(p)) return DF_OK;
    list_ranks(p, oldest ? oldest->ended : p->reply.ended, ranks, sizeof ranks);
    name_command(p, oldest, what, sizeof what);
    return df_err_set(err, DF_ETIMEOUT, "nothing moved for %.1f s: %s has not ended on rank %s", (double)still / 1000,
                      what, ranks);
}
