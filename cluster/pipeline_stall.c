/* A rank that hangs: rank 0 sees that nothing moves, and how long that may be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/pipeline_impl.h"

enum { UNKNOWN_MS = 10 * 60 * 1000, LEAST_MS = 60 * 1000, TIMES_AS_LONG = 20, LOAD_MS = 30 * 60 * 1000 };

void df_pipeline_note_move(df_pipeline *p) {
    int64_t now = df_clock_ms(), pause = now - p->last_moved_ms;
    p->last_moved_ms = now;
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].state == DF_SLOT_RUNNING && pause > p->slots[i].longest_pause_ms)
            p->slots[i].longest_pause_ms = pause;
}

void df_pipeline_note_end(df_slot *s) {
    if (s->longest_pause_ms >= s->program->longest_pause_ms) s->program->longest_pause_ms = s->longest_pause_ms + 1;
}

static const df_slot *oldest_running(const df_pipeline *p) {
    const df_slot *oldest = NULL;
    for (int i = 0; i < p->n_slots; i++) {
        const df_slot *s = &p->slots[i];
        if (s->state == DF_SLOT_RUNNING && (!oldest || s->command.seq < oldest->command.seq)) oldest = s;
    }
    return oldest;
}

/* While ranks load a program they do nothing else, whatever runs. */
static bool is_loading(const df_pipeline *p) {
    return p->reply.command.op && p->reply.n_ended < p->n_ranks - 1;
}

static int64_t patience_ms(const df_pipeline *p, const df_slot *oldest) {
    if (is_loading(p) || !oldest) return p->load_timeout_ms ? p->load_timeout_ms : LOAD_MS;
    if (p->stall_timeout_ms) return p->stall_timeout_ms;
    int64_t usual = oldest->program->longest_pause_ms;
    if (!usual) return UNKNOWN_MS;
    return usual * TIMES_AS_LONG > LEAST_MS ? usual * TIMES_AS_LONG : LEAST_MS;
}

static void list_silent(const df_pipeline *p, const bool *ended, char *out, size_t out_bytes) {
    size_t used = 0;
    out[0] = 0;
    for (int r = 1; r < p->n_ranks && used < out_bytes; r++)
        if (!ended[r]) used += (size_t)snprintf(out + used, out_bytes - used, "%s%d", used ? ", " : "", r);
    if (!used) snprintf(out, out_bytes, "0");
}

/* "unet 16x16, steps 3 to 7", or what else the ranks were told. */
static void name_command(const df_slot *s, char *out, size_t out_bytes) {
    if (!s) {
        snprintf(out, out_bytes, "load or stop");
        return;
    }
    df_program_name(s->program, out, out_bytes);
    size_t used = strlen(out);
    if (s->command.last_step > s->command.first_step)
        snprintf(out + used, out_bytes - used, ", steps %d to %d", s->command.first_step, s->command.last_step);
    else if (s->command.first_step >= 0)
        snprintf(out + used, out_bytes - used, ", step %d", s->command.first_step);
}

df_code df_pipeline_fail_if_stalled(df_pipeline *p, df_err *err) {
    char ranks[128], what[128];
    if (p->rank != 0) return DF_OK;
    const df_slot *oldest = is_loading(p) ? NULL : oldest_running(p);
    int64_t still_ms = df_clock_ms() - p->last_moved_ms;
    if (still_ms < patience_ms(p, oldest)) return DF_OK;
    const df_command *c = oldest ? &oldest->command : &p->reply.command;
    list_silent(p, oldest ? oldest->ended : p->reply.ended, ranks, sizeof ranks);
    name_command(oldest, what, sizeof what);
    return df_err_set(err, DF_ETIMEOUT, "nothing moved for %.1f s; command %" PRId64 " (%s) has not ended on rank %s",
                      (double)still_ms / 1000, c->seq, what, ranks);
}
