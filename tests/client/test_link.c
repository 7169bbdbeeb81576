#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "client/follow.h"
#include "client/send.h"
#include "tests/client/fake_coordinator.h"

/* questions */

typedef struct script {
    int silent_for; /* leaves so many questions without an answer */
    int n_questions;
    bool stale_first; /* answers under an older id before the right one */
} script;

static void answer_jobs(fake_coordinator *f, const df_wire_in *in) {
    script *s = f->ctx;
    if (in->msg->body_case == DIFFARM__MESSAGE__BODY_HELLO) fake_welcome(f, in);
    if (in->msg->body_case != DIFFARM__MESSAGE__BODY_JOB_QUERY) return;
    if (s->n_questions++ < s->silent_for) return;
    Diffarm__JobStatus j = DIFFARM__JOB_STATUS__INIT, *all[] = { &j };
    Diffarm__JobList list = DIFFARM__JOB_LIST__INIT;
    j.job_id = in->msg->job_query->job_id;
    j.state = (char *)"running";
    list.request_id = in->msg->job_query->request_id - 1;
    if (s->stale_first) fake_send(f, in, DIFFARM__MESSAGE__BODY_JOB_LIST, &list);
    list.request_id++;
    list.n_jobs = 1;
    list.jobs = all;
    fake_send(f, in, DIFFARM__MESSAGE__BODY_JOB_LIST, &list);
}

static void ask(script *s, const char *job_id, int timeout_ms, df_code wanted, const char *says) {
    fake_coordinator f = { .id = "one", .on_message = answer_jobs, .ctx = s };
    df_link *l = NULL;
    df_wire_in in;
    df_err err;
    const Diffarm__JobStatus *j = NULL;
    fake_start(&f);
    assert_int_equal(df_link_open(&l, f.endpoint, &err), DF_OK);
    df_code rc = df_ask_job(l, job_id, df_clock_ms() + timeout_ms, &in, &j, &err);
    assert_int_equal(rc, wanted);
    if (rc) {
        assert_non_null(strstr(err.text, says));
    } else {
        assert_string_equal(j->state, says);
        df_wire_in_free(&in);
    }
    df_link_close(&l);
    fake_stop(&f);
}

static void asks_until_answered(void **state) {
    (void)state;
    ask(&(script) { 0 }, "a", 5000, DF_OK, "running");
    ask(&(script) { .stale_first = true }, "a", 5000, DF_OK, "running");
    ask(&(script) { .silent_for = 2 }, "a", 10000, DF_OK, "running");
}

static void gives_up_in_time(void **state) {
    df_link *l = NULL;
    df_wire_in in;
    df_err err;
    const Diffarm__JobStatus *j;
    (void)state;
    ask(&(script) { .silent_for = 1000 }, "a", 700, DF_EUNREACHABLE, "is it running there?");
    /* Nobody listens. */
    assert_int_equal(df_link_open(&l, "tcp://127.0.0.1:9", &err), DF_OK);
    int64_t start = df_clock_ms();
    assert_int_equal(df_ask_job(l, "a", start + 300, &in, &j, &err), DF_EUNREACHABLE);
    assert_in_range(df_clock_ms() - start, 300, 1500);
    df_link_close(&l);
    assert_int_not_equal(df_link_open(&l, "no endpoint", &err), DF_OK);
}

static void answer_refused(fake_coordinator *f, const df_wire_in *in) {
    Diffarm__Refused r = DIFFARM__REFUSED__INIT;
    r.reason = (char *)"too old";
    fake_send(f, in, DIFFARM__MESSAGE__BODY_REFUSED, &r);
}

static void hears_a_refusal(void **state) {
    fake_coordinator f = { .id = "one", .on_message = answer_refused };
    df_link *l = NULL;
    df_wire_in in;
    df_err err;
    const Diffarm__JobStatus *j;
    (void)state;
    fake_start(&f);
    assert_int_equal(df_link_open(&l, f.endpoint, &err), DF_OK);
    assert_int_equal(df_ask_job(l, "a", df_clock_ms() + 5000, &in, &j, &err), DF_EPROTOCOL);
    assert_non_null(strstr(err.text, "too old"));
    df_link_close(&l);
    fake_stop(&f);
}

static void *start_late(void *arg) {
    df_clock_sleep_ms(600);
    fake_start(arg);
    return NULL;
}

/* The coordinator goes away and comes back: the same link goes on, and its waiting is told. */
static df_code count_wait(void *ctx, int64_t waited_ms, df_err *err) {
    (void)waited_ms, (void)err;
    ++*(int *)ctx;
    return DF_OK;
}

static void survives_a_restart(void **state) {
    script s = { 0 };
    fake_coordinator f = { .id = "one", .on_message = answer_jobs, .ctx = &s };
    df_link *l = NULL;
    df_wire_in in;
    df_err err;
    const Diffarm__JobStatus *j;
    pthread_t late;
    int waits = 0;
    (void)state;
    fake_start(&f);
    assert_int_equal(df_link_open(&l, f.endpoint, &err), DF_OK);
    df_link_on_wait(l, count_wait, &waits);
    assert_int_equal(df_ask_job(l, "a", df_clock_ms() + 5000, &in, &j, &err), DF_OK);
    df_wire_in_free(&in);
    assert_string_equal(df_link_coordinator(l), "one");
    fake_stop(&f);
    snprintf(f.id, sizeof f.id, "two");
    pthread_create(&late, NULL, start_late, &f);
    assert_int_equal(df_ask_job(l, "a", df_clock_ms() + 10000, &in, &j, &err), DF_OK);
    df_wire_in_free(&in);
    pthread_join(late, NULL);
    assert_string_equal(df_link_coordinator(l), "two");
    assert_true(waits > 0);
    df_link_close(&l);
    fake_stop(&f);
}

/* sending a job */

typedef struct upload {
    uint64_t n_rows, batches, ended_with;
    int begins;
    bool forget_once; /* answers the second batch with ENOTFOUND, as a coordinator that was restarted */
    df_code refuse;
    char last_prompt[64];
} upload;

static void take_rows(upload *u, const Diffarm__SubmitRows *m) {
    assert_int_equal(m->batch, u->batches);
    for (size_t i = 0; i < m->n_rows; i++) assert_int_equal(m->rows[i]->row, u->n_rows + i);
    u->batches++;
    u->n_rows += m->n_rows;
    snprintf(u->last_prompt, sizeof u->last_prompt, "%s", m->rows[m->n_rows - 1]->prompt);
}

static void answer_upload(fake_coordinator *f, const df_wire_in *in) {
    upload *u = f->ctx;
    const Diffarm__Message *m = in->msg;
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_HELLO: fake_welcome(f, in); break;
    case DIFFARM__MESSAGE__BODY_SUBMIT_BEGIN:
        u->begins++;
        u->n_rows = u->batches = 0;
        fake_reply(f, in, m->submit_begin->request_id, u->refuse, u->refuse ? "OUT is taken" : "");
        break;
    case DIFFARM__MESSAGE__BODY_SUBMIT_ROWS:
        if (u->forget_once && u->batches == 1) {
            u->forget_once = false;
            fake_reply(f, in, m->submit_rows->request_id, DF_ENOTFOUND, "no such upload");
            break;
        }
        take_rows(u, m->submit_rows);
        fake_reply(f, in, m->submit_rows->request_id, DF_OK, "");
        break;
    case DIFFARM__MESSAGE__BODY_SUBMIT_END:
        u->ended_with = m->submit_end->n_rows;
        fake_reply(f, in, m->submit_end->request_id, DF_OK, "");
        break;
    default: break;
    }
}

static df_code hash_row(void *ctx, const Diffarm__Row *row, df_err *err) {
    return df_draft_hash_row(ctx, row, err);
}

/* A job of n prompts: only what sending needs. */
static void send_prompts(upload *u, int n, bool changed, df_code wanted, const char *says) {
    fake_coordinator f = { .id = "one", .on_message = answer_upload, .ctx = u };
    static char text[3000][24];
    static const char *prompts[3000];
    df_link *l = NULL;
    df_err err;
    df_draft job = { .rows = { .prompts = prompts, .n_prompts = n } };
    assert_int_equal(df_model_open(&job.model, DF_SOURCE_DIR "/models/starter", &err), DF_OK);
    job.rows.defaults = (df_row_defaults) {
        .line = { .negative = "", .scheduler = "", .width = 8, .height = 8, .steps = 1, .count = 1 },
        .model = job.model,
    };
    for (int i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "prompt %d", i);
        prompts[i] = text[i];
    }
    diffarm__job_spec__init(&job.spec);
    job.spec.job_id = (char *)"0123456789abcdef";
    job.spec.title = (char *)"prompts";
    char hex[DF_SHA256_HEX_BYTES];
    df_sha256 *hash = df_draft_hash_begin(&job.spec);
    df_problems problems = { 0 };
    assert_int_equal(df_rows_each(&job.rows, &problems, hash_row, hash, NULL, &err), DF_OK);
    df_sha256_end(&hash, hex);
    if (changed) hex[0] = hex[0] == '0' ? '1' : '0';
    job.spec.manifest_sha256 = hex;
    fake_start(&f);
    assert_int_equal(df_link_open(&l, f.endpoint, &err), DF_OK);
    df_code rc = df_send_job(l, &job, 5000, &err);
    assert_int_equal(rc, wanted);
    if (rc) assert_non_null(strstr(err.text, says));
    df_model_close(&job.model);
    df_link_close(&l);
    fake_stop(&f);
}

static void sends_in_batches(void **state) {
    upload u = { 0 };
    (void)state;
    send_prompts(&u, 1500, false, DF_OK, NULL);
    assert_int_equal(u.ended_with, 1500);
    assert_int_equal(u.n_rows, 1500);
    assert_true(u.batches > 1);
    assert_string_equal(u.last_prompt, "prompt 1499");
    assert_int_equal(u.begins, 1);
}

static void starts_over_when_forgotten(void **state) {
    upload u = { .forget_once = true };
    (void)state;
    send_prompts(&u, 1500, false, DF_OK, NULL);
    assert_int_equal(u.begins, 2);
    assert_int_equal(u.n_rows, 1500);
    assert_int_equal(u.ended_with, 1500);
}

static void hands_refusals_on(void **state) {
    upload u = { .refuse = DF_EEXIST };
    (void)state;
    send_prompts(&u, 3, false, DF_EEXIST, "OUT is taken");
    assert_int_equal(u.ended_with, 0);
}

static void notices_a_changed_manifest(void **state) {
    upload u = { 0 };
    (void)state;
    send_prompts(&u, 3, true, DF_EINVAL, "changed while it was being sent");
    assert_int_equal(u.ended_with, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_until_answered), cmocka_unit_test(gives_up_in_time),
        cmocka_unit_test(hears_a_refusal),     cmocka_unit_test(survives_a_restart),
        cmocka_unit_test(sends_in_batches),    cmocka_unit_test(starts_over_when_forgotten),
        cmocka_unit_test(hands_refusals_on),   cmocka_unit_test(notices_a_changed_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
