#include "client/follow.h"

#include <string.h>

#include "base/clock.h"
#include "client/report.h"

#define ASK_EVERY_MS 100

static const Diffarm__JobStatus *find(const Diffarm__JobList *list, const char *job_id) {
    for (size_t i = 0; i < list->n_jobs; i++)
        if (!strcmp(list->jobs[i]->job_id, job_id)) return list->jobs[i];
    return NULL;
}

df_code df_ask_job(df_link *l, const char *job_id, int64_t deadline_ms, df_wire_in *answer,
                   const Diffarm__JobStatus **status, df_err *err) {
    Diffarm__JobQuery query = DIFFARM__JOB_QUERY__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    query.job_id = (char *)job_id;
    m.body_case = DIFFARM__MESSAGE__BODY_JOB_QUERY;
    m.job_query = &query;
    df_code rc = df_link_ask(l, &m, answer, deadline_ms, err);
    if (rc) return rc;
    const Diffarm__JobList *list =
        answer->msg->body_case == DIFFARM__MESSAGE__BODY_JOB_LIST ? answer->msg->job_list : NULL;
    if (list && !list->code && (*status = find(list, job_id))) return DF_OK;
    if (list && list->code)
        rc = df_err_set(err, (df_code)list->code, "%s", list->text);
    else
        rc = df_err_set(err, DF_ENOTFOUND, "the coordinator has no job '%s'; `diffarm jobs` lists them", job_id);
    df_wire_in_free(answer);
    return rc;
}

static df_code wait_on(void *ctx, int64_t waited_ms, df_err *err) {
    const df_follow_cfg *cfg = ctx;
    if (waited_ms >= 2000)
        df_progress_note(cfg->progress, "the coordinator does not answer; waiting for it to come back (Ctrl-C ends "
                                        "this wait, not the job)");
    return cfg->on_status ? cfg->on_status(cfg->ctx, NULL, err) : DF_OK;
}

static df_code one_look(df_link *l, const char *job_id, const df_follow_cfg *cfg, df_wire_in *answer,
                        const Diffarm__JobStatus **status, df_err *err) {
    df_code rc = df_ask_job(l, job_id, INT64_MAX, answer, status, err);
    if (rc) return rc;
    if (!(*status)->problem[0]) df_progress_note(cfg->progress, "");
    df_progress_show(cfg->progress, *status);
    if (cfg->on_status && (rc = cfg->on_status(cfg->ctx, *status, err))) df_wire_in_free(answer);
    return rc;
}

df_code df_follow_job(df_link *l, const char *job_id, const df_follow_cfg *cfg, df_wire_in *answer,
                      const Diffarm__JobStatus **status, df_err *err) {
    df_code rc;
    df_link_on_wait(l, wait_on, (void *)cfg);
    while (!(rc = one_look(l, job_id, cfg, answer, status, err))) {
        if (df_job_ended(*status)) break;
        df_wire_in_free(answer);
        df_clock_sleep_ms(ASK_EVERY_MS);
    }
    df_link_on_wait(l, NULL, NULL);
    df_progress_end(cfg->progress);
    return rc;
}
