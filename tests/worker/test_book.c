#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/worker/some_lease.h"
#include "worker/book.h"

static void enter(df_book *b, df_lease *l) {
    bool is_new = false;
    assert_int_equal(df_book_lease(b, l, &is_new, NULL), DF_OK);
    assert_true(is_new);
}

static void result(df_book *b, df_lease *l, size_t i) {
    df_result *r = calloc(1, sizeof *r);
    r->lease = df_lease_hold(l);
    r->i = i;
    r->png = malloc(16);
    assert_int_equal(df_book_result(b, &r, NULL), DF_OK);
    assert_null(r);
}

static void keeps_results_until_acknowledged(void **state) {
    df_book b = { 0 };
    df_lease *l = some_lease("one", 10, 3);
    bool is_new;
    (void)state;
    enter(&b, l);
    assert_int_equal(df_book_lease(&b, l, &is_new, NULL), DF_OK);
    assert_false(is_new); /* delivered twice */
    result(&b, l, 0);
    result(&b, l, 2);
    assert_int_equal(b.n_results, 2);
    df_book_ack(&b, "one", 10);
    df_book_ack(&b, "one", 10); /* twice */
    df_book_ack(&b, "one", 99); /* no such row */
    df_book_ack(&b, "none", 10);
    assert_int_equal(b.n_results, 1);
    assert_int_equal(b.n_leases, 1);
    df_book_ack(&b, "one", 12);
    df_book_ack(&b, "one", 11);
    assert_int_equal(b.n_leases, 0);
    assert_int_equal(b.n_results, 0);
    df_lease_drop(&l);
}

static void forgets_revoked_leases(void **state) {
    df_book b = { 0 };
    df_lease *one = some_lease("one", 0, 2), *two = some_lease("two", 2, 2);
    (void)state;
    enter(&b, one);
    enter(&b, two);
    result(&b, one, 0);
    result(&b, two, 0);
    df_lease *back = df_book_revoke(&b, "one");
    assert_ptr_equal(back, one);
    df_lease_drop(&back);
    assert_null(df_book_revoke(&b, "one"));
    assert_int_equal(b.n_leases, 1);
    assert_int_equal(b.n_results, 1);
    result(&b, one, 1); /* was on its way: dropped */
    assert_int_equal(b.n_results, 1);
    df_lease_drop(&one);
    df_lease_drop(&two);
    df_book_clear(&b);
    assert_int_equal(b.n_leases + b.n_results, 0);
}

static void hands_back_what_is_not_begun(void **state) {
    df_book b = { 0 };
    df_lease *l = some_lease("one", 0, 4);
    (void)state;
    enter(&b, l);
    result(&b, l, 0);
    df_book_return(&b, "one", 1);
    assert_int_equal(b.n_leases, 1);
    df_book_ack(&b, "one", 0);
    assert_int_equal(b.n_leases, 0);
    enter(&b, l);
    df_book_return(&b, "one", 0);
    assert_int_equal(b.n_leases, 0);
    df_lease_drop(&l);
}

static void sends_again_what_was_sent_before(void **state) {
    df_book b = { 0 };
    df_lease *l = some_lease("one", 0, 2);
    (void)state;
    enter(&b, l);
    result(&b, l, 0);
    result(&b, l, 1);
    b.results->sent_ms = 100;
    b.results->next->sent_ms = 200;
    df_book_unsend(&b, 150);
    assert_int_equal(b.results->sent_ms, 0);
    assert_int_equal(b.results->next->sent_ms, 200);
    df_book_clear(&b);
    df_lease_drop(&l);
}

static void refuses_useless_leases(void **state) {
    df_lease *l = NULL;
    Diffarm__Message *m = some_lease_message("", 0, 1);
    (void)state;
    assert_int_equal(df_lease_new(&l, &m, NULL), DF_EPROTOCOL);
    assert_non_null(m);
    diffarm__message__free_unpacked(m, NULL);
    m = some_lease_message("x", 0, 0);
    assert_int_equal(df_lease_new(&l, &m, NULL), DF_EPROTOCOL);
    diffarm__message__free_unpacked(m, NULL);
    Diffarm__Adapter fileless = DIFFARM__ADAPTER__INIT, *adapters[] = { &fileless };
    m = some_lease_message("x", 0, 1);
    m->lease->rows[0]->adapters = adapters;
    m->lease->rows[0]->n_adapters = 1;
    assert_int_equal(df_lease_new(&l, &m, NULL), DF_EPROTOCOL);
    m->lease->rows[0]->n_adapters = 0;
    m->lease->rows[0]->adapters = NULL;
    diffarm__message__free_unpacked(m, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_results_until_acknowledged), cmocka_unit_test(forgets_revoked_leases),
        cmocka_unit_test(hands_back_what_is_not_begun),     cmocka_unit_test(sends_again_what_was_sent_before),
        cmocka_unit_test(refuses_useless_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
