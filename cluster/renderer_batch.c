/* Micro-batches: which rows run together next, and what becomes of their results.
 *
 * The row that has waited longest takes others of its size along, whatever their tasks. What goes first, and over how
 * many micro-batches rows spread: schedule.h. */
#include <string.h>

#include "base/clock.h"
#include "cluster/renderer_impl.h"

/* What rows wait for, and what runs for them; prompts apart. */
typedef struct stage {
    df_row_state waiting, running;
    df_batch_kind kind;
    df_component component;
} stage;

static const stage decoding = { DF_ROW_TO_DECODE, DF_ROW_DECODING, DF_BATCH_DECODE, DF_VAE_DECODER };
static const stage encoding = { DF_ROW_TO_ENCODE, DF_ROW_ENCODING, DF_BATCH_ENCODE, DF_VAE_ENCODER };
static const stage stepping = { DF_ROW_READY, DF_ROW_IN_FLIGHT, DF_BATCH_STEP, DF_DENOISER };

/* The text of a row counts for the denoiser alone. */
static bool same_size(const df_row *a, const df_row *b, const stage *s) {
    bool text = s != &stepping || df_row_context_tokens(a) == df_row_context_tokens(b);
    return a->latent_h == b->latent_h && a->latent_w == b->latent_w && text;
}

static df_graph_size size_of(const df_row *row, const stage *s) {
    return (df_graph_size) { .latent_h = row->latent_h,
                             .latent_w = row->latent_w,
                             .tokens = s == &stepping ? df_row_context_tokens(row) : 0 };
}

/* Rows that fail or are dropped here take themselves out of the list. */
static df_row *next_waiting(df_renderer *r, const stage *s) {
    for (df_row *row = r->rows, *next; row; row = next) {
        const df_err *failure;
        next = row->next;
        if (row->state != s->waiting || (s == &decoding && row->in_tiles)) continue;
        bool ready = df_row_has_text(row, &failure);
        if (failure) {
            df_err why = *failure;
            df_renderer_fail(r, row, &why);
            next = r->rows; /* the callback may have changed the list */
        } else if (ready || s != &stepping) {
            return row;
        }
    }
    return NULL;
}

static int share(const df_renderer *r, const df_row *like) {
    int n = 0;
    for (const df_row *row = r->rows; row; row = row->next)
        n += same_size(row, like, &stepping) && (row->state == DF_ROW_READY || row->state == DF_ROW_IN_FLIGHT);
    const df_pipeline *p = r->pipeline;
    return df_batch_share(n, df_pipeline_ranks(p), df_pipeline_halves(p), df_pipeline_slots(p), r->cfg.micro_batch);
}

static void gather(df_batch *b, df_row *first, const stage *s, int max) {
    const df_err *failure;
    b->n = 0;
    for (df_row *row = first; row && b->n < max; row = row->next) {
        if (row->state != s->waiting || (s == &decoding && row->in_tiles) || !same_size(row, first, s)) continue;
        if (s == &stepping && (!df_row_has_text(row, &failure) || failure)) continue;
        b->rows[b->n++] = row;
    }
}

/* Which half of the pipeline has which of its model rows. */
static void deal(const df_renderer *r, df_batch *b, const stage *s) {
    int n_halves = df_pipeline_halves(r->pipeline);
    memset(b->n_rows, 0, sizeof b->n_rows);
    if (s != &stepping) df_halves_split(b->n_rows, n_halves, b->n);
    for (int i = 0; s == &stepping && i < b->n; i++)
        df_halves_put(b->n_rows, n_halves, b->rows[i]->n_model_rows, &b->place[2 * i]);
}

static void set_states(df_batch *b, df_row_state state) {
    for (int i = 0; i < b->n; i++) b->rows[i]->state = state;
}

df_code df_batch_load(df_renderer *r, df_batch *b, df_component c, const df_graph_size *size, bool *later, df_err *why,
                      df_err *err) {
    *why = (df_err) { 0 };
    df_code rc = df_pipeline_load_of(r->pipeline, c, size, &b->program, why);
    *later = rc == DF_ELIMIT && r->n_busy > 0;
    return rc && df_pipeline_is_broken(r->pipeline) ? df_err_set(err, rc, "%s", why->text) : DF_OK;
}

df_code df_batch_run(df_renderer *r, df_batch *b, int slot, bool *started, df_err *err) {
    df_renderer_trace(r);
    df_code rc = df_pipeline_start_halves(r->pipeline, slot, b->program, b->n_rows, err);
    r->since_ns = df_clock_ns();
    if (rc) return rc;
    r->n_busy++;
    *started = true;
    return DF_OK;
}

static void fail_rows(df_renderer *r, df_batch *b, const df_err *why) {
    set_states(b, DF_ROW_IN_FLIGHT); /* a callback that cancels one of them must not free it */
    for (int i = 0; i < b->n; i++) df_renderer_fail(r, b->rows[i], why);
    b->n = 0;
}

/* Bytes of one row of a port, in the activation type. */
static size_t row_bytes(const df_renderer *r, const df_batch *b, df_value_id port) {
    const df_graph *g = df_pipeline_graph(r->pipeline, b->program);
    return (size_t)df_shape_elements(df_graph_shape(g, port)) * df_dtype_bytes(r->dtype);
}

static size_t input_bytes(const df_renderer *r, const df_batch *b, const char *port) {
    return row_bytes(r, b, df_graph_find_input(df_pipeline_graph(r->pipeline, b->program), port));
}

const void *df_batch_output(const df_renderer *r, const df_batch *b, int slot, const char *port, df_half_place at) {
    size_t bytes = row_bytes(r, b, df_graph_find_output(df_pipeline_graph(r->pipeline, b->program), port));
    const char *rows = df_pipeline_half_output(r->pipeline, slot, b->program, at.half, port, b->n_rows[at.half]);
    return rows + (size_t)at.at * bytes;
}

static void *input(df_renderer *r, const df_batch *b, int slot, int half, const char *port) {
    return df_pipeline_half_input(r->pipeline, slot, b->program, half, port, b->n_rows[half]);
}

static df_row_ports ports_of(df_renderer *r, const df_batch *b, int slot, int half) {
    return (df_row_ports) {
        .sample = input(r, b, slot, half, "sample"),
        .timestep = input(r, b, slot, half, "timestep"),
        .text = input(r, b, slot, half, "encoder_hidden_states"),
        .pooled = input(r, b, slot, half, "pooled"),
        .time_ids = input(r, b, slot, half, "time_ids"),
        .class_labels = input(r, b, slot, half, "class_labels"),
    };
}

static void fill_step(df_renderer *r, df_batch *b, int slot) {
    const df_row_ports ports[DF_MOST_HALVES] = { ports_of(r, b, slot, 0), ports_of(r, b, slot, 1) };
    for (int i = 0; i < b->n; i++) {
        const df_half_place *place = &b->place[2 * i];
        df_row_begin_step(b->rows[i]);
        for (int k = 0; k < b->rows[i]->n_model_rows; k++)
            df_row_write_input(b->rows[i], k, &ports[place[k].half], place[k].at, r->dtype);
    }
}

/* Of row i of those that have no partners. */
static char *input_row(df_renderer *r, const df_batch *b, int slot, const char *port, int i) {
    df_half_place at = df_halves_place(b->n_rows, i);
    return (char *)input(r, b, slot, at.half, port) + (size_t)at.at * input_bytes(r, b, port);
}

static void fill_encode(df_renderer *r, df_batch *b, int slot) {
    for (int i = 0; i < b->n; i++) df_row_write_picture(b->rows[i], input_row(r, b, slot, "image", i), r->dtype);
}

static void fill_decode(df_renderer *r, df_batch *b, int slot) {
    for (int i = 0; i < b->n; i++) df_row_write_latents(b->rows[i], input_row(r, b, slot, "z", i), r->dtype);
}

static int step_of(const df_row *row) {
    return df_walk_call(row->walk) - df_walk_first_call(row->walk);
}

static void tell_steps(df_renderer *r, const df_batch *b, int slot) {
    int first = step_of(b->rows[0]), last = first;
    for (int i = 1; i < b->n; i++) {
        int step = step_of(b->rows[i]);
        if (step < first) first = step;
        if (step > last) last = step;
    }
    df_pipeline_set_steps(r->pipeline, slot, first, last);
}

static void fill(df_renderer *r, df_batch *b, int slot) {
    if (b->kind == DF_BATCH_STEP) {
        fill_step(r, b, slot);
        tell_steps(r, b, slot);
    }
    if (b->kind == DF_BATCH_ENCODE) fill_encode(r, b, slot);
    if (b->kind == DF_BATCH_DECODE) fill_decode(r, b, slot);
}

static df_code start(df_renderer *r, const stage *s, int slot, bool *started, df_err *err) {
    df_batch *b = &r->batches[slot];
    bool later;
    df_err why;
    df_row *first = next_waiting(r, s);
    if (!first) return DF_OK;
    gather(b, first, s, s == &stepping ? share(r, first) : r->cfg.micro_batch);
    df_graph_size size = size_of(first, s);
    df_code rc = df_batch_load(r, b, s->component, &size, &later, &why, err);
    if (rc || later) return rc;
    if (why.code) {
        fail_rows(r, b, &why);
        return DF_OK;
    }
    b->kind = s->kind;
    deal(r, b, s);
    fill(r, b, slot);
    set_states(b, s->running);
    return df_batch_run(r, b, slot, started, err);
}

df_code df_batch_start(df_renderer *r, int slot, bool *started, df_err *err) {
    static const stage *const of[DF_BATCH_KINDS] = {
        [DF_BATCH_DECODE] = &decoding, [DF_BATCH_ENCODE] = &encoding, [DF_BATCH_STEP] = &stepping
    };
    df_code rc = DF_OK;
    *started = false;
    for (int kind = DF_BATCH_NONE + 1; kind < DF_BATCH_KINDS && !rc && !*started; kind++)
        rc =
            kind == DF_BATCH_TEXT ? df_text_batch_start(r, slot, started, err) : start(r, of[kind], slot, started, err);
    return rc;
}

/* The row waits for what comes next, unless it has been cancelled or rc says that it failed; false: it is gone. */
static bool go_on(df_renderer *r, df_row *row, df_code rc, const df_err *why) {
    if (row->cancelled)
        df_renderer_drop(r, row);
    else if (rc)
        df_renderer_fail(r, row, why);
    else {
        df_row_wait(row);
        df_renderer_to_end(r, row);
        return true;
    }
    return false;
}

static void finish_row_step(df_renderer *r, df_row *row, const void *const out[]) {
    df_err why;
    uint64_t id = row->id;
    df_code rc = row->cancelled ? DF_OK : df_row_take_output(row, out, r->dtype, &why);
    int step = step_of(row), n_steps = df_walk_end_call(row->walk) - df_walk_first_call(row->walk);
    if (go_on(r, row, rc, &why) && r->cfg.on_step) r->cfg.on_step(r->cfg.ctx, id, step, n_steps);
}

static void finish_step(df_renderer *r, df_batch *b, int slot) {
    for (int i = 0; i < b->n; i++) {
        const void *out[2] = { NULL, NULL };
        for (int k = 0; k < b->rows[i]->n_model_rows; k++)
            out[k] = df_batch_output(r, b, slot, "out", b->place[2 * i + k]);
        finish_row_step(r, b->rows[i], out);
    }
}

static void finish_encode(df_renderer *r, df_batch *b, int slot) {
    for (int i = 0; i < b->n; i++) {
        df_row *row = b->rows[i];
        df_err why;
        const void *moments = df_batch_output(r, b, slot, "moments", df_halves_place(b->n_rows, i));
        df_code rc = row->cancelled ? DF_OK : df_row_take_moments(row, moments, r->dtype, &why);
        go_on(r, row, rc, &why);
    }
}

df_code df_batch_finish(df_renderer *r, int slot, const df_err *failure, df_err *err) {
    df_batch *b = &r->batches[slot];
    df_batch_kind kind = b->kind;
    df_code rc = DF_OK;
    r->n_busy--;
    b->kind = DF_BATCH_NONE;
    if (kind == DF_BATCH_TEXT)
        df_text_batch_finish(r, b, slot, failure);
    else if (failure)
        fail_rows(r, b, failure);
    else if (kind == DF_BATCH_ENCODE)
        finish_encode(r, b, slot);
    else if (kind == DF_BATCH_STEP)
        finish_step(r, b, slot);
    else
        rc = df_renderer_finish_decode(r, b, slot, err);
    b->n = 0;
    return rc;
}
