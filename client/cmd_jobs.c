/* diffarm status, watch, cancel, pause, resume, retry, jobs, workers: questions to a coordinator. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/options.h"
#include "client/report.h"

typedef struct ask_options {
    df_connect_options connect;
    df_output output;
    const char *job_id;
    bool wants_job;
} ask_options;

static error_t parse(int key, char *arg, struct argp_state *state) {
    ask_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->connect;
        state->child_inputs[1] = &o->output;
        return 0;
    case ARGP_KEY_ARG:
        if (!o->wants_job || o->job_id) argp_error(state, "'%s' is one argument too many", arg);
        if (!*arg || strlen(arg) > 64) argp_error(state, "'%.70s' is not the id of a job", arg);
        o->job_id = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->wants_job && !o->job_id) argp_error(state, "give the id of a JOB; `diffarm jobs` lists them");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = { { &df_connect_argp, 0, NULL, 0 }, { &df_output_argp, 0, "", 3 }, { 0 } };

/* Parses and opens the link; NULL, and an exit code, on failure. */
static df_link *begin(ask_options *o, bool wants_job, const char *doc, int argc, char **argv, int *code) {
    const struct argp argp = {
        .parser = parse, .args_doc = wants_job ? "JOB" : NULL, .doc = doc, .children = children
    };
    df_err err;
    df_link *l = NULL;
    *o = (ask_options) { .wants_job = wants_job };
    df_connect_options_init(&o->connect);
    df_options_parse(&argp, argc, argv, o);
    if (df_link_open_with(&l, o->connect.endpoint, o->connect.keys_dir, &err)) *code = df_exit_with(&err);
    return l;
}

static int64_t deadline(const ask_options *o) {
    return df_clock_ms() + o->connect.timeout_ms;
}

int df_cmd_status(int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_err err;
    df_wire_in in;
    const Diffarm__JobStatus *j;
    df_link *l = begin(&o, true, "Shows how a job stands.", argc, argv, &code);
    if (!l) return code;
    if (df_ask_job(l, o.job_id, deadline(&o), &in, &j, &err)) {
        code = df_exit_with(&err);
    } else {
        if (o.output == DF_OUTPUT_JSON)
            df_report_print_json(df_report_job_json(j));
        else if (o.output == DF_OUTPUT_TEXT)
            df_report_job_text(stdout, j);
        df_wire_in_free(&in);
    }
    df_link_close(&l);
    return code;
}

/* The first answer has a deadline; afterwards a coordinator that is away is waited for. */
static df_code watch(df_link *l, const ask_options *o, int *code, df_err *err) {
    df_wire_in in;
    const Diffarm__JobStatus *j;
    df_progress progress = df_progress_to(stderr, o->output == DF_OUTPUT_QUIET);
    const df_follow_cfg cfg = { .progress = &progress };
    df_code rc = df_ask_job(l, o->job_id, deadline(o), &in, &j, err);
    if (rc) return rc;
    df_wire_in_free(&in);
    df_link_stop_flag(l, df_stop_on_signals());
    if ((rc = df_follow_job(l, o->job_id, &cfg, &in, &j, err))) return rc;
    *code = df_report_ended(j, o->output);
    df_wire_in_free(&in);
    return DF_OK;
}

int df_cmd_watch(int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_err err;
    df_link *l = begin(&o, true,
                       "Shows a job's progress until it ends. Exit code 0: all pictures are done, 1: some failed, "
                       "or the watch was interrupted (the job goes on).",
                       argc, argv, &code);
    if (!l) return code;
    df_code rc = watch(l, &o, &code, &err);
    if (rc == DF_ECANCELLED)
        code = DF_EXIT_SOME_FAILED;
    else if (rc)
        code = df_exit_with(&err);
    df_link_close(&l);
    return code;
}

/* Asks for something to be done to the job, and waits until it is. */
static df_code tell(df_link *l, const ask_options *o, Diffarm__Message *m, df_err *err) {
    df_wire_in in;
    df_code rc = df_link_ask(l, m, &in, deadline(o), err);
    if (rc) return rc;
    const Diffarm__Message *a = in.msg;
    if (a->body_case != DIFFARM__MESSAGE__BODY_REPLY)
        rc = df_err_set(err, DF_EPROTOCOL, "the coordinator answered with a message of kind %d", a->body_case);
    else if (a->reply->code)
        rc = df_err_set(err, (df_code)a->reply->code, "%s", a->reply->text);
    df_wire_in_free(&in);
    return rc;
}

static int told(df_link *l, const ask_options *o, Diffarm__Message *m, const char *state) {
    df_err err;
    if (tell(l, o, m, &err)) return df_exit_with(&err);
    if (o->output == DF_OUTPUT_JSON)
        df_report_print_json(json_pack("{s:s, s:s}", "job_id", o->job_id, "state", state));
    else if (o->output == DF_OUTPUT_TEXT)
        printf("%s is %s\n", o->job_id, state);
    return DF_EXIT_OK;
}

int df_cmd_cancel(int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_link *l = begin(&o, true, "Cancels a job; pictures that are done stay.", argc, argv, &code);
    if (!l) return code;
    Diffarm__JobCancel question = DIFFARM__JOB_CANCEL__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    question.job_id = (char *)o.job_id;
    m.body_case = DIFFARM__MESSAGE__BODY_JOB_CANCEL;
    m.job_cancel = &question;
    code = told(l, &o, &m, "cancelled");
    df_link_close(&l);
    return code;
}

static int control(Diffarm__JobControl__Action action, const char *state, const char *doc, int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_link *l = begin(&o, true, doc, argc, argv, &code);
    if (!l) return code;
    Diffarm__JobControl question = DIFFARM__JOB_CONTROL__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    question.job_id = (char *)o.job_id;
    question.action = action;
    m.body_case = DIFFARM__MESSAGE__BODY_JOB_CONTROL;
    m.job_control = &question;
    code = told(l, &o, &m, state);
    df_link_close(&l);
    return code;
}

int df_cmd_pause(int argc, char **argv) {
    return control(DIFFARM__JOB_CONTROL__ACTION__PAUSE, "paused",
                   "Pauses a job: what is in work is finished, nothing new is begun. `diffarm resume` goes on.", argc,
                   argv);
}

int df_cmd_resume(int argc, char **argv) {
    return control(DIFFARM__JOB_CONTROL__ACTION__RESUME, "running", "Goes on with a paused job.", argc, argv);
}

int df_cmd_retry(int argc, char **argv) {
    return control(DIFFARM__JOB_CONTROL__ACTION__RETRY, "running",
                   "Tries the failed pictures of a job again, also after it was done: its lists are written anew when "
                   "they are through.",
                   argc, argv);
}

int df_cmd_readmit(int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_link *l = begin(&o, true,
                       "Gives work again to a worker that was put out because it failed too often. JOB is its name, or "
                       "its id, as `diffarm workers` shows them.",
                       argc, argv, &code);
    if (!l) return code;
    Diffarm__WorkerReadmit question = DIFFARM__WORKER_READMIT__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    question.worker = (char *)o.job_id;
    m.body_case = DIFFARM__MESSAGE__BODY_WORKER_READMIT;
    m.worker_readmit = &question;
    df_err err;
    if (tell(l, &o, &m, &err)) code = df_exit_with(&err);
    df_link_close(&l);
    return code;
}

static void show_jobs(const Diffarm__JobList *list, df_output output) {
    if (output == DF_OUTPUT_TEXT) df_report_jobs_text(stdout, list);
    if (output != DF_OUTPUT_JSON) return;
    json_t *all = json_array();
    for (size_t i = 0; i < list->n_jobs; i++) json_array_append_new(all, df_report_job_json(list->jobs[i]));
    df_report_print_json(json_pack("{s:o}", "jobs", all));
}

static void show_workers(const Diffarm__WorkerList *list, df_output output) {
    if (output == DF_OUTPUT_TEXT) df_report_workers_text(stdout, list);
    if (output != DF_OUTPUT_JSON) return;
    json_t *all = json_array();
    for (size_t i = 0; i < list->n_workers; i++) json_array_append_new(all, df_report_worker_json(list->workers[i]));
    df_report_print_json(json_pack("{s:o}", "workers", all));
}

static df_code list(df_link *l, const ask_options *o, Diffarm__Message *m, df_err *err) {
    df_wire_in in;
    df_code rc = df_link_ask(l, m, &in, deadline(o), err);
    if (rc) return rc;
    const Diffarm__Message *a = in.msg;
    if (a->body_case == DIFFARM__MESSAGE__BODY_WORKER_LIST)
        show_workers(a->worker_list, o->output);
    else if (a->body_case == DIFFARM__MESSAGE__BODY_JOB_LIST && !a->job_list->code)
        show_jobs(a->job_list, o->output);
    else
        rc = df_err_set(err, DF_EPROTOCOL, "the coordinator answered with a message of kind %d", a->body_case);
    df_wire_in_free(&in);
    return rc;
}

int df_cmd_jobs(int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_err err;
    df_link *l = begin(&o, false, "Lists the jobs of a coordinator.", argc, argv, &code);
    if (!l) return code;
    Diffarm__JobQuery query = DIFFARM__JOB_QUERY__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = DIFFARM__MESSAGE__BODY_JOB_QUERY;
    m.job_query = &query;
    if (list(l, &o, &m, &err)) code = df_exit_with(&err);
    df_link_close(&l);
    return code;
}

int df_cmd_workers(int argc, char **argv) {
    ask_options o;
    int code = DF_EXIT_OK;
    df_err err;
    df_link *l = begin(&o, false, "Lists the workers of a coordinator.", argc, argv, &code);
    if (!l) return code;
    Diffarm__WorkersQuery query = DIFFARM__WORKERS_QUERY__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = DIFFARM__MESSAGE__BODY_WORKERS_QUERY;
    m.workers_query = &query;
    if (list(l, &o, &m, &err)) code = df_exit_with(&err);
    df_link_close(&l);
    return code;
}
