/* Rank 0 between passes: renderer.c, renderer_batch.c and renderer_text.c in simulated time. All rows are of one size,
 * and each has a prompt of its own. */
#include <stdlib.h>
#include <string.h>

#include "cluster/simulate/world.h"

enum { EVERYBODYS = -1 };

void df_rows_enter(df_world *w) {
    int room = w->n_slots * w->cfg->micro_batch;
    while (w->n_here < room && w->n_entered < w->cfg->n_rows) {
        w->rows[w->order[w->n_here++]] = (df_sim_row) { .entered_at = w->now };
        w->n_entered++;
    }
}

static df_sim_row *row_of(df_world *w, int row) {
    return row == EVERYBODYS ? &w->common : &w->rows[row];
}

static bool has_text(const df_world *w, const df_sim_row *row) {
    return row->text_done == w->encoders && w->common.text_done == w->encoders;
}

static int find_in_order(const df_world *w, int row) {
    int at = 0;
    while (w->order[at] != row) at++;
    return at;
}

static void to_end(df_world *w, int row) {
    int at = find_in_order(w, row);
    memmove(&w->order[at], &w->order[at + 1], (size_t)(w->n_here - 1 - at) * sizeof *w->order);
    w->order[w->n_here - 1] = row;
}

static void leave(df_world *w, int row) {
    to_end(w, row);
    w->n_here--; /* its place in the order, and in the rows, is free */
    w->latencies[w->n_left++] = w->now - w->rows[row].entered_at;
}

/* The oldest first; everybody's is as young as its latest use. A prompt goes from one encoder to the next. */
static void gather_prompts(df_world *w, df_sim_batch *b, int component) {
    unsigned bit = 1u << component, before = w->encoders & (bit - 1);
    int most = 2 * w->cfg->micro_batch;
    for (int i = 0; i <= w->n_here && b->n < most; i++) {
        int row = i == w->n_here ? EVERYBODYS : w->order[i];
        df_sim_row *r = row_of(w, row);
        if ((r->text_started & bit) || (r->text_done & before) != before) continue;
        r->text_started |= bit;
        b->rows[b->n++] = row;
    }
}

static void gather(df_world *w, df_sim_batch *b, int state, int most) {
    for (int i = 0; i < w->n_here && b->n < most; i++) {
        const df_sim_row *row = &w->rows[w->order[i]];
        if ((int)row->state == state && (state != DF_SIM_READY || has_text(w, row))) b->rows[b->n++] = w->order[i];
    }
}

static void gather_steps(df_world *w, df_sim_batch *b) {
    int n = 0;
    for (int i = 0; i < w->n_here; i++) n += w->rows[w->order[i]].state != DF_SIM_TO_DECODE;
    gather(w, b, DF_SIM_READY,
           df_batch_share(n, w->n_ranks, w->costs->n_halves > 1 ? w->costs->n_halves : 1, w->n_slots,
                          w->cfg->micro_batch));
    for (int i = 0; i < b->n; i++) {
        df_sim_row *row = &w->rows[b->rows[i]];
        row->state = DF_SIM_RUNNING;
        if (i == 0 || row->step < b->first_step) b->first_step = row->step;
        if (i == 0 || row->step > b->last_step) b->last_step = row->step;
    }
}

static void gather_kind(df_world *w, df_sim_batch *b, df_batch_kind kind) {
    *b = (df_sim_batch) { .rows = b->rows, .kind = kind, .component = DF_DENOISER, .first_step = -1, .last_step = -1 };
    switch (kind) {
    case DF_BATCH_DECODE:
        b->component = DF_VAE_DECODER;
        gather(w, b, DF_SIM_TO_DECODE, w->cfg->micro_batch);
        for (int i = 0; i < b->n; i++) w->rows[b->rows[i]].state = DF_SIM_RUNNING;
        break;
    case DF_BATCH_TEXT:
        for (int c = 0; c < DF_DENOISER && !b->n; c++) {
            b->component = c;
            if (w->encoders & 1u << c) gather_prompts(w, b, c);
        }
        break;
    case DF_BATCH_STEP: gather_steps(w, b); break;
    default: break; /* pictures are not encoded here */
    }
    b->n_model_rows = b->n * (kind == DF_BATCH_STEP ? w->cfg->rows_per_step : 1);
    if (!b->n) b->kind = DF_BATCH_NONE;
}

static bool start(df_world *w) {
    int slot = 0;
    while (slot < w->n_slots && w->batches[slot].kind) slot++;
    if (slot == w->n_slots) return false;
    df_sim_batch *b = &w->batches[slot];
    for (int kind = DF_BATCH_NONE + 1; kind < DF_BATCH_KINDS && !b->kind; kind++)
        gather_kind(w, b, (df_batch_kind)kind);
    if (b->kind) df_rank_begin(w, 0, DF_PHASE_PREPARE, slot, -1, b->n_model_rows * w->costs->thread.prepare_row);
    return b->kind != DF_BATCH_NONE;
}

static bool finish(df_world *w) {
    int oldest = -1;
    for (int s = 0; s < w->n_slots; s++)
        if (w->batches[s].is_done && (oldest < 0 || w->batches[s].seq < w->batches[oldest].seq)) oldest = s;
    if (oldest < 0) return false;
    w->batches[oldest].is_done = false;
    double seconds = w->batches[oldest].n_model_rows * w->costs->thread.finish_row;
    df_rank_begin(w, 0, DF_PHASE_FINISH, oldest, -1, seconds);
    return true;
}

bool df_rows_next(df_world *w) {
    return start(w) || finish(w);
}

/* What goes to a half of the ranks, or comes from there, is of the rows that it has. */
static int64_t rows_of(const df_world *w, const df_message *m, int64_t n) {
    return df_pipesim_rows(w->costs, m->from > m->to ? m->from : m->to, n);
}

void df_rows_prepared(df_world *w, int slot) {
    df_sim_batch *b = &w->batches[slot];
    const df_pipesim_program *p = df_world_program(w, slot);
    b->seq = ++w->n_commands;
    w->n_passes++;
    for (int e = 0; e < p->n_edges; e++) {
        df_message *m = df_message_of(w, slot, e);
        *m = (df_message) { .slot = slot,
                            .edge = e,
                            .from = df_pipesim_from_rank(p, &p->edges[e]),
                            .to = df_pipesim_to_rank(p, &p->edges[e]) };
        m->bytes = p->edges[e].row_bytes * (double)rows_of(w, m, b->n_model_rows);
    }
}

static void note_steps(df_world *w, int n) {
    if (w->n_done == w->done_room) {
        int64_t room = w->done_room ? 2 * w->done_room : 1024;
        df_sim_done *done = realloc(w->done, (size_t)room * sizeof *done);
        if (!done) {
            w->failed = true;
            return;
        }
        w->done = done;
        w->done_room = room;
    }
    w->done[w->n_done++] = (df_sim_done) { w->now, n };
}

static void finish_step(df_world *w, int row) {
    bool decodes = w->costs->program[DF_VAE_DECODER].n_segments > 0;
    df_sim_row *r = &w->rows[row];
    bool last = ++r->step == w->cfg->steps;
    r->state = last ? DF_SIM_TO_DECODE : DF_SIM_READY;
    if (last && !decodes)
        leave(w, row);
    else
        to_end(w, row);
}

void df_rows_finished(df_world *w, int slot) {
    df_sim_batch *b = &w->batches[slot];
    for (int i = 0; i < b->n; i++) {
        if (b->kind == DF_BATCH_TEXT)
            row_of(w, b->rows[i])->text_done |= 1u << b->component;
        else if (b->kind == DF_BATCH_STEP)
            finish_step(w, b->rows[i]);
        else
            leave(w, b->rows[i]);
    }
    if (b->kind == DF_BATCH_STEP) note_steps(w, b->n);
    b->kind = DF_BATCH_NONE;
    df_rows_enter(w);
}
