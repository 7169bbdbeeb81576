#include "worker/session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/defaults.h"

/* Between the channels that pipelines use; none is open while these messages travel. */
#define CONTROL_CHANNEL 8
#define IDLE_US 20000

typedef enum control_op { CONTROL_OPEN = 1, CONTROL_GO, CONTROL_ABANDON, CONTROL_DISMISS } control_op;

/* Of one size, both ways, so that the receiver always knows it. All ranks run one build on one kind of machine. */
typedef struct control {
    int32_t op, micro_batch, code;
    char path[PATH_MAX], config_dir[PATH_MAX];
    char sha256[DF_SHA256_HEX_BYTES];
    char text[DF_ERR_TEXT_BYTES];
} control;

struct df_session {
    df_model *model;
    df_pipeline *pipeline;
    char path[PATH_MAX], config_dir[PATH_MAX], sha256[DF_SHA256_HEX_BYTES];
    int micro_batch, n_slots;
};

/* messages between the ranks of a worker */

static df_code complete(df_comm *c, df_comm_request **req, df_err *err) {
    df_code rc;
    bool done = false;
    while (!(rc = c->ops->test(c, req, &done, err)) && !done) c->ops->idle(c, IDLE_US);
    return rc;
}

static df_code send_control(df_comm *c, int to, const control *m, df_err *err) {
    df_comm_request *req = NULL;
    df_code rc = c->ops->send(c, to, CONTROL_CHANNEL, m, sizeof *m, &req, err);
    return rc ? rc : complete(c, &req, err);
}

static df_code recv_control(df_comm *c, int from, control *m, df_err *err) {
    df_comm_request *req = NULL;
    df_code rc = c->ops->recv(c, from, CONTROL_CHANNEL, m, sizeof *m, &req, err);
    return rc ? rc : complete(c, &req, err);
}

static df_code send_to_all(df_comm *c, const control *m, df_err *err) {
    df_code rc = DF_OK;
    for (int r = 1; !rc && r < c->size; r++) rc = send_control(c, r, m, err);
    return rc;
}

/* one rank's part */

static df_code open_model(df_session *s, const char *path, const char *config_dir, const char *sha256, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    const df_model_options how = { .config_dir = *config_dir ? config_dir : NULL };
    snprintf(s->config_dir, sizeof s->config_dir, "%s", config_dir);
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->sha256, sizeof s->sha256, "%s", sha256);
    df_code rc = df_model_open_with(&s->model, path, &how, err);
    if (!rc) rc = df_model_sha256(s->model, hex, err);
    if (!rc && strcmp(hex, sha256))
        rc = df_err_set(err, DF_EINVAL,
                        "%s: its content hash is %.12s..., the job was made for %.12s...: the files differ here", path,
                        hex, sha256);
    return rc;
}

static df_code open_pipeline(df_session *s, df_comm *comm, const df_session_cfg *cfg, int micro_batch, df_err *err) {
    s->micro_batch = micro_batch;
    s->n_slots = df_worker_slots(comm->size);
    const df_pipeline_cfg pc = {
        .backend = cfg->backend, .backend_cfg = cfg->backend_cfg, .max_rows = 2 * micro_batch, .n_slots = s->n_slots
    };
    return df_pipeline_open(&s->pipeline, comm, s->model, &pc, err);
}

void df_session_close(df_session **s) {
    if (!*s) return;
    df_pipeline_close(&(*s)->pipeline);
    df_model_close(&(*s)->model);
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

df_code df_session_open(df_session **out, df_comm *comm, const df_session_cfg *cfg, const df_session_want *want,
                        df_err *err) {
    df_code rc, link;
    control *m = calloc(1, sizeof *m);
    df_session *s = calloc(1, sizeof *s);
    if (!m || !s) {
        rc = df_err_set(err, DF_ENOMEM, "%s", want->path);
        goto fail;
    }
    m->op = CONTROL_OPEN;
    m->micro_batch = want->micro_batch;
    snprintf(m->path, sizeof m->path, "%s", want->path);
    snprintf(m->config_dir, sizeof m->config_dir, "%s", want->config_dir);
    snprintf(m->sha256, sizeof m->sha256, "%s", want->sha256);
    if ((rc = send_to_all(comm, m, err))) goto fail;
    rc = all_ready(comm, open_model(s, want->path, want->config_dir, want->sha256, err), m, err);
    m->op = rc ? CONTROL_ABANDON : CONTROL_GO;
    if ((link = send_to_all(comm, m, rc ? NULL : err)) && !rc) rc = link;
    if (!rc) rc = open_pipeline(s, comm, cfg, want->micro_batch, err);
    if (rc) goto fail;
    free(m);
    *out = s;
    return DF_OK;
fail:
    free(m);
    df_session_close(&s);
    return rc;
}

bool df_session_fits(const df_session *s, const df_session_want *want) {
    return s && !strcmp(s->path, want->path) && !strcmp(s->config_dir, want->config_dir) &&
           !strcmp(s->sha256, want->sha256) && s->micro_batch == want->micro_batch;
}

df_pipeline *df_session_pipeline(const df_session *s) {
    return s->pipeline;
}

const df_model *df_session_model(const df_session *s) {
    return s->model;
}

int df_session_capacity(const df_session *s) {
    return s->micro_batch * s->n_slots;
}

void df_session_dismiss(df_comm *comm) {
    control m = { .op = CONTROL_DISMISS };
    send_to_all(comm, &m, NULL);
}

/* the other ranks */

static df_code follow_once(df_comm *comm, const df_session_cfg *cfg, control *m, df_err *err) {
    df_code rc;
    df_session *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "%s", m->path);
    m->code = (int32_t)open_model(s, m->path, m->config_dir, m->sha256, err);
    snprintf(m->text, sizeof m->text, "%s", m->code ? err->text : "");
    int micro_batch = m->micro_batch;
    if ((rc = send_control(comm, 0, m, err))) goto out;
    if ((rc = recv_control(comm, 0, m, err))) goto out;
    if (m->op != CONTROL_GO) goto out;
    if ((rc = open_pipeline(s, comm, cfg, micro_batch, err))) goto out;
    rc = df_pipeline_serve(s->pipeline, err);
out:
    df_session_close(&s);
    return rc;
}

df_code df_session_follow(df_comm *comm, const df_session_cfg *cfg, df_err *err) {
    df_code rc;
    control *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "rank %d", comm->rank);
    while (!(rc = recv_control(comm, 0, m, err)) && m->op != CONTROL_DISMISS)
        if ((rc = follow_once(comm, cfg, m, err))) break;
    free(m);
    return rc;
}
