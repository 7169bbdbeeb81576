#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/client/fake_coordinator.h"
#include "tests/worker/some_lease.h"
#include "worker/uplink.h"

/* What the fake coordinator has seen, and how it behaves. */
typedef struct farm {
    atomic_int n_hellos, n_requests, n_results, n_heartbeats, n_returned, n_goodbyes, leases_held, last_flags;
    atomic_bool acknowledge, lend, revoke, knows_us, say_hello;
    atomic_uint_fast64_t returned_row;
    atomic_bool refuse;
    char last_error[64];
} farm;

static void lend(fake_coordinator *f, const df_wire_in *in) {
    Diffarm__Message *m = some_lease_message("token-1", 7, 2);
    fake_send(f, in, DIFFARM__MESSAGE__BODY_LEASE, m->lease);
    diffarm__message__free_unpacked(m, NULL);
}

static void acknowledge(fake_coordinator *f, const df_wire_in *in, const char *token, uint64_t row) {
    Diffarm__ResultAck ack = DIFFARM__RESULT_ACK__INIT;
    ack.token = (char *)token;
    ack.row = row;
    ack.committed = true;
    fake_send(f, in, DIFFARM__MESSAGE__BODY_RESULT_ACK, &ack);
}

static void on_hello(fake_coordinator *f, farm *s, const df_wire_in *in) {
    atomic_fetch_add(&s->n_hellos, 1);
    atomic_store(&s->leases_held, (int)in->msg->hello->n_leases_held);
    assert_string_equal(in->msg->hello->backend, "cpu");
    if (atomic_load(&s->refuse)) {
        Diffarm__Refused r = DIFFARM__REFUSED__INIT;
        r.reason = (char *)"no room for you";
        fake_send(f, in, DIFFARM__MESSAGE__BODY_REFUSED, &r);
        return;
    }
    atomic_store(&s->knows_us, true);
    fake_welcome(f, in);
}

static void on_heartbeat(fake_coordinator *f, farm *s, const df_wire_in *in) {
    atomic_fetch_add(&s->n_heartbeats, 1);
    if (!atomic_load(&s->knows_us)) {
        Diffarm__SayHello again = DIFFARM__SAY_HELLO__INIT;
        again.coordinator_id = f->id;
        fake_send(f, in, DIFFARM__MESSAGE__BODY_SAY_HELLO, &again);
        return;
    }
    Diffarm__HeartbeatAck ack = DIFFARM__HEARTBEAT_ACK__INIT;
    ack.coordinator_id = f->id;
    fake_send(f, in, DIFFARM__MESSAGE__BODY_HEARTBEAT_ACK, &ack);
    if (!atomic_exchange(&s->revoke, false)) return;
    Diffarm__LeaseRevoked r = DIFFARM__LEASE_REVOKED__INIT;
    r.token = (char *)"token-1";
    fake_send(f, in, DIFFARM__MESSAGE__BODY_LEASE_REVOKED, &r);
}

static void on_message(fake_coordinator *f, const df_wire_in *in) {
    farm *s = f->ctx;
    const Diffarm__Message *m = in->msg;
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_HELLO: on_hello(f, s, in); break;
    case DIFFARM__MESSAGE__BODY_HEARTBEAT: on_heartbeat(f, s, in); break;
    case DIFFARM__MESSAGE__BODY_LEASE_REQUEST:
        atomic_fetch_add(&s->n_requests, 1);
        if (atomic_load(&s->lend)) lend(f, in);
        break;
    case DIFFARM__MESSAGE__BODY_RESULT:
        atomic_fetch_add(&s->n_results, 1);
        atomic_store(&s->last_flags, (int)m->result->n_flags);
        assert_int_equal(in->blob_bytes, 3);
        if (atomic_load(&s->acknowledge)) acknowledge(f, in, m->result->token, m->result->row);
        break;
    case DIFFARM__MESSAGE__BODY_ROW_FAILED:
        snprintf(s->last_error, sizeof s->last_error, "%s", m->row_failed->error);
        atomic_fetch_add(&s->n_results, 1);
        acknowledge(f, in, m->row_failed->token, m->row_failed->row);
        break;
    case DIFFARM__MESSAGE__BODY_LEASE_RETURNED:
        atomic_store(&s->returned_row, m->lease_returned->n_rows ? m->lease_returned->rows[0] : 0);
        atomic_fetch_add(&s->n_returned, 1);
        break;
    case DIFFARM__MESSAGE__BODY_GOODBYE: atomic_fetch_add(&s->n_goodbyes, 1); break;
    default: break;
    }
}

static void wait_until(const atomic_int *count, int at_least) {
    int64_t until = df_clock_ms() + 5000;
    while (atomic_load(count) < at_least && df_clock_ms() < until) df_clock_sleep_ms(5);
    assert_true(atomic_load(count) >= at_least);
}

static df_uplink *open_uplink(const fake_coordinator *f) {
    df_uplink *u = NULL;
    const df_uplink_cfg cfg = {
        .endpoint = f->endpoint, .n_ranks = 1, .threads = 1, .backend = "cpu", .dtypes = "f32"
    };
    assert_int_equal(df_uplink_open(&u, &cfg, NULL), DF_OK);
    return u;
}

static df_lease *get_lease(df_uplink *u) {
    df_uplink_want(u, 10, 1.5, 6e6);
    df_uplink_event *e = df_uplink_next(u, 5000);
    assert_non_null(e);
    assert_int_equal(e->kind, DF_UPLINK_LEASE);
    df_lease *l = e->lease;
    e->lease = NULL;
    df_uplink_event_free(&e);
    return l;
}

static void give_result(df_uplink *u, df_lease *l, size_t i, bool failed) {
    df_result *r = calloc(1, sizeof *r);
    r->lease = df_lease_hold(l);
    r->i = i;
    if (failed) {
        df_err_set(&r->why, DF_ENUMERIC, "NaN at step 3");
    } else {
        r->png = calloc(3, 1);
        r->png_bytes = 3;
        r->flags = 3;
    }
    df_uplink_result(u, &r);
}

static void works_through_a_lease(void **state) {
    farm s = { .acknowledge = true, .lend = true };
    fake_coordinator f = { .id = "one", .on_message = on_message, .ctx = &s };
    (void)state;
    fake_start(&f);
    df_uplink *u = open_uplink(&f);
    df_lease *l = get_lease(u);
    assert_int_equal(l->n_rows, 2);
    assert_int_equal(l->rows[1]->row, 8);
    give_result(u, l, 0, false);
    give_result(u, l, 1, true);
    wait_until(&s.n_results, 2);
    df_uplink_finish(u, 5000);
    wait_until(&s.n_goodbyes, 1);
    df_lease_drop(&l);
    df_uplink_close(&u);
    fake_stop(&f);
    assert_int_equal(s.last_flags, 2);
    assert_string_equal(s.last_error, "NaN at step 3");
    assert_int_equal(s.n_results, 2);
}

/* The coordinator dies with a result on its desk; the next one gets the lease's name, the result and the question. */
static void goes_on_after_a_restart(void **state) {
    farm s = { .lend = true };
    fake_coordinator f = { .id = "one", .on_message = on_message, .ctx = &s };
    (void)state;
    fake_start(&f);
    df_uplink *u = open_uplink(&f);
    df_lease *l = get_lease(u);
    give_result(u, l, 0, false);
    wait_until(&s.n_results, 1);
    fake_stop(&f);
    df_uplink_want(u, 10, 0, 0);
    give_result(u, l, 1, false);
    atomic_store(&s.lend, false);
    atomic_store(&s.acknowledge, true);
    atomic_store(&s.knows_us, false);
    atomic_store(&s.n_requests, 0);
    atomic_store(&s.n_results, 0);
    strcpy(f.id, "two");
    fake_start(&f);
    wait_until(&s.n_results, 2);
    wait_until(&s.n_requests, 1);
    assert_int_equal(s.leases_held, 1);
    df_uplink_finish(u, 5000);
    df_lease_drop(&l);
    df_uplink_close(&u);
    fake_stop(&f);
    assert_int_equal(s.n_results, 2);
}

/* A coordinator that forgot us without our noticing asks for Hello, and gets results again. */
static void says_hello_when_asked(void **state) {
    farm s = { .lend = true };
    fake_coordinator f = { .id = "one", .on_message = on_message, .ctx = &s };
    (void)state;
    fake_start(&f);
    df_uplink *u = open_uplink(&f);
    df_lease *l = get_lease(u);
    give_result(u, l, 0, false);
    wait_until(&s.n_results, 1);
    atomic_store(&s.acknowledge, true);
    atomic_store(&s.knows_us, false);
    wait_until(&s.n_hellos, 2);
    wait_until(&s.n_results, 2);
    df_lease_drop(&l);
    df_uplink_close(&u);
    fake_stop(&f);
}

static void hears_of_revoked_leases(void **state) {
    farm s = { .lend = true };
    fake_coordinator f = { .id = "one", .on_message = on_message, .ctx = &s };
    (void)state;
    fake_start(&f);
    df_uplink *u = open_uplink(&f);
    df_lease *l = get_lease(u);
    atomic_store(&s.revoke, true);
    df_uplink_event *e = df_uplink_next(u, 5000);
    assert_non_null(e);
    assert_int_equal(e->kind, DF_UPLINK_REVOKED);
    assert_ptr_equal(e->lease, l);
    df_uplink_event_free(&e);
    give_result(u, l, 0, false); /* dropped: nothing is left to wait for */
    int64_t start = df_clock_ms();
    df_uplink_finish(u, 5000);
    assert_true(df_clock_ms() - start < 4000);
    assert_int_equal(s.n_results, 0);
    df_lease_drop(&l);
    df_uplink_close(&u);
    fake_stop(&f);
}

static void hands_rows_back(void **state) {
    farm s = { .lend = true };
    fake_coordinator f = { .id = "one", .on_message = on_message, .ctx = &s };
    (void)state;
    fake_start(&f);
    df_uplink *u = open_uplink(&f);
    df_lease *l = get_lease(u);
    df_uplink_draining(u);
    df_uplink_return(u, l, 1);
    wait_until(&s.n_returned, 1);
    assert_int_equal(s.returned_row, 8);
    df_lease_drop(&l);
    df_uplink_close(&u);
    fake_stop(&f);
}

static void ends_when_refused(void **state) {
    farm s = { .refuse = true };
    fake_coordinator f = { .id = "one", .on_message = on_message, .ctx = &s };
    (void)state;
    fake_start(&f);
    df_uplink *u = open_uplink(&f);
    df_uplink_event *e = df_uplink_next(u, 5000);
    assert_non_null(e);
    assert_int_equal(e->kind, DF_UPLINK_REFUSED);
    assert_non_null(strstr(e->why.text, "no room for you"));
    df_uplink_event_free(&e);
    df_uplink_close(&u);
    fake_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_through_a_lease), cmocka_unit_test(goes_on_after_a_restart),
        cmocka_unit_test(says_hello_when_asked), cmocka_unit_test(hears_of_revoked_leases),
        cmocka_unit_test(hands_rows_back),       cmocka_unit_test(ends_when_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
