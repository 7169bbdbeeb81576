/* A client as docs/protocol.md tells it: submits its job, watches it, and may cancel it. */
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

/* Every question has an id of its own: an answer to an earlier one is no answer. */
void df_sim_client_wake(df_sim_world *w, df_sim_client *client) {
    if (client->step == DF_SIM_WATCH && client->cancel_ms && w->now_ms >= client->cancel_ms)
        client->step = DF_SIM_CANCEL;
    client->request_id++;
    switch (client->step) {
    case DF_SIM_BEGIN: begin(w, client); break;
    case DF_SIM_ROWS: send_rows(w, client); break;
    case DF_SIM_END: end(w, client); break;
    case DF_SIM_WATCH: look(w, client); break;
    case DF_SIM_CANCEL: cancel(w, client); break;
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
    default: break;
    }
}

static void take_list(df_sim_world *w, df_sim_client *client, const Diffarm__JobList *list) {
    if (client->step != DF_SIM_WATCH || list->request_id != client->request_id) return;
    if (list->n_jobs != 1) {
        df_sim_broken(w, "job %s is not known: %s", client->job->id, list->text);
        return;
    }
    if (!strcmp(list->jobs[0]->state, "done")) go(w, client, DF_SIM_ENDED);
}

void df_sim_client_take(df_sim_world *w, df_sim_client *client, const Diffarm__Message *m) {
    if (m->body_case == DIFFARM__MESSAGE__BODY_REPLY)
        take_reply(w, client, m->reply);
    else if (m->body_case == DIFFARM__MESSAGE__BODY_JOB_LIST)
        take_list(w, client, m->job_list);
    else
        df_sim_broken(w, "client %d was sent a message of kind %d", client->number, m->body_case);
}
