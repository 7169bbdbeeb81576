/* diffarm submit: a job goes to a coordinator; with --wait until it is done. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/job_options.h"
#include "client/plan_report.h"
#include "client/report.h"
#include "client/send.h"

enum { OPT_WAIT = 0x3000, OPT_PRIORITY, OPT_JOB_ID, OPT_NO_UPLOAD, MAX_PRIORITY = 10 };

typedef struct submit_options {
    df_job_options job;
    df_connect_options connect;
    bool wait, no_upload;
    int priority;
    const char *job_id; /* NULL: a new one */
} submit_options;

static const char *job_id_of(struct argp_state *state, const char *arg) {
    if (strlen(arg) != DF_JOB_ID_BYTES - 1 || arg[strspn(arg, "0123456789abcdef")])
        argp_error(state, "--job-id must be %d digits of 0-9a-f, not '%s'", DF_JOB_ID_BYTES - 1, arg);
    return arg;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    submit_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->job;
        state->child_inputs[1] = &o->connect;
        return 0;
    case OPT_NO_UPLOAD: o->no_upload = true; return 0;
    case OPT_WAIT: o->wait = true; return 0;
    case OPT_PRIORITY: o->priority = (int)df_option_int(state, "priority", arg, -MAX_PRIORITY, MAX_PRIORITY); return 0;
    case OPT_JOB_ID: o->job_id = job_id_of(state, arg); return 0;
    case ARGP_KEY_END:
        if (o->job.render.workers || o->job.render.pipeline)
            argp_error(state, "--workers and --pipeline belong to the farm that is there already: "
                              "see `diffarm worker` and `diffarm render`");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "wait", OPT_WAIT, NULL, 0, "Stay until the job is done, showing progress", 0 },
    { "no-upload", OPT_NO_UPLOAD, NULL, 0,
      "Leave pictures and adapters of the rows where they are: every worker sees their paths (the coordinator gets a "
      "copy)",
      0 },
    { "priority", OPT_PRIORITY, "N", 0, "-10 to 10: each step doubles the job's share of the workers (0)", 0 },
    { "job-id", OPT_JOB_ID, "ID", 0,
      "An id of your own, 16 digits of 0-9a-f: the same command given again is the same job (a new one)", 0 },
    { 0 },
};
static const struct argp_child children[] = { { &df_job_argp, 0, NULL, 0 }, { &df_connect_argp, 0, "", 3 }, { 0 } };
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "MANIFEST\n-p PROMPT...",
    .doc =
        "Sends a job to a coordinator and prints its id. The whole manifest is checked before anything starts; the job "
        "is on the coordinator's disk when the id is printed.",
    .children = children,
};

static void report(const submit_options *o, const df_draft *job) {
    if (o->job.output == DF_OUTPUT_JSON)
        df_report_print_json(json_pack("{s:s, s:I, s:s}", "job_id", job->spec.job_id, "images", (json_int_t)job->n_rows,
                                       "manifest_sha256", job->spec.manifest_sha256));
    else if (o->job.output == DF_OUTPUT_TEXT)
        printf("%s\n", job->spec.job_id);
    fflush(stdout);
}

static int wait_for(const submit_options *o, df_link *l, const df_draft *job) {
    df_err err;
    df_wire_in answer;
    const Diffarm__JobStatus *status;
    df_progress progress = df_progress_to(stderr, o->job.output == DF_OUTPUT_QUIET);
    const df_follow_cfg cfg = { .progress = &progress };
    df_link_stop_flag(l, df_stop_on_signals());
    df_code rc = df_follow_job(l, job->spec.job_id, &cfg, &answer, &status, &err);
    if (rc == DF_ECANCELLED) {
        fprintf(stderr, "diffarm: the job goes on; `diffarm watch %s --connect %s` looks at it again\n",
                job->spec.job_id, o->connect.endpoint);
        return DF_EXIT_SOME_FAILED;
    }
    if (rc) return df_exit_with(&err);
    int code = df_report_ended(status, o->job.output);
    df_wire_in_free(&answer);
    return code;
}

static int send(const submit_options *o, df_link *l, df_draft *job) {
    df_err err;
    char id[DF_JOB_ID_BYTES];
    df_code rc = o->job_id ? DF_OK : df_job_id_new(id, &err);
    if (o->job_id) snprintf(id, sizeof id, "%s", o->job_id);
    job->spec.job_id = id;
    job->spec.priority = o->priority;
    job->upload = !o->no_upload;
    if (!rc) rc = df_send_job(l, job, o->connect.timeout_ms, &err);
    if (rc) return df_exit_with(&err);
    report(o, job);
    return o->wait ? wait_for(o, l, job) : DF_EXIT_OK;
}

int df_cmd_submit(int argc, char **argv) {
    static submit_options o; /* large */
    int code = DF_EXIT_OK;
    df_job_options_init(&o.job);
    df_connect_options_init(&o.connect);
    df_options_parse(&argp, argc, argv, &o);
    df_draft *job = df_draft_from_options(&o.job, &code);
    if (!job) return code;
    if (o.job.dry_run) {
        code = df_plan_report(job, &o.job, 1);
    } else {
        df_err err;
        df_link *l = NULL;
        df_code rc = df_link_open_with(&l, o.connect.endpoint, o.connect.keys_dir, &err);
        code = rc ? df_exit_with(&err) : send(&o, l, job);
        df_link_close(&l);
    }
    df_draft_free(&job);
    return code;
}
