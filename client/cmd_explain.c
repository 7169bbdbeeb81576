/* diffarm explain: why a job waits; how a picture came to be. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/exit_code.h"
#include "client/job_question.h"
#include "client/provenance/tell.h"
#include "client/report.h"

static void show(const Diffarm__Explanation *e, df_output output) {
    if (output == DF_OUTPUT_TEXT) {
        printf("%s: %s\n", e->state, e->summary);
        for (size_t i = 0; i < e->n_details; i++) printf("  %s\n", e->details[i]);
    } else if (output == DF_OUTPUT_JSON) {
        json_t *details = json_array();
        for (size_t i = 0; i < e->n_details; i++) json_array_append_new(details, json_string(e->details[i]));
        df_report_print_json(
            json_pack("{s:s, s:s, s:o}", "state", e->state, "summary", e->summary, "details", details));
    }
}

static df_code ask(df_link *l, const df_job_question *q, df_err *err) {
    df_wire_in in;
    Diffarm__ExplainQuery query = DIFFARM__EXPLAIN_QUERY__INIT;
    query.job_id = (char *)q->job;
    df_code rc = df_link_ask(l, &DF_WIRE_MESSAGE(EXPLAIN_QUERY, explain_query, &query), &in,
                             df_clock_ms() + q->connect.timeout_ms, err);
    if (rc) return rc;
    const Diffarm__Message *a = in.msg;
    if (a->body_case != DIFFARM__MESSAGE__BODY_EXPLANATION)
        rc = df_err_set(err, DF_EPROTOCOL, "the coordinator answered with a message of kind %d", a->body_case);
    else if (a->explanation->code)
        rc = df_err_set(err, (df_code)a->explanation->code, "%s", a->explanation->text);
    else
        show(a->explanation, q->output);
    df_wire_in_free(&in);
    return rc;
}

static df_code explain_job(const df_job_question *q, df_err *err) {
    df_link *l = NULL;
    df_code rc = df_link_open_with(&l, q->connect.endpoint, q->connect.keys_dir, err);
    if (!rc) rc = ask(l, q, err);
    df_link_close(&l);
    return rc;
}

static df_code explain_image(const df_job_question *q, df_err *err) {
    df_recipe *r = NULL;
    df_code rc = df_recipe_read(&r, q->job, err);
    if (!rc) df_tell_recipe(r, q->output);
    df_recipe_free(&r);
    return rc;
}

/* The id of a job has neither. */
static bool is_path(const char *text) {
    return strchr(text, '/') || strchr(text, '.');
}

int df_cmd_explain(int argc, char **argv) {
    static const char doc[] =
        "Tells why a job waits: what it needs, and what each worker does. Of a picture tells how it "
        "came to be, from what its PNG says.";
    df_job_question q;
    df_err err;
    df_job_question_parse(&q, "JOB|IMAGE.png", doc, argc, argv);
    df_code rc = is_path(q.job) ? explain_image(&q, &err) : explain_job(&q, &err);
    return rc ? df_exit_with(&err) : DF_EXIT_OK;
}
