#include "worker/feeder.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "worker/advice.h"
#include "worker/defaults.h"
#include "worker/guard.h"
#include "worker/request.h"
#include "worker/row_files.h"

#define WAIT_US 1000
#define ROWS_AHEAD 8 /* whose files are fetched with those of a row that waits */
#define RATE_MEMORY_NS 120000000000 /* the rate forgets by half when it has seen so much work */

typedef struct batch {
    df_lease *lease; /* held */
    size_t next; /* first row not begun */
    size_t end; /* rows from here were handed back */
    Diffarm__Adapter **adapters_in_f32; /* the one row is made once more, in f32, with these (guard.h); else NULL */
    struct batch *after;
} batch;

typedef struct live_row {
    uint64_t id;
    df_lease *lease; /* held */
    size_t i;
    double share; /* of its steps, done */
    bool in_f32; /* it is made once more */
    char scheduler[32];
} live_row;

struct df_feeder {
    df_feeder_cfg cfg;
    batch *batches; /* oldest first */
    live_row *live;
    size_t n_live, live_capacity;
    uint64_t next_id;
    df_inputs *inputs;
    df_places *places;
    df_row_files here; /* the next row, with its files */
    bool is_held;
    df_shelf *shelf;
    df_session *session; /* in use, the shelf's; NULL: none */
    df_renderer *renderer;
    double n_rated, rated_work; /* pictures, and their pixels times steps */
    int64_t rated_ns;
    int cold; /* pictures that are still to come of those begun while the model's memory was first touched */
    df_speed cold_speed; /* what the speed seemed to be then */
};

/* rows that end */

static df_result *result_of(df_lease *lease, size_t i) {
    df_result *r = calloc(1, sizeof *r);
    if (!r) abort(); /* the supervisor starts us anew, the row goes to another */
    r->lease = df_lease_hold(lease);
    r->i = i;
    return r;
}

static void fail_row(df_feeder *f, df_lease *lease, size_t i, bool in_f32, const df_err *why) {
    df_result *r = result_of(lease, i);
    r->why = *why;
    if (in_f32) df_err_wrap(&r->why, "again in f32, as %s gave no picture of use", lease->job->dtype);
    f->cfg.fail(f->cfg.ctx, &r);
}

static live_row *find(df_feeder *f, uint64_t id) {
    for (size_t k = 0; k < f->n_live; k++)
        if (f->live[k].id == id) return &f->live[k];
    return NULL;
}

static void forget(df_feeder *f, live_row *row) {
    df_lease_drop(&row->lease);
    *row = f->live[--f->n_live];
}

/* From here on the speed is what it will stay. */
static void warmed_up(df_feeder *f) {
    f->cold_speed = df_feeder_speed(f);
    f->n_rated = f->rated_work = 0;
    f->rated_ns = 0;
}

static void add_batch(df_feeder *f, batch *b) {
    batch **at = &f->batches;
    while (*at) at = &(*at)->after;
    *at = b;
}

/* Behind all that waits: the model then changes once for all rows that came out badly. */
static void make_again(df_feeder *f, const live_row *row) {
    batch *b = calloc(1, sizeof *b);
    if (!b || !(b->adapters_in_f32 = df_guard_adapters(row->lease->rows[row->i]))) abort();
    b->lease = df_lease_hold(row->lease);
    b->next = row->i;
    b->end = row->i + 1;
    add_batch(f, b);
}

/* A row that begins with a picture leaves steps out. */
static double work_of(const Diffarm__Row *row) {
    return (double)row->width * row->height * row->steps * (row->strength > 0 ? row->strength : 1);
}

static void on_image(void *ctx, uint64_t id, const df_picture *picture) {
    df_feeder *f = ctx;
    live_row *row = find(f, id);
    if (!row) return;
    if (!row->in_f32 && df_guard_doubts_picture(row->lease->job, picture->flags)) {
        make_again(f, row);
        forget(f, row);
        return;
    }
    size_t bytes = (size_t)picture->width * (size_t)picture->height * 3;
    df_raw_picture *p = calloc(1, sizeof *p);
    if (!p || !(p->rgb = malloc(bytes))) abort();
    memcpy(p->rgb, picture->rgb, bytes);
    p->width = picture->width;
    p->height = picture->height;
    p->result = result_of(row->lease, row->i);
    p->result->flags = picture->flags | (row->in_f32 ? DF_GUARD_FLAG_F32 : 0u);
    p->result->seconds = picture->seconds;
    memcpy(p->result->scheduler, row->scheduler, sizeof row->scheduler);
    const Diffarm__Row *wanted = p->result->lease->rows[p->result->i];
    forget(f, row);
    f->n_rated += 1;
    f->rated_work += work_of(wanted);
    if (f->cold && !--f->cold) warmed_up(f);
    f->cfg.deliver(f->cfg.ctx, p);
}

static void on_step(void *ctx, uint64_t id, int step, int n_steps) {
    live_row *row = find(ctx, id);
    if (row && n_steps > 0) row->share = (double)step / n_steps;
}

static void on_failed(void *ctx, uint64_t id, const df_err *why) {
    df_feeder *f = ctx;
    live_row *row = find(f, id);
    if (!row) return;
    if (!row->in_f32 && df_guard_doubts_failure(row->lease->job, why->code))
        make_again(f, row);
    else
        fail_row(f, row->lease, row->i, row->in_f32, why);
    forget(f, row);
}

/* models */

static void leave_session(df_feeder *f) {
    df_renderer_close(&f->renderer);
    f->session = NULL;
}

/* Of the next row of the batch, whose files are there. */
static df_session_want want_of(const df_feeder *f, const batch *b) {
    const Diffarm__JobSpec *job = b->lease->job;
    const Diffarm__Row *row = &f->here.row;
    df_session_want w = { .path = job->model_path,
                          .sha256 = job->model_sha256,
                          .config_dir = job->model_config,
                          .dtype = job->dtype,
                          .adapters = row->adapters,
                          .n_adapters = row->n_adapters,
                          .no_t5 = job->no_t5,
                          .fast_conv = job->fast_conv };
    for (int i = 0; i < f->cfg.n_offers; i++)
        if (!strcmp(f->cfg.offers[i].sha256, job->model_sha256)) w.path = f->cfg.offers[i].path;
    w.micro_batch = f->cfg.micro_batch ? f->cfg.micro_batch : (int)job->micro_batch;
    if (b->adapters_in_f32) df_guard_want(&w);
    return w;
}

static bool same_adapters(const Diffarm__Row *row, const df_session_want *want) {
    if (row->n_adapters != want->n_adapters) return false;
    for (size_t i = 0; i < row->n_adapters; i++)
        if (strcmp(row->adapters[i]->file->sha256, want->adapters[i]->file->sha256) ||
            row->adapters[i]->weight != want->adapters[i]->weight ||
            strcmp(row->adapters[i]->name, want->adapters[i]->name))
            return false;
    return true;
}

static df_code grow_live(df_feeder *f, df_err *err) {
    size_t capacity = (size_t)df_session_capacity(f->session) * 2;
    if (capacity <= f->live_capacity) return DF_OK;
    live_row *more = realloc(f->live, capacity * sizeof *more);
    if (!more) return df_err_set(err, DF_ENOMEM, "%zu rows", capacity);
    f->live = more;
    f->live_capacity = capacity;
    return DF_OK;
}

/* This worker's ranks could be workers of their own. */
static void advise(const df_feeder *f, const df_session_want *want) {
    char why[256];
    df_arithmetic how;
    int n_ranks = f->cfg.comm->size;
    if (n_ranks == 1 || !df_arithmetic_of(want->dtype, &how)) return;
    df_pipeline *pipeline = df_session_pipeline(f->session);
    const df_graph_size own = df_model_own_size(df_session_model(f->session));
    df_pipeline_learn_costs(pipeline, DF_DENOISER, &own);
    const df_advice_question q = {
        .model = df_session_model(f->session),
        .backend = f->cfg.session.backend,
        .backend_cfg = { .dtype = how.dtype,
                         .threads = 1,
                         .gpu = f->cfg.session.gpu,
                         .int8 = how.int8,
                         .fast_conv = want->fast_conv },
        .micro_batch = df_session_micro_batch(f->session),
        .n_ranks = n_ranks,
        .hops = f->cfg.session.hops,
        .costs = df_pipeline_costs(pipeline),
        .depth = n_ranks,
        .rank_bytes = df_advice_rank_bytes(n_ranks), /* as if all were here: on several hosts each has more */
        .split = df_session_halves(f->session) > 1 ? DF_SPLIT_CFG : DF_SPLIT_LAYERS,
        .aim = f->cfg.session.aim,
    };
    if (df_advice_slower(&q, why, sizeof why))
        df_log_event(f->cfg.log, DF_LOG_WARN, "slower_than_planned", "path=%s ranks=%d why=\"%s\"", want->path, n_ranks,
                     why);
}

static df_code open_session(df_feeder *f, const df_session_want *want, df_err *err) {
    df_renderer_cfg rc_cfg = { .ctx = f, .on_image = on_image, .on_step = on_step, .on_failed = on_failed };
    int64_t start = df_clock_ms();
    bool opened;
    leave_session(f);
    df_code rc = df_shelf_take(f->shelf, want, &f->session, &opened, err);
    if (rc) return rc;
    if (opened) f->cold = df_session_capacity(f->session);
    rc = grow_live(f, err);
    rc_cfg.micro_batch = df_session_micro_batch(f->session);
    if (!rc)
        rc =
            df_renderer_open(&f->renderer, df_session_pipeline(f->session), df_session_model(f->session), &rc_cfg, err);
    if (rc) {
        leave_session(f);
        df_shelf_drop(f->shelf);
        return rc;
    }
    df_log_event(f->cfg.log, DF_LOG_INFO, opened ? "model_open" : "model_resumed",
                 "path=%s adapters=%zu dtype=%s micro_batch=%d halves=%d ms=%lld", want->path, want->n_adapters,
                 want->dtype, rc_cfg.micro_batch, df_session_halves(f->session), (long long)(df_clock_ms() - start));
    if (opened) advise(f, want);
    return DF_OK;
}

/* rows that begin */

/* The next row of the batch, as it is to be made. */
static Diffarm__Row next_row(const batch *b) {
    Diffarm__Row row = *b->lease->rows[b->next];
    if (!b->adapters_in_f32) return row;
    row.adapters = b->adapters_in_f32;
    for (row.n_adapters = 0; row.adapters[row.n_adapters];) row.n_adapters++;
    return row;
}

/* Is all there that the next row of the batch names? A row whose files cannot be had fails. */
static bool has_files(df_feeder *f, batch *b) {
    df_err err;
    df_row_files ahead;
    const Diffarm__Row next = next_row(b);
    df_code rc = df_row_files_find(&f->here, f->places, &next, &err);
    f->is_held = rc == DF_ETIMEOUT;
    for (size_t i = b->next + 1; f->is_held && i < b->end && i <= b->next + ROWS_AHEAD; i++)
        df_row_files_find(&ahead, f->places, b->lease->rows[i], &err);
    if (rc && !f->is_held) fail_row(f, b->lease, b->next++, b->adapters_in_f32 != NULL, &err);
    return !rc;
}

static void begin_row(df_feeder *f, batch *b) {
    df_err err;
    df_row_request rq;
    size_t i = b->next++;
    live_row *row = &f->live[f->n_live];
    const df_model *model = df_session_model(f->session);
    df_code rc = df_row_request_open(&rq, model, f->inputs, &f->here.row, b->lease->job, &err);
    if (!rc) {
        *row = (live_row) { .id = f->next_id++, .i = i, .in_f32 = b->adapters_in_f32 != NULL };
        memcpy(row->scheduler, rq.is.scheduler.name, sizeof row->scheduler);
        row->lease = df_lease_hold(b->lease);
        f->n_live++; /* before: the renderer may fail it at once */
        rc = df_renderer_add(f->renderer, row->id, &rq.is, &err);
        if (rc) forget(f, row);
        df_row_request_close(&rq);
    }
    if (rc) fail_row(f, b->lease, i, b->adapters_in_f32 != NULL, &err);
}

static void drop_batch(df_feeder *f, batch *b) {
    batch **at = &f->batches;
    while (*at != b) at = &(*at)->after;
    *at = b->after;
    df_lease_drop(&b->lease);
    free(b->adapters_in_f32);
    free(b);
}

/* The model that a row wants cannot be had: it fails with the reason, and with it those behind that want the same. */
static void fail_alike(df_feeder *f, batch *b, const df_session_want *want, const df_err *why) {
    const df_lease *l = b->lease;
    df_log_event(f->cfg.log, DF_LOG_ERROR, "model_unusable", "lease=%s error=\"%s\"", l->token, why->text);
    do fail_row(f, b->lease, b->next++, b->adapters_in_f32 != NULL, why);
    while (b->next < b->end && same_adapters(l->rows[b->next], want));
}

/* True if the next row of the batch can begin now. The model changes only when the last row of the one before has
 * ended; one with other adapters is another model. */
static bool ready_for(df_feeder *f, batch *b) {
    df_err err;
    df_session_want want = want_of(f, b);
    if (f->renderer && df_session_fits(f->session, &want)) return true;
    if (f->n_live) return false;
    if (!open_session(f, &want, &err)) return true;
    fail_alike(f, b, &want, &err);
    return false;
}

static bool has_room(const df_feeder *f) {
    return f->n_live < f->live_capacity && df_renderer_room(f->renderer) > 0;
}

static void begin_rows(df_feeder *f) {
    f->is_held = false;
    while (f->batches) {
        batch *b = f->batches;
        size_t before = b->next;
        if (b->next < b->end && has_files(f, b) && ready_for(f, b)) {
            if (!has_room(f)) return;
            begin_row(f, b);
        }
        if (b->next == b->end)
            drop_batch(f, b);
        else if (b->next == before)
            return;
    }
}

/* the interface */

df_code df_feeder_open(df_feeder **out, const df_feeder_cfg *cfg, df_err *err) {
    df_feeder *f = calloc(1, sizeof *f);
    df_code rc = DF_OK;
    if (!f || !(f->inputs = df_inputs_new()) || !(f->places = df_places_new(cfg->fetch, cfg->inputs_dir)))
        rc = df_err_set(err, DF_ENOMEM, "the feeder");
    if (!rc) rc = df_shelf_new(&f->shelf, cfg->comm, &cfg->session, cfg->keep_bytes, err);
    if (rc) {
        df_feeder_close(&f);
        return rc;
    }
    f->cfg = *cfg;
    *out = f;
    return DF_OK;
}

void df_feeder_close(df_feeder **fp) {
    df_feeder *f = *fp;
    if (!f) return;
    leave_session(f);
    df_shelf_free(&f->shelf);
    while (f->n_live) forget(f, f->live);
    while (f->batches) drop_batch(f, f->batches);
    df_inputs_free(&f->inputs);
    df_places_free(&f->places);
    free(f->live);
    free(f);
    *fp = NULL;
}

void df_feeder_lease(df_feeder *f, df_lease **lease) {
    batch *b = calloc(1, sizeof *b);
    if (!b) abort();
    b->lease = *lease;
    b->end = b->lease->n_rows;
    *lease = NULL;
    add_batch(f, b);
}

void df_feeder_revoke(df_feeder *f, const df_lease *lease) {
    for (batch *b = f->batches, *after; b; b = after) {
        after = b->after;
        if (b->lease == lease) drop_batch(f, b);
    }
    for (size_t k = f->n_live; k-- > 0;) {
        if (f->live[k].lease != lease) continue;
        df_renderer_cancel(f->renderer, f->live[k].id);
        forget(f, &f->live[k]);
    }
}

df_lease *df_feeder_hand_back(df_feeder *f, size_t *first) {
    for (batch *b = f->batches; b; b = b->after) {
        if (b->next == b->end || b->adapters_in_f32) continue;
        *first = b->end = b->next;
        return df_lease_hold(b->lease);
    }
    return NULL;
}

df_code df_feeder_work(df_feeder *f, df_err *err) {
    begin_rows(f);
    if (!f->renderer || !df_renderer_busy(f->renderer)) return DF_OK;
    int64_t start = df_clock_ns();
    df_code rc = df_renderer_step(f->renderer, WAIT_US, err);
    f->rated_ns += df_clock_ns() - start;
    if (f->rated_ns > RATE_MEMORY_NS) {
        f->rated_ns /= 2;
        f->n_rated /= 2;
        f->rated_work /= 2;
    }
    return rc;
}

bool df_feeder_is_held(const df_feeder *f) {
    return f->is_held;
}

size_t df_feeder_waiting(const df_feeder *f) {
    size_t n = 0;
    for (const batch *b = f->batches; b; b = b->after)
        if (!b->adapters_in_f32) n += b->end - b->next;
    return n;
}

size_t df_feeder_live(const df_feeder *f) {
    size_t n = f->n_live;
    for (const batch *b = f->batches; b; b = b->after) n += b->adapters_in_f32 != NULL;
    return n;
}

size_t df_feeder_capacity(const df_feeder *f) {
    return f->session ? (size_t)df_session_capacity(f->session) : 1;
}

double df_feeder_steps_done(const df_feeder *f) {
    double sum = 0;
    for (size_t k = 0; k < f->n_live; k++) sum += f->live[k].share;
    return sum;
}

df_speed df_feeder_speed(const df_feeder *f) {
    double seconds = (double)f->rated_ns * 1e-9;
    return f->n_rated >= 1 ? (df_speed) { f->n_rated / seconds, f->rated_work / seconds } : f->cold_speed;
}
