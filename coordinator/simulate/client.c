/* A client as docs/protocol.md tells it: submits its job, watches it, and may pause, resume, retry or cancel it. */
#include <string.h>

#include "coordinator/simulate/world.h"

enum { ASK_AGAIN_MS = 1500, LOOK_MS = 2000, BATCH_ROWS = 5, FIRST_PEER = 8 };

static void say(df_sim_world *w, df_sim_client *client, Diffarm__Message msg) {
    client->wake_ms = w->now_ms + (client->step == DF_SIM_WATCH ? LOOK_MS : ASK_AGAIN_MS);
    df_sim_network_send(&w->network, w->now_ms, true, FIRST_PEER + client->number, &msg, NULL, 0);
}

/* what it says */

static void begin(df_sim_world *w, df_sim_client *client) {
    Diffarm__JobSpec spec;
    Diffarm__SubmitBegin out = DIFFARM__SUBMIT_BEGIN__INIT;
    df_sim_job_spec(client->job, &spec);
    out.request_id = client->request_id;
    out.job = &spec;
    client->batch = 0;
    say(w, client, DF_WIRE_MESSAGE(SUBMIT_BEGIN, submit_begin, &out));
}

static void send_rows(df_sim_world *w, df_sim_client *client) {
    Diffarm__Row rows[BATCH_ROWS], *at[BATCH_ROWS];
    Diffarm__SubmitRows out = DIFFARM__SUBMIT_ROWS__INIT;
    out.request_id = client->request_id;
    out.job_id = client->job->id;
    out.batch = client->batch;
    out.rows = at;
    for (uint64_t row = client->batch * BATCH_ROWS; row < client->job->n_rows && out.n_rows < BATCH_ROWS; row++) {
        df_sim_job_row(client->job, row, &rows[out.n_rows]);
        at[out.n_rows] = &rows[out.n_rows];
        out.n_rows++;
    }
    say(w, client, DF_WIRE_MESSAGE(SUBMIT_ROWS, submit_rows, &out));
}

static void end(df_sim_world *w, df_sim_client *client) {
    Diffarm__SubmitEnd out = DIFFARM__SUBMIT_END__INIT;
    out.request_id = client->request_id;
    out.job_id = client->job->id;
    out.n_rows = client->job->n_rows;
    say(w, client, DF_WIRE_MESSAGE(SUBMIT_END, submit_end, &out));
}

static void look(df_sim_world *w, df_sim_client *client) {
    Diffarm__JobQuery out = DIFFARM__JOB_QUERY__INIT;
    out.request_id = client->request_id;
    out.job_id = client->job->id;
    say(w, client, DF_WIRE_MESSAGE(JOB_QUERY, job_query, &out));
}

static void cancel(df_sim_world *w, df_sim_client *client) {
    Diffarm__JobCancel out = DIFFARM__JOB_CANCEL__INIT;
    out.request_id = client->request_id;
    out.job_id = client->job->id;
    client->job->cancel_sent = true;
    say(w, client, DF_WIRE_MESSAGE(JOB_CANCEL, job_cancel, &out));
}

static void control(df_sim_world *w, df_sim_client *client, Diffarm__JobControl__Action action) {
    Diffarm__JobControl out = DIFFARM__JOB_CONTROL__INIT;
    df_sim_job *job = client->job;
    out.request_id = client->request_id;
    out.job_id = job->id;
    out.action = action;
    if (action == DIFFARM__JOB_CONTROL__ACTION__RESUME) {
        job->resume_sent = true;
        job->paused = false;
    }
    if (action == DIFFARM__JOB_CONTROL__ACTION__RETRY) {
        if (!job->retry_ms) job->end_was_struck = false; /* it will have another end */
        job->retry_ms = w->now_ms;
        job->ended = false;
    }
    say(w, client, DF_WIRE_MESSAGE(JOB_CONTROL, job_control, &out));
}

/* By hand, and without need: nobody waits for the answer. */
static void readmit_somebody(df_sim_world *w, df_sim_client *client) {
    const df_sim_worker *worker = &w->workers[df_sim_below(&w->newer, (uint64_t)w->n_workers)];
    Diffarm__WorkerReadmit out = DIFFARM__WORKER_READMIT__INIT;
    char id[DF_WORKER_ID_BYTES];
    out.worker = df_sim_worker_id(worker, id);
    say(w, client, DF_WIRE_MESSAGE(WORKER_READMIT, worker_readmit, &out));
}

/* What is due of a client that watches. */
static void decide(df_sim_world *w, df_sim_client *client) {
    if (client->cancel_ms && w->now_ms >= client->cancel_ms)
        client->step = DF_SIM_CANCEL;
    else if (client->resume_ms && w->now_ms >= client->resume_ms)
        client->step = DF_SIM_RESUME;
    else if (client->pause_ms && w->now_ms >= client->pause_ms)
        client->step = DF_SIM_PAUSE;
    else if (!df_sim_is_calm(w) && df_sim_chance(&w->newer, 0.03))
        readmit_somebody(w, client);
}

/* Every question has an id of its own: an answer to an earlier one is no answer. */
void df_sim_client_wake(df_sim_world *w, df_sim_client *client) {
    if (client->step == DF_SIM_WATCH) decide(w, client);
    client->request_id++;
    switch (client->step) {
    case DF_SIM_BEGIN: begin(w, client); break;
    case DF_SIM_ROWS: send_rows(w, client); break;
    case DF_SIM_END: end(w, client); break;
    case DF_SIM_WATCH: look(w, client); break;
    case DF_SIM_CANCEL: cancel(w, client); break;
    case DF_SIM_PAUSE: control(w, client, DIFFARM__JOB_CONTROL__ACTION__PAUSE); break;
    case DF_SIM_RESUME: control(w, client, DIFFARM__JOB_CONTROL__ACTION__RESUME); break;
    case DF_SIM_RETRY: control(w, client, DIFFARM__JOB_CONTROL__ACTION__RETRY); break;
    case DF_SIM_ENDED: client->wake_ms = INT64_MAX; break;
    }
}

/* what it hears */

static void go(df_sim_world *w, df_sim_client *client, df_sim_client_step step) {
    client->step = step;
    client->wake_ms = w->now_ms;
}

/* The disk may be full: that is tried again. Anything else would be a client's own fault, and it has none. */
static void refused(df_sim_world *w, df_sim_client *client, const Diffarm__Reply *reply) {
    if (client->step == DF_SIM_CANCEL && reply->code == DF_EINVAL) { /* it was done before */
        client->cancel_ms = 0;
        go(w, client, DF_SIM_WATCH);
        return;
    }
    bool is_order = client->step == DF_SIM_PAUSE || client->step == DF_SIM_RESUME || client->step == DF_SIM_RETRY;
    if (is_order && reply->code == DF_EINVAL) { /* it has ended, or its lists are being written */
        client->pause_ms = client->resume_ms = 0;
        go(w, client, DF_SIM_WATCH);
        return;
    }
    if (reply->code == DF_ENOTFOUND && !client->job->accepted) {
        go(w, client, DF_SIM_BEGIN);
        return;
    }
    if (reply->code != DF_EIO && reply->code != DF_ENOSPACE)
        df_sim_broken(w, "client %d in step %d was told: %s", client->number, client->step, reply->text);
}

static void take_reply(df_sim_world *w, df_sim_client *client, const Diffarm__Reply *reply) {
    if (reply->request_id != client->request_id) return;
    client->request_id++; /* it may come twice */
    if (reply->code) {
        refused(w, client, reply);
        return;
    }
    switch (client->step) {
    case DF_SIM_BEGIN: go(w, client, DF_SIM_ROWS); break;
    case DF_SIM_ROWS:
        go(w, client, ++client->batch * BATCH_ROWS < client->job->n_rows ? DF_SIM_ROWS : DF_SIM_END);
        break;
    case DF_SIM_END: go(w, client, DF_SIM_WATCH); break;
    case DF_SIM_CANCEL: go(w, client, DF_SIM_ENDED); break;
    case DF_SIM_PAUSE:
        w->report->n_paused++;
        client->pause_ms = 0;
        client->resume_ms = w->now_ms + df_sim_between(&w->newer, 500, 15000);
        go(w, client, DF_SIM_WATCH);
        break;
    case DF_SIM_RESUME:
        client->resume_ms = 0;
        go(w, client, DF_SIM_WATCH);
        break;
    case DF_SIM_RETRY:
        w->report->n_retries++;
        go(w, client, DF_SIM_WATCH);
        break;
    default: break;
    }
}

/* A late copy of what was said before may have paused it again. */
static bool is_paused_for_nothing(const df_sim_client *client, const Diffarm__JobStatus *status) {
    return !strcmp(status->state, "paused") && !client->resume_ms;
}

static bool wants_retry(df_sim_world *w, df_sim_client *client, const Diffarm__JobStatus *status) {
    bool is_done = !strcmp(status->state, "done");
    if (!status->n_failed || !client->n_retries || (!is_done && !df_sim_chance(&w->newer, 0.1))) return false;
    client->n_retries--;
    return true;
}

static void take_list(df_sim_world *w, df_sim_client *client, const Diffarm__JobList *list) {
    if (client->step != DF_SIM_WATCH || list->request_id != client->request_id) return;
    if (list->n_jobs != 1) {
        df_sim_broken(w, "job %s is not known: %s", client->job->id, list->text);
        return;
    }
    const Diffarm__JobStatus *status = list->jobs[0];
    if (wants_retry(w, client, status))
        go(w, client, DF_SIM_RETRY);
    else if (!strcmp(status->state, "done"))
        go(w, client, DF_SIM_ENDED);
    else if (is_paused_for_nothing(client, status))
        go(w, client, DF_SIM_RESUME);
}

void df_sim_client_take(df_sim_world *w, df_sim_client *client, const Diffarm__Message *m) {
    if (m->body_case == DIFFARM__MESSAGE__BODY_REPLY)
        take_reply(w, client, m->reply);
    else if (m->body_case == DIFFARM__MESSAGE__BODY_JOB_LIST)
        take_list(w, client, m->job_list);
    else
        df_sim_broken(w, "client %d was sent a message of kind %d", client->number, m->body_case);
}
