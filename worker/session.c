#include "worker/session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cluster/channels.h"
#include "engine/text/tokenizer.h"
#include "worker/advice.h"
#include "worker/content.h"
#include "worker/defaults.h"

typedef enum control_op {
    CONTROL_OPEN = 1,
    CONTROL_GO,
    CONTROL_ABANDON,
    CONTROL_RESUME,
    CONTROL_DROP,
    CONTROL_DISMISS
} control_op;

typedef struct adapter {
    int32_t kind; /* df_adapter_kind */
    char name[DF_ADDED_TOKEN_MAX_BYTES + 1]; /* token of an embedding */
    char path[PATH_MAX];
    char sha256[DF_SHA256_HEX_BYTES];
    double weight;
} adapter;

/* Of one size, both ways, so that the receiver always knows it. All ranks run one build on one kind of machine. */
typedef struct control {
    int32_t op, place, micro_batch, dtype, code;
    int32_t n_halves; /* GO */
    char path[PATH_MAX], config_dir[PATH_MAX];
    char sha256[DF_SHA256_HEX_BYTES];
    adapter adapters[DF_SESSION_MAX_ADAPTERS];
    int32_t n_adapters, no_t5, int8, fast_conv;
    char text[DF_ERR_TEXT_BYTES];
} control;

struct df_session {
    df_comm *comm;
    int place;
    bool resting;
    df_model *model;
    df_content *content; /* of the model */
    df_pipeline *pipeline;
    char path[PATH_MAX], config_dir[PATH_MAX], sha256[DF_SHA256_HEX_BYTES];
    adapter adapters[DF_SESSION_MAX_ADAPTERS];
    int n_adapters;
    bool no_t5, int8, fast_conv;
    int wanted_micro_batch, micro_batch, n_slots, n_halves;
    df_dtype dtype;
    df_buf key; /* what the weights are: the model and its adapters */
};

/* messages between the ranks of a worker */

static df_code send_control(df_comm *c, int to, const control *m, df_err *err) {
    return df_comm_send_now(c, to, DF_CHANNEL_SESSION, m, sizeof *m, err);
}

static df_code recv_control(df_comm *c, int from, control *m, df_err *err) {
    return df_comm_recv_now(c, from, DF_CHANNEL_SESSION, m, sizeof *m, err);
}

static df_code send_to_all(df_comm *c, const control *m, df_err *err) {
    df_code rc = DF_OK;
    for (int r = 1; !rc && r < c->size; r++) rc = send_control(c, r, m, err);
    return rc;
}

/* one rank's part */

/* What is kept on disk under the name of a content must have it: then there is nothing to do meanwhile. */
static df_code start_check(df_session *s, const df_session_cfg *cfg, df_err *err) {
    df_code rc = df_model_check_int8_hash(s->model, s->sha256, err);
    if (!rc) rc = df_content_start(&s->content, s->model, s->path, s->sha256, err);
    return rc || !cfg->packed_dir ? rc : df_content_confirm(s->content, err);
}

static df_code confirm_content(void *session, df_err *err) {
    const df_session *s = session;
    return df_content_confirm(s->content, err);
}

static df_code open_model(df_session *s, const df_session_cfg *cfg, const control *m, df_err *err) {
    df_adapter_use use[DF_SESSION_MAX_ADAPTERS];
    snprintf(s->path, sizeof s->path, "%s", m->path);
    snprintf(s->config_dir, sizeof s->config_dir, "%s", m->config_dir);
    snprintf(s->sha256, sizeof s->sha256, "%s", m->sha256);
    memcpy(s->adapters, m->adapters, sizeof s->adapters);
    s->n_adapters = m->n_adapters;
    s->no_t5 = m->no_t5;
    s->fast_conv = m->fast_conv;
    s->int8 = m->int8;
    s->wanted_micro_batch = m->micro_batch;
    s->dtype = (df_dtype)m->dtype;
    for (int i = 0; i < s->n_adapters; i++)
        use[i] = (df_adapter_use) { .kind = (df_adapter_kind)s->adapters[i].kind,
                                    .name = *s->adapters[i].name ? s->adapters[i].name : NULL,
                                    .path = s->adapters[i].path,
                                    .sha256 = s->adapters[i].sha256,
                                    .weight = s->adapters[i].weight };
    const df_model_options how = { .config_dir = *s->config_dir ? s->config_dir : NULL,
                                   .adapters = use,
                                   .n_adapters = s->n_adapters,
                                   .no_t5 = s->no_t5 };
    df_code rc = df_model_open_with(&s->model, s->path, &how, err);
    if (rc) return rc;
    s->micro_batch = df_worker_micro_batch(s->wanted_micro_batch, df_model_info_of(s->model));
    return start_check(s, cfg, err);
}

static df_code make_key(df_session *s, df_err *err) {
    df_buf_printf(&s->key, "%s%s", s->sha256, s->no_t5 ? " without T5" : "");
    for (int i = 0; i < s->n_adapters; i++)
        df_buf_printf(&s->key, "\n%d %s %a %s", (int)s->adapters[i].kind, s->adapters[i].sha256, s->adapters[i].weight,
                      s->adapters[i].name);
    return s->key.failed ? df_err_set(err, DF_ENOMEM, "%s", s->path) : DF_OK;
}

static df_backend_cfg arithmetic_of(const df_session *s, const df_session_cfg *cfg) {
    return (df_backend_cfg) {
        .dtype = s->dtype, .threads = cfg->threads, .gpu = cfg->gpu, .int8 = s->int8, .fast_conv = s->fast_conv
    };
}

static df_code open_pipeline(df_session *s, df_comm *comm, const df_session_cfg *cfg, df_err *err) {
    df_code rc = make_key(s, err);
    if (rc) return rc;
    s->n_slots = df_worker_slots(comm->size, s->n_halves);
    const df_pipeline_cfg pc = {
        .backend = cfg->backend,
        .backend_cfg = arithmetic_of(s, cfg),
        .max_rows = 2 * s->micro_batch,
        .max_pictures = s->micro_batch,
        .n_slots = s->n_slots,
        .n_halves = s->n_halves,
        .packed_dir = cfg->packed_dir,
        .model_key = s->key.data,
        .costs = cfg->costs,
        .hops = cfg->hops,
        .recut_after = cfg->recut_after,
        .on_recut = cfg->on_recut,
        .on_recut_ctx = cfg->on_recut_ctx,
        .trace = cfg->trace,
        .stall_timeout_ms = cfg->stall_timeout_ms,
        .watch = cfg->watch,
        .watch_ctx = cfg->watch_ctx,
        .confirm = confirm_content,
        .confirm_ctx = s,
    };
    return df_pipeline_open(&s->pipeline, comm, s->model, &pc, err);
}

static void free_session(df_session **s) {
    if (!*s) return;
    df_pipeline_close(&(*s)->pipeline);
    df_content_close(&(*s)->content);
    df_model_close(&(*s)->model);
    df_buf_free(&(*s)->key);
    free(*s);
    *s = NULL;
}

/* rank 0 */

/* Every rank's answer is taken, also after the first bad one: none may stay on the wire. */
static df_code all_ready(df_comm *comm, df_code mine, control *m, df_err *err) {
    df_code rc = mine, link;
    for (int r = 1; r < comm->size; r++) {
        if ((link = recv_control(comm, r, m, rc ? NULL : err))) return rc ? rc : link;
        if (m->code && !rc) rc = df_err_set(err, (df_code)m->code, "rank %d: %s", r, m->text);
    }
    return rc;
}

/* Where the plan decides it decides by costs that are known, or measured now: the pipeline asks for them as well. */
static int choose_halves(const df_session *s, const df_comm *comm, const df_session_cfg *cfg) {
    df_advice_question q = { .model = s->model,
                             .backend = cfg->backend,
                             .backend_cfg = arithmetic_of(s, cfg),
                             .micro_batch = s->micro_batch,
                             .n_ranks = comm->size,
                             .depth = comm->size,
                             .hops = cfg->hops,
                             .rank_bytes = df_advice_rank_bytes(comm->size),
                             .split = cfg->split,
                             .aim = cfg->aim };
    df_cost_book book = { 0 };
    const df_costs_terms terms = {
        .cfg = cfg->costs, .backend = q.backend, .backend_cfg = q.backend_cfg, .max_rows = 2 * s->micro_batch
    };
    const df_graph_size own = df_model_own_size(s->model);
    bool by_plan = comm->size > 1 && q.split == DF_SPLIT_BEST && q.aim == DF_FOR_LATENCY;
    if (by_plan && !df_cost_book_learn(&book, s->model, &own, &terms, NULL)) q.costs = &book;
    int n_halves = df_advice_halves(&q);
    df_cost_book_free(&book);
    return n_halves;
}

static bool kind_of(const Diffarm__Adapter *a, int32_t *kind) {
    switch (a->kind) {
    case DIFFARM__ADAPTER__KIND__LORA: *kind = DF_ADAPTER_LORA; return true;
    case DIFFARM__ADAPTER__KIND__EMBEDDING: *kind = DF_ADAPTER_EMBEDDING; return true;
    case DIFFARM__ADAPTER__KIND__INT8_SCALES: *kind = DF_ADAPTER_INT8_SCALES; return true;
    default: return false;
    }
}

static df_code say_what(control *m, const df_session_want *want, int place, df_err *err) {
    m->place = place;
    if (want->n_adapters > DF_SESSION_MAX_ADAPTERS)
        return df_err_set(err, DF_ELIMIT, "%zu adapters, at most %d are possible", want->n_adapters,
                          DF_SESSION_MAX_ADAPTERS);
    m->op = CONTROL_OPEN;
    m->micro_batch = want->micro_batch;
    m->no_t5 = want->no_t5;
    m->fast_conv = want->fast_conv;
    df_arithmetic how;
    int n_scales = 0;
    if (!df_arithmetic_of(want->dtype, &how))
        return df_err_set(err, DF_EUNSUPPORTED, "dtype '%s': not known to this worker", want->dtype);
    m->dtype = how.dtype;
    m->int8 = how.int8;
    snprintf(m->path, sizeof m->path, "%s", want->path);
    snprintf(m->config_dir, sizeof m->config_dir, "%s", want->config_dir);
    snprintf(m->sha256, sizeof m->sha256, "%s", want->sha256);
    for (; (size_t)m->n_adapters < want->n_adapters; m->n_adapters++) {
        const Diffarm__Adapter *from = want->adapters[m->n_adapters];
        adapter *to = &m->adapters[m->n_adapters];
        if (!kind_of(from, &to->kind))
            return df_err_set(err, DF_EUNSUPPORTED, "%s: this worker does not know that kind of adapter",
                              from->file->path);
        n_scales += to->kind == DF_ADAPTER_INT8_SCALES;
        snprintf(to->name, sizeof to->name, "%s", from->name);
        snprintf(to->path, sizeof to->path, "%s", from->file->path);
        snprintf(to->sha256, sizeof to->sha256, "%s", from->file->sha256);
        to->weight = from->weight;
    }
    if (n_scales == how.int8) return DF_OK;
    return df_err_set(err, DF_EINVAL, "dtype %s with %d files of int8 scales", want->dtype, n_scales);
}

df_code df_session_open(df_session **out, df_comm *comm, const df_session_cfg *cfg, const df_session_want *want,
                        int place, df_err *err) {
    df_code rc, link;
    control *m = calloc(1, sizeof *m);
    df_session *s = calloc(1, sizeof *s);
    if (!m || !s) {
        rc = df_err_set(err, DF_ENOMEM, "%s", want->path);
        goto fail;
    }
    s->comm = comm;
    s->place = place;
    if ((rc = say_what(m, want, place, err))) goto fail;
    if ((rc = send_to_all(comm, m, err))) goto fail;
    rc = all_ready(comm, open_model(s, cfg, m, err), m, err);
    m->op = rc ? CONTROL_ABANDON : CONTROL_GO;
    if (!rc) m->n_halves = s->n_halves = choose_halves(s, comm, cfg);
    if ((link = send_to_all(comm, m, rc ? NULL : err)) && !rc) rc = link;
    if (!rc) rc = open_pipeline(s, comm, cfg, err);
    if (rc) goto fail;
    free(m);
    *out = s;
    return DF_OK;
fail:
    free(m);
    free_session(&s);
    return rc;
}

/* To the other ranks, none of which serves a pipeline. */
static df_code say(df_comm *comm, control_op op, int place, df_err *err) {
    control *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "a message");
    m->op = op;
    m->place = place;
    df_code rc = send_to_all(comm, m, err);
    free(m);
    return rc;
}

df_code df_session_rest(df_session *s, df_err *err) {
    df_code rc = df_pipeline_rest(s->pipeline, err);
    s->resting = !rc;
    return rc;
}

df_code df_session_resume(df_session *s, df_err *err) {
    df_code rc = say(s->comm, CONTROL_RESUME, s->place, err);
    if (!rc) rc = df_pipeline_resume(s->pipeline, err);
    s->resting = rc;
    return rc;
}

/* The other ranks let go of theirs when they are told, not when its pipeline ends. */
void df_session_close(df_session **session) {
    df_session *s = *session;
    df_err err;
    if (!s) return;
    if (s->resting || !df_session_rest(s, &err)) say(s->comm, CONTROL_DROP, s->place, &err);
    free_session(session);
}

size_t df_session_bytes(const df_session *s) {
    df_stage_memory m = df_pipeline_memory(s->pipeline);
    return m.weight_bytes + m.slot_bytes + m.scratch_bytes;
}

static bool same_adapters(const df_session *s, const df_session_want *want) {
    if ((size_t)s->n_adapters != want->n_adapters) return false;
    for (int i = 0; i < s->n_adapters; i++) {
        const Diffarm__Adapter *a = want->adapters[i];
        if (strcmp(s->adapters[i].sha256, a->file->sha256) || s->adapters[i].weight != a->weight ||
            strcmp(s->adapters[i].name, a->name))
            return false;
    }
    return true;
}

static bool same_arithmetic(const df_session *s, const df_session_want *want) {
    df_arithmetic how;
    return df_arithmetic_of(want->dtype, &how) && s->dtype == how.dtype && s->int8 == how.int8 &&
           s->fast_conv == want->fast_conv;
}

bool df_session_fits(const df_session *s, const df_session_want *want) {
    return s && !strcmp(s->path, want->path) && !strcmp(s->config_dir, want->config_dir) &&
           !strcmp(s->sha256, want->sha256) && same_adapters(s, want) && s->no_t5 == want->no_t5 &&
           s->wanted_micro_batch == want->micro_batch && same_arithmetic(s, want);
}

df_pipeline *df_session_pipeline(const df_session *s) {
    return s->pipeline;
}

const df_model *df_session_model(const df_session *s) {
    return s->model;
}

int df_session_micro_batch(const df_session *s) {
    return s->micro_batch;
}

int df_session_halves(const df_session *s) {
    return s->n_halves;
}

int df_session_capacity(const df_session *s) {
    return s->micro_batch * s->n_slots;
}

void df_session_dismiss(df_comm *comm) {
    say(comm, CONTROL_DISMISS, 0, NULL);
}

/* the other ranks */

static df_code follow_open(df_session **out, df_comm *comm, const df_session_cfg *cfg, control *m, df_err *err) {
    df_code rc;
    df_session *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "%s", m->path);
    m->code = (int32_t)open_model(s, cfg, m, err);
    snprintf(m->text, sizeof m->text, "%s", m->code ? err->text : "");
    rc = send_control(comm, 0, m, err);
    if (!rc) rc = recv_control(comm, 0, m, err);
    bool go = !rc && m->op == CONTROL_GO;
    s->n_halves = m->n_halves;
    if (go) rc = open_pipeline(s, comm, cfg, err);
    if (go && !rc)
        *out = s;
    else
        free_session(&s);
    return rc;
}

/* What rank 0 says of one place; serves the session there if it is to be used. */
static df_code follow_once(df_session **at, df_comm *comm, const df_session_cfg *cfg, control *m, df_err *err) {
    df_code rc = DF_OK;
    if (m->op == CONTROL_DROP) free_session(at);
    if (m->op == CONTROL_OPEN) {
        free_session(at);
        rc = follow_open(at, comm, cfg, m, err);
    }
    if (m->op == CONTROL_RESUME)
        rc = *at ? df_pipeline_resume((*at)->pipeline, err)
                 : df_err_set(err, DF_EPROTOCOL, "rank %d: no session is kept at %d", comm->rank, m->place);
    if (rc || m->op == CONTROL_DROP || !*at) return rc;
    return df_pipeline_serve((*at)->pipeline, err);
}

df_code df_session_follow(df_comm *comm, const df_session_cfg *cfg, df_err *err) {
    df_session *places[DF_SESSION_PLACES] = { 0 };
    df_code rc;
    control *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "rank %d", comm->rank);
    while (!(rc = recv_control(comm, 0, m, err)) && m->op != CONTROL_DISMISS) {
        if (m->place < 0 || m->place >= DF_SESSION_PLACES)
            rc = df_err_set(err, DF_EPROTOCOL, "rank %d: a session at %d", comm->rank, m->place);
        if (rc || (rc = follow_once(&places[m->place], comm, cfg, m, err))) break;
    }
    for (int i = 0; i < DF_SESSION_PLACES; i++) free_session(&places[i]);
    free(m);
    return rc;
}
