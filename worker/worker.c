#include "worker/worker.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/hop_probe.h"
#include "cluster/timeline.h"
#include "worker/defaults.h"
#include "worker/feeder.h"

#define MAX_LEASE_ROWS 1024
#define IDLE_MS 20 /* it looks so often whether it is to drain */
#define FINISH_MS 10000
#define TELL_MS 200
#define LINKS_MS 60000 /* unless told otherwise, for a rank to answer while links are measured */
#define MOST_LINKED_RANKS 8 /* with a line in the log for each link */

/* Rank 0's parts. */
typedef struct worker {
    const df_worker_cfg *cfg;
    df_comm *comm;
    df_trace *trace; /* borrowed; NULL: none */
    const df_hops *hops; /* borrowed */
    char dtypes[32]; /* "f32 bf16" */
    df_offer *offers;
    df_fetch *fetch;
    df_uplink *uplink;
    df_encoder *encoder;
    df_feeder *feeder;
    bool asked; /* a lease, and it has not come */
    bool refused;
    int64_t drain_by; /* 0: not draining */
    int64_t told_ms; /* when the supervisor was last told where ranks are */
} worker;

static void deliver(void *ctx, df_raw_picture *p) {
    df_encoder_add(((worker *)ctx)->encoder, p);
}

static void fail(void *ctx, df_result **r) {
    worker *w = ctx;
    const Diffarm__Row *row = (*r)->lease->rows[(*r)->i];
    df_log_event(w->cfg->log, DF_LOG_ERROR, "row_failed", "job=%s row=%llu error=\"%s\"", (*r)->lease->job->job_id,
                 (unsigned long long)row->row, (*r)->why.text);
    df_uplink_result(w->uplink, r);
}

/* offers */

static df_code make_offer(df_offer *o, const char *path, df_err *err) {
    df_model *m = NULL;
    df_code rc = df_model_open(&m, path, err);
    if (!rc) rc = df_model_sha256(m, o->sha256, err);
    df_model_close(&m);
    if (!rc && !(o->path = realpath(path, NULL))) rc = df_err_set(err, DF_ENOTFOUND, "%s: has no absolute path", path);
    return rc;
}

static df_code make_offers(worker *w, df_err *err) {
    df_code rc = DF_OK;
    w->offers = calloc((size_t)w->cfg->n_models + 1, sizeof *w->offers);
    if (!w->offers) return df_err_set(err, DF_ENOMEM, "a list of models");
    for (int i = 0; !rc && i < w->cfg->n_models; i++) rc = make_offer(&w->offers[i], w->cfg->models[i], err);
    return rc;
}

/* opening and closing */

static void warn_of_costs(void *cfg, const char *text) {
    df_log_event(((const df_worker_cfg *)cfg)->log, DF_LOG_WARN, "costs", "error=\"%s\"", text);
}

static void tell_recut(void *cfg, const double *speed, int n_stages) {
    char text[256];
    size_t used = 0;
    for (int i = 0; i < n_stages && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.3g", i ? "," : "", speed[i]);
    df_log_event(((const df_worker_cfg *)cfg)->log, DF_LOG_INFO, "cut_anew", "speeds=%s", text);
}

static df_session_cfg session_cfg(const df_worker_cfg *cfg, const df_hops *hops, df_trace *trace) {
    df_session_cfg s = { .backend = cfg->backend,
                         .threads = cfg->threads,
                         .gpu = cfg->gpu,
                         .packed_dir = cfg->packed_dir,
                         .costs = cfg->costs,
                         .split = cfg->split,
                         .aim = cfg->aim,
                         .hops = hops,
                         .trace = trace,
                         .stall_timeout_ms = cfg->stall_timeout_ms };
    /* What a segment took is not seen where it is enqueued on a device. */
    s.recut_after = cfg->costs.mode >= DF_COSTS_MEASURED && !cfg->backend->space ? DF_WORKER_RECUT_AFTER : 0;
    s.on_recut = tell_recut;
    s.on_recut_ctx = (void *)(uintptr_t)cfg;
    s.costs.warn = warn_of_costs;
    s.costs.warn_ctx = (void *)(uintptr_t)cfg;
    return s;
}

/* The supervisor keeps it, for when a rank dies. */
static void tell_where(void *ctx, const df_pipeline *p, bool now) {
    worker *w = ctx;
    char where[DF_ROLL_WHERE_BYTES];
    int64_t at = df_clock_ms();
    if (!now && at - w->told_ms < TELL_MS) return;
    w->told_ms = at;
    for (int r = 0; r < df_pipeline_ranks(p); r++)
        df_pulse_tell(w->cfg->pulse, r, df_pipeline_where(p, r, where, sizeof where));
}

static bool computes_in(const df_worker_cfg *cfg, const char *dtype) {
    df_arithmetic is;
    void *ctx = NULL;
    if (!df_arithmetic_of(dtype, &is)) return false;
    const df_backend_cfg how = { .dtype = is.dtype, .int8 = is.int8, .threads = 1, .gpu = cfg->gpu };
    if (cfg->backend->open(&ctx, &how, NULL)) return false;
    cfg->backend->close(&ctx);
    return true;
}

/* "f32 bf16 int8", into out, which has room for them all. */
static const char *dtypes_of(char *out, const df_worker_cfg *cfg) {
    static const char *const names[] = { "f32", "bf16", "f16", "int8" };
    *out = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (computes_in(cfg, names[i])) sprintf(out + strlen(out), "%s%s", *out ? " " : "", names[i]);
    return out;
}

static df_code open_parts(worker *w, df_err *err) {
    const df_worker_cfg *cfg = w->cfg;
    df_code rc = make_offers(w, err);
    if (rc) {
        w->refused = true;
        return rc;
    }
    if ((rc = df_fetch_open(&w->fetch, cfg->input_cache_dir, cfg->input_cache_bytes, err))) return rc;
    const df_uplink_cfg up = { .endpoint = cfg->endpoint,
                               .keys_dir = cfg->keys_dir,
                               .ends_at_ms = cfg->ends_at_ms,
                               .offers = w->offers,
                               .n_offers = cfg->n_models,
                               .n_ranks = w->comm->size,
                               .threads = cfg->threads,
                               .backend = cfg->backend->name,
                               .dtypes = dtypes_of(w->dtypes, cfg),
                               .fetch = w->fetch,
                               .log = cfg->log };
    if ((rc = df_uplink_open(&w->uplink, &up, err))) {
        w->refused = cfg->keys_dir != NULL; /* keys that cannot be read stay so */
        return rc;
    }
    if ((rc = df_encoder_open(&w->encoder, w->uplink, cfg->backend->name, err))) return rc;
    df_session_cfg session = session_cfg(cfg, w->hops, w->trace);
    session.watch = cfg->pulse ? tell_where : NULL;
    session.watch_ctx = w;
    const df_feeder_cfg feed = { .comm = w->comm,
                                 .session = session,
                                 .keep_bytes = df_shelf_default_bytes(w->comm->size),
                                 .micro_batch = cfg->micro_batch,
                                 .offers = w->offers,
                                 .n_offers = cfg->n_models,
                                 .fetch = w->fetch,
                                 .inputs_dir = cfg->inputs_dir,
                                 .ctx = w,
                                 .deliver = deliver,
                                 .fail = fail,
                                 .log = cfg->log };
    return df_feeder_open(&w->feeder, &feed, err);
}

static void close_parts(worker *w) {
    df_feeder_close(&w->feeder);
    df_encoder_close(&w->encoder);
    df_uplink_close(&w->uplink);
    df_fetch_close(&w->fetch);
    for (int i = 0; w->offers && i < w->cfg->n_models; i++) free((char *)w->offers[i].path);
    free(w->offers);
}

/* the loop */

static df_code take(worker *w, df_uplink_event *e, df_err *err) {
    switch (e->kind) {
    case DF_UPLINK_LEASE:
        w->asked = false;
        df_feeder_lease(w->feeder, &e->lease);
        return DF_OK;
    case DF_UPLINK_REVOKED: df_feeder_revoke(w->feeder, e->lease); return DF_OK;
    default: w->refused = true; return df_err_set(err, e->why.code, "%s", e->why.text);
    }
}

static df_code take_all(worker *w, int timeout_ms, df_err *err) {
    df_code rc = DF_OK;
    for (df_uplink_event *e; !rc && (e = df_uplink_next(w->uplink, timeout_ms)); timeout_ms = 0) {
        rc = take(w, e, err);
        df_uplink_event_free(&e);
    }
    return rc;
}

/* The next lease is asked for while the last one still has rows to begin, so that the pipeline never runs dry. */
static void ask(worker *w) {
    if (w->asked || w->drain_by || df_feeder_waiting(w->feeder) > df_feeder_capacity(w->feeder) / 2) return;
    df_speed speed = df_feeder_speed(w->feeder);
    df_uplink_want(w->uplink, MAX_LEASE_ROWS, speed.images_per_second, speed.work_per_second);
    w->asked = true;
}

static void begin_drain(worker *w) {
    df_log_event(w->cfg->log, DF_LOG_INFO, "drain", "live=%zu waiting=%zu", df_feeder_live(w->feeder),
                 df_feeder_waiting(w->feeder));
    w->drain_by = df_clock_ms() + w->cfg->drain_ms;
    df_uplink_draining(w->uplink);
}

/* Leases may still come that were on their way: they are handed back as well. */
static void hand_back(worker *w) {
    size_t first;
    for (df_lease *l; (l = df_feeder_hand_back(w->feeder, &first)); df_lease_drop(&l))
        df_uplink_return(w->uplink, l, first);
}

static bool drained(worker *w) {
    int wish = w->cfg->drain ? *w->cfg->drain : 0;
    if (w->cfg->ends_at_ms && df_clock_ms() >= w->cfg->ends_at_ms - w->cfg->drain_ms && !wish) wish = 1;
    if (wish && !w->drain_by) begin_drain(w);
    if (!w->drain_by) return false;
    hand_back(w);
    return wish > 1 || !df_feeder_live(w->feeder) || df_clock_ms() >= w->drain_by;
}

static df_code loop(worker *w, df_err *err) {
    df_code rc;
    while (!drained(w)) {
        df_pulse_touch(w->cfg->pulse);
        bool idle = !df_feeder_live(w->feeder) && (!df_feeder_waiting(w->feeder) || df_feeder_is_held(w->feeder));
        ask(w);
        if ((rc = take_all(w, idle ? IDLE_MS : 0, err))) return rc;
        if ((rc = df_feeder_work(w->feeder, err))) return rc;
        df_uplink_progress(w->uplink, df_feeder_steps_done(w->feeder));
    }
    df_feeder_close(&w->feeder);
    df_encoder_close(&w->encoder); /* its last pictures go to the uplink */
    df_uplink_finish(w->uplink, FINISH_MS);
    return DF_OK;
}

static void log_links(const df_hops *hops, const df_comm *comm, const df_log *log) {
    if (comm->rank) return;
    df_log_level level = hops->n_ranks > MOST_LINKED_RANKS ? DF_LOG_DEBUG : DF_LOG_INFO; /* 64 ranks have 2016 links */
    for (int a = 0; a < hops->n_ranks; a++)
        for (int b = a + 1; b < hops->n_ranks; b++) {
            const df_hop *hop = df_hops_between(hops, a, b);
            df_log_event(log, level, "link", "from=%d to=%d latency_us=%.1f mb_per_s=%.0f", a, b,
                         hop->latency_seconds * 1e6, hop->bytes_per_second / 1e6);
        }
}

static df_code run_rank0(df_comm *comm, const df_worker_cfg *cfg, const df_hops *hops, df_trace *trace, bool *refused,
                         df_err *err) {
    worker w = { .cfg = cfg, .comm = comm, .hops = hops, .trace = trace };
    df_code rc = open_parts(&w, err);
    if (!rc) rc = loop(&w, err);
    close_parts(&w);
    if (!rc || w.refused) df_session_dismiss(comm); /* else the ranks may be out of step */
    *refused = w.refused;
    return rc;
}

/* All ranks have ended in order: none uses the communicator for anything else. */
static df_code write_trace(df_comm *comm, const df_worker_cfg *cfg, df_trace *trace, df_err *err) {
    df_timeline *line = NULL;
    df_code rc = df_timeline_gather(&line, trace, comm, err);
    if (rc || !line) return rc;
    rc = df_timeline_write(line, cfg->trace_path, err);
    if (!rc) df_timeline_print(line, stderr);
    df_timeline_free(&line);
    return rc;
}

df_code df_worker_run(df_comm *comm, const df_worker_cfg *cfg, bool *refused, df_err *err) {
    df_trace *trace = NULL;
    df_hops hops = { 0 };
    df_code rc = df_hops_measure(&hops, comm, cfg->stall_timeout_ms ? cfg->stall_timeout_ms : LINKS_MS, err);
    *refused = false;
    if (!rc) log_links(&hops, comm, cfg->log);
    if (!rc) df_hops_round(&hops);
    if (!rc && cfg->trace_path && !(rc = df_trace_open(&trace, 0, err))) rc = df_trace_meet(trace, comm, err);
    const df_session_cfg sc = session_cfg(cfg, &hops, trace);
    if (!rc) rc = comm->rank ? df_session_follow(comm, &sc, err) : run_rank0(comm, cfg, &hops, trace, refused, err);
    if (trace && (!rc || *refused)) {
        df_code late = write_trace(comm, cfg, trace, rc ? NULL : err);
        if (!rc) rc = late;
    }
    df_trace_close(&trace);
    df_hops_close(&hops);
    return rc;
}
