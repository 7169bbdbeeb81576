#include "client/simulate/noop_job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/report.h"

enum { BATCH_ROWS = 512, ANSWER_MS = 120000, PROMPT_BYTES = 64 };

/* No model and no manifest is behind it; the same job has the same hashes. */
static const char no_sha256[] = "0000000000000000000000000000000000000000000000000000000000000000";

static df_code ask(df_link *l, Diffarm__Message *question, df_err *err) {
    df_wire_in in;
    df_code rc = df_link_ask(l, question, &in, df_clock_ms() + ANSWER_MS, err);
    if (rc) return rc;
    if (in.msg->body_case == DIFFARM__MESSAGE__BODY_REPLY && in.msg->reply->code)
        rc = df_err_set(err, (df_code)in.msg->reply->code, "%s", in.msg->reply->text);
    df_wire_in_free(&in);
    return rc;
}

static df_code send_begin(df_link *l, const df_noop_job *job, df_err *err) {
    Diffarm__JobSpec spec = DIFFARM__JOB_SPEC__INIT;
    Diffarm__SubmitBegin out = DIFFARM__SUBMIT_BEGIN__INIT;
    spec.job_id = (char *)job->job_id;
    spec.title = (char *)"simulated";
    spec.out_dir = (char *)job->out_dir;
    spec.model_name = (char *)"none";
    spec.model_sha256 = spec.manifest_sha256 = (char *)no_sha256;
    spec.dtype = (char *)"f32";
    spec.noise = (char *)"torch-cpu";
    spec.format = (char *)job->format;
    out.job = &spec;
    return ask(l, &DF_WIRE_MESSAGE(SUBMIT_BEGIN, submit_begin, &out), err);
}

static void make_row(Diffarm__Row *row, char prompt[PROMPT_BYTES], const df_noop_job *job, uint64_t number) {
    diffarm__row__init(row);
    snprintf(prompt, PROMPT_BYTES, "a simulated picture, number %llu of its job", (unsigned long long)number);
    row->row = row->seed = number;
    row->line = number + 1;
    row->prompt = prompt;
    row->width = row->height = job->side;
    row->steps = 25;
    row->guidance = 7.5;
    row->scheduler = (char *)"ddim";
    row->task = (char *)"txt2img";
}

static df_code send_rows(df_link *l, const df_noop_job *job, df_err *err) {
    static char prompts[BATCH_ROWS][PROMPT_BYTES];
    static Diffarm__Row rows[BATCH_ROWS];
    Diffarm__Row *at[BATCH_ROWS];
    df_code rc = DF_OK;
    for (uint64_t first = 0, batch = 0; first < job->n_rows && !rc; first += BATCH_ROWS, batch++) {
        Diffarm__SubmitRows out = DIFFARM__SUBMIT_ROWS__INIT;
        out.job_id = (char *)job->job_id;
        out.batch = batch;
        out.rows = at;
        for (; out.n_rows < BATCH_ROWS && first + out.n_rows < job->n_rows; out.n_rows++) {
            at[out.n_rows] = &rows[out.n_rows];
            make_row(at[out.n_rows], prompts[out.n_rows], job, first + out.n_rows);
        }
        rc = ask(l, &DF_WIRE_MESSAGE(SUBMIT_ROWS, submit_rows, &out), err);
    }
    return rc;
}

df_code df_noop_job_send(df_link *l, const df_noop_job *job, df_err *err) {
    Diffarm__SubmitEnd end = DIFFARM__SUBMIT_END__INIT;
    end.job_id = (char *)job->job_id;
    end.n_rows = job->n_rows;
    df_code rc = send_begin(l, job, err);
    if (!rc) rc = send_rows(l, job, err);
    return rc ? rc : ask(l, &DF_WIRE_MESSAGE(SUBMIT_END, submit_end, &end), err);
}

df_code df_noop_job_look(df_link *l, const df_noop_job *job, df_noop_progress *now, df_err *err) {
    Diffarm__JobQuery out = DIFFARM__JOB_QUERY__INIT;
    df_wire_in in;
    out.job_id = (char *)job->job_id;
    df_code rc = df_link_ask(l, &DF_WIRE_MESSAGE(JOB_QUERY, job_query, &out), &in, df_clock_ms() + ANSWER_MS, err);
    if (rc) return rc;
    if (in.msg->body_case == DIFFARM__MESSAGE__BODY_JOB_LIST && in.msg->job_list->n_jobs == 1) {
        const Diffarm__JobStatus *is = in.msg->job_list->jobs[0];
        *now = (df_noop_progress) { is->n_done, is->n_failed, df_job_ended(is) };
        if (*is->problem) rc = df_err_set(err, DF_EIO, "%s", is->problem);
    } else {
        rc = df_err_set(err, DF_ENOTFOUND, "the coordinator does not know the job");
    }
    df_wire_in_free(&in);
    return rc;
}

df_code df_noop_workers_count(df_link *l, int *n, df_err *err) {
    Diffarm__WorkersQuery out = DIFFARM__WORKERS_QUERY__INIT;
    df_wire_in in;
    df_code rc =
        df_link_ask(l, &DF_WIRE_MESSAGE(WORKERS_QUERY, workers_query, &out), &in, df_clock_ms() + ANSWER_MS, err);
    if (rc) return rc;
    *n = in.msg->body_case == DIFFARM__MESSAGE__BODY_WORKER_LIST ? (int)in.msg->worker_list->n_workers : 0;
    df_wire_in_free(&in);
    return DF_OK;
}
