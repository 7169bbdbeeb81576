/* diffarm failures: every failed picture of a job, with its reason. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/exit_code.h"
#include "client/job_question.h"
#include "client/report.h"

static df_code ask_page(df_link *l, const df_job_question *q, uint64_t from, df_wire_in *in, df_err *err) {
    Diffarm__FailuresQuery query = DIFFARM__FAILURES_QUERY__INIT;
    query.job_id = (char *)q->job;
    query.from_row = from;
    df_code rc = df_link_ask(l, &DF_WIRE_MESSAGE(FAILURES_QUERY, failures_query, &query), in,
                             df_clock_ms() + q->connect.timeout_ms, err);
    if (rc) return rc;
    const Diffarm__FailureList *list =
        in->msg->body_case == DIFFARM__MESSAGE__BODY_FAILURE_LIST ? in->msg->failure_list : NULL;
    if (list && !list->code) return DF_OK;
    rc = list ? df_err_set(err, (df_code)list->code, "%s", list->text)
              : df_err_set(err, DF_EPROTOCOL, "the coordinator answered with a message of kind %d", in->msg->body_case);
    df_wire_in_free(in);
    return rc;
}

static void show(const Diffarm__Failure *f, df_output output) {
    if (output == DF_OUTPUT_JSON)
        df_report_print_json(json_pack("{s:I, s:I, s:s, s:s, s:I, s:s, s:i}", "row", (json_int_t)f->row, "line",
                                       (json_int_t)f->line, "name", f->name, "prompt", f->prompt, "seed",
                                       (json_int_t)f->seed, "error", f->error, "attempts", (int)f->attempts));
    else if (output == DF_OUTPUT_TEXT)
        printf("line %" PRIu64 " (picture %" PRIu64 ", seed %" PRIu64 "), %u tr%s: %s\n    %s\n", f->line, f->row,
               f->seed, f->attempts, f->attempts == 1 ? "y" : "ies", f->error, f->prompt);
}

/* Page after page, so that a job of which a million failed is no large message. */
static df_code each_page(df_link *l, const df_job_question *q, uint64_t *n, df_err *err) {
    df_code rc;
    bool more = true;
    for (uint64_t from = 0; more;) {
        df_wire_in in;
        if ((rc = ask_page(l, q, from, &in, err))) return rc;
        const Diffarm__FailureList *list = in.msg->failure_list;
        for (size_t i = 0; i < list->n_failures; i++) show(list->failures[i], q->output);
        more = list->more && list->n_failures;
        if (list->n_failures) from = list->failures[list->n_failures - 1]->row + 1;
        *n += list->n_failures;
        df_wire_in_free(&in);
    }
    return DF_OK;
}

int df_cmd_failures(int argc, char **argv) {
    static const char doc[] = "Lists the failed pictures of a job with their errors: one line of JSON each with "
                              "--output json. Exit code 0: none has failed, 1: some have.";
    df_job_question q;
    df_err err;
    uint64_t n = 0;
    df_link *l = NULL;
    df_job_question_parse(&q, "JOB", doc, argc, argv);
    df_code rc = df_link_open_with(&l, q.connect.endpoint, q.connect.keys_dir, &err);
    if (!rc) rc = each_page(l, &q, &n, &err);
    df_link_close(&l);
    if (rc) return df_exit_with(&err);
    if (!n && q.output == DF_OUTPUT_TEXT) puts("none failed");
    return n ? DF_EXIT_SOME_FAILED : DF_EXIT_OK;
}
