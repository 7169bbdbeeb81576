/* Life of a pipeline. */
#include "cluster/pipeline.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cluster/pipeline_impl.h"

enum { MAX_ROWS = 4096, MAX_SLOTS = 256 };

static bool alloc_slot(df_slot *s, int n_ranks) {
    s->edge = calloc(DF_PROGRAM_MAX_EDGES, sizeof *s->edge);
    s->command_sent = calloc((size_t)n_ranks, sizeof *s->command_sent);
    s->ended = calloc((size_t)n_ranks, sizeof *s->ended);
    s->posted_ns = calloc(DF_PROGRAM_MAX_EDGES, sizeof *s->posted_ns);
    s->first_step = s->last_step = -1;
    return s->edge && s->command_sent && s->ended && s->posted_ns;
}

static df_code alloc_all(df_pipeline *p, df_err *err) {
    size_t n = (size_t)p->n_ranks;
    bool ok = (p->slots = calloc((size_t)p->cfg.n_slots, sizeof *p->slots)) != NULL;
    p->n_slots = ok ? p->cfg.n_slots : 0;
    for (int i = 0; i < p->n_slots; i++) ok &= alloc_slot(&p->slots[i], p->n_ranks);
    ok &= (p->turns = calloc((size_t)p->cfg.n_slots, sizeof *p->turns)) != NULL;
    ok &= (p->status_in = calloc(n, sizeof *p->status_in)) != NULL;
    ok &= (p->status_recv = calloc(n, sizeof *p->status_recv)) != NULL;
    ok &= (p->seen = calloc(n, sizeof *p->seen)) != NULL;
    ok &= (p->reply.command_sent = calloc(n, sizeof *p->reply.command_sent)) != NULL;
    ok &= (p->reply.costs_sent = calloc(n, sizeof *p->reply.costs_sent)) != NULL;
    ok &= (p->reply.speeds_sent = calloc(n, sizeof *p->reply.speeds_sent)) != NULL;
    ok &= (p->reply.ended = calloc(n, sizeof *p->reply.ended)) != NULL;
    ok &= (p->speed = calloc(n, sizeof *p->speed)) != NULL;
    ok &= (p->next_speed = calloc(n, sizeof *p->next_speed)) != NULL;
    return ok ? DF_OK : df_err_set(err, DF_ENOMEM, "pipeline of %d ranks and %d slots", p->n_ranks, p->cfg.n_slots);
}

static void cancel(df_pipeline *p, df_comm_request **req) {
    if (*req) p->comm->ops->cancel(p->comm, req);
}

/* Only an error leaves requests behind; their buffers go away now. */
static void cancel_all(df_pipeline *p) {
    for (int i = 0; i < p->n_slots; i++) {
        df_slot *s = &p->slots[i];
        for (int e = 0; s->edge && e < DF_PROGRAM_MAX_EDGES; e++) cancel(p, &s->edge[e]);
        for (int r = 0; s->command_sent && r < p->n_ranks; r++) cancel(p, &s->command_sent[r]);
        cancel(p, &s->status_sent);
    }
    for (int r = 0; p->status_recv && r < p->n_ranks; r++) cancel(p, &p->status_recv[r]);
    for (int r = 0; p->reply.command_sent && r < p->n_ranks; r++) cancel(p, &p->reply.command_sent[r]);
    for (int r = 0; p->reply.costs_sent && r < p->n_ranks; r++) cancel(p, &p->reply.costs_sent[r]);
    for (int r = 0; p->reply.speeds_sent && r < p->n_ranks; r++) cancel(p, &p->reply.speeds_sent[r]);
    cancel(p, &p->command_recv);
    cancel(p, &p->status_sent);
    cancel(p, &p->sign_sent);
}

static void free_all(df_pipeline *p) {
    for (int i = 0; i < p->n_slots; i++) {
        free(p->slots[i].edge);
        free(p->slots[i].posted_ns);
        free(p->slots[i].command_sent);
        free(p->slots[i].ended);
    }
    for (int i = 0; i < DF_MAX_PROGRAMS; i++) df_program_close(&p->programs[i]);
    free(p->slots);
    free(p->turns);
    free(p->status_in);
    free(p->status_recv);
    free(p->seen);
    free(p->reply.command_sent);
    free(p->reply.costs_sent);
    free(p->reply.speeds_sent);
    free(p->speed);
    free(p->next_speed);
    df_cost_book_free(&p->costs);
    free(p->reply.ended);
    free(p);
}

static df_code listen_first(df_pipeline *p, df_err *err) {
    df_code rc = DF_OK;
    if (p->rank > 0) return df_serve_listen(p, err);
    for (int r = 1; r < p->n_ranks && !rc; r++) rc = df_rank0_listen(p, r, err);
    return rc;
}

static df_code check_cfg(const df_pipeline_cfg *cfg, int n_ranks, df_err *err) {
    if (cfg->max_rows < 1 || cfg->max_rows > MAX_ROWS)
        return df_err_set(err, DF_EINVAL, "micro-batches of %d rows: 1 to %d are possible", cfg->max_rows, MAX_ROWS);
    if (cfg->max_pictures < 0 || cfg->max_pictures > cfg->max_rows)
        return df_err_set(err, DF_EINVAL, "micro-batches of %d pictures in %d rows", cfg->max_pictures, cfg->max_rows);
    if (cfg->n_slots < 1 || cfg->n_slots > MAX_SLOTS)
        return df_err_set(err, DF_EINVAL, "%d micro-batches in flight: 1 to %d are possible", cfg->n_slots, MAX_SLOTS);
    if (cfg->n_halves < 0 || cfg->n_halves > DF_MOST_HALVES || (cfg->n_halves == 2 && n_ranks % 2))
        return df_err_set(err, DF_EINVAL, "%d ranks in %d halves: two halves of equally many are possible", n_ranks,
                          cfg->n_halves);
    return DF_OK;
}

/* What rank 0 keeps of the other half lies in the host's memory, and a transport of devices moves nothing of that. */
static df_code check_transport(const df_comm *comm, const df_pipeline_cfg *cfg, df_err *err) {
    if (!comm->ops->compute_on || !cfg->backend->space || cfg->n_halves < 2) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "two halves of a pipeline cannot be over a transport of devices (%s)",
                      comm->ops->name);
}

df_code df_pipeline_open(df_pipeline **out, df_comm *comm, const df_model *model, const df_pipeline_cfg *cfg,
                         df_err *err) {
    df_code rc = check_cfg(cfg, comm->size, err);
    if (!rc) rc = check_transport(comm, cfg, err);
    if (rc) return rc;
    df_pipeline *p = calloc(1, sizeof *p);
    if (!p) return df_err_set(err, DF_ENOMEM, "pipeline: %zu bytes", sizeof *p);
    p->comm = comm;
    p->rank = comm->rank;
    p->n_ranks = comm->size;
    p->stall_timeout_ms = cfg->stall_timeout_ms;
    p->load_timeout_ms = cfg->load_timeout_ms;
    p->last_tick_ms = df_clock_ms();
    p->trace = cfg->trace;
    p->confirm = cfg->confirm;
    p->confirm_ctx = cfg->confirm_ctx;
    p->watch = comm->rank ? NULL : cfg->watch;
    p->watch_ctx = cfg->watch_ctx;
    p->costs_cfg = cfg->costs;
    p->recut_after = comm->rank ? 0 : cfg->recut_after;
    p->on_recut = cfg->on_recut;
    p->on_recut_ctx = cfg->on_recut_ctx;
    p->cfg = (df_program_cfg) {
        .model = model,
        .backend = cfg->backend,
        .backend_cfg = cfg->backend_cfg,
        .edges_on_device = comm->ops->compute_on && cfg->backend->space && comm->size > 1,
        .rank = comm->rank,
        .n_ranks = comm->size,
        .n_halves = cfg->n_halves ? cfg->n_halves : 1,
        .max_rows = cfg->max_rows,
        .max_pictures = cfg->max_pictures ? cfg->max_pictures : cfg->max_rows,
        .n_slots = cfg->n_slots,
        .packed_dir = cfg->packed_dir,
        .model_key = cfg->model_key,
        .denoiser_tap = cfg->denoiser_tap,
        .tap_ctx = cfg->tap_ctx,
        .costs = &p->costs,
        .hops = cfg->hops,
    };
    p->half = comm->rank / df_program_depth(&p->cfg);
    rc = alloc_all(p, err);
    if (!rc) rc = listen_first(p, err);
    if (rc) {
        cancel_all(p);
        free_all(p);
        return rc;
    }
    *out = p;
    return DF_OK;
}

/* What is in flight ends first: at most one pass of each slot. */
static df_code stop_others(df_pipeline *p, df_err *err) {
    bool moved, ran;
    df_code rc = DF_OK;
    while (!rc && df_pipeline_is_busy(p)) rc = df_pipeline_work(p, DF_IDLE_US, &moved, &ran, err);
    if (!rc) rc = df_rank0_command(p, &(df_command) { .op = DF_COMMAND_STOP }, err);
    return rc ? rc : df_rank0_wait(p, 0, err);
}

df_code df_pipeline_rest(df_pipeline *p, df_err *err) {
    df_err mine;
    if (!err) err = &mine;
    if (p->broken.code) return df_pipeline_return_broken(p, err);
    df_code rc = stop_others(p, err);
    p->stopped = true;
    return rc;
}

df_code df_pipeline_resume(df_pipeline *p, df_err *err) {
    p->stopped = false;
    p->reply.command.op = 0; /* a stop is the last to be answered; it is no longer */
    df_pipeline_note_move(p);
    return listen_first(p, err);
}

void df_pipeline_close(df_pipeline **pp) {
    if (!pp || !*pp) return;
    df_pipeline *p = *pp;
    *pp = NULL;
    df_err err;
    if (p->rank == 0 && !p->stopped && !p->broken.code) stop_others(p, &err);
    cancel_all(p);
    free_all(p);
}

bool df_pipeline_is_broken(const df_pipeline *p) {
    return p->broken.code != DF_OK;
}

int df_pipeline_ranks(const df_pipeline *p) {
    return p->n_ranks;
}

int df_pipeline_halves(const df_pipeline *p) {
    return p->cfg.n_halves;
}

int df_pipeline_slots(const df_pipeline *p) {
    return p->n_slots;
}

int df_pipeline_max_rows(const df_pipeline *p) {
    return p->cfg.max_rows;
}

int df_pipeline_max_pictures(const df_pipeline *p) {
    return p->cfg.max_pictures;
}

df_dtype df_pipeline_dtype(const df_pipeline *p) {
    return p->cfg.backend_cfg.dtype;
}

void df_pipeline_backend(const df_pipeline *p, const df_backend **backend, df_backend_cfg *cfg) {
    *backend = p->cfg.backend;
    *cfg = p->cfg.backend_cfg;
}

df_stage_memory df_pipeline_memory(const df_pipeline *p) {
    df_stage_memory sum = { 0 };
    for (int i = 0; i < DF_MAX_PROGRAMS; i++) {
        if (!p->programs[i]) continue;
        df_stage_memory m = df_stage_memory_of(p->programs[i]->stage);
        sum.weight_bytes += m.weight_bytes;
        sum.slot_bytes += m.slot_bytes;
        sum.scratch_bytes += m.scratch_bytes;
    }
    return sum;
}
