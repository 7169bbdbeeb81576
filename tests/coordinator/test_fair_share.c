/* Fair shares over made-up takers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/fair_share.h"

typedef struct taker {
    df_fair_turn turn;
    double weight, cost, got;
} taker;

/* Serves n times, the first of equals first. */
static void serve(df_fair_share *share, taker *takers, int n_takers, int n) {
    for (int i = 0; i < n; i++) {
        taker *next = &takers[0];
        for (int k = 1; k < n_takers; k++)
            if (df_fair_start(share, &takers[k].turn) < df_fair_start(share, &next->turn)) next = &takers[k];
        df_fair_charge(share, &next->turn, next->cost, next->weight);
        next->got += next->cost;
    }
}

static void service_follows_weight_whatever_a_turn_costs(void **state) {
    (void)state;
    df_fair_share share = { 0 };
    taker takers[] = { { .weight = 1, .cost = 30 }, { .weight = 4, .cost = 7 }, { .weight = 0.5, .cost = 1 } };
    serve(&share, takers, 3, 10000);
    assert_in_range((int)(1000 * takers[1].got / takers[0].got), 3990, 4010);
    assert_in_range((int)(1000 * takers[2].got / takers[0].got), 495, 505);
}

static void a_newcomer_is_served_at_once_and_no_more_than_its_share(void **state) {
    (void)state;
    df_fair_share share = { 0 };
    taker takers[] = { { .weight = 1, .cost = 30 }, { .weight = 1, .cost = 30 } };
    serve(&share, takers, 1, 5000); /* alone for long */
    takers[0].got = 0;
    serve(&share, takers, 2, 2);
    assert_true(takers[1].got > 0);
    serve(&share, takers, 2, 98);
    assert_true(takers[0].got == takers[1].got);
}

static void what_a_turn_took_in_truth_counts(void **state) {
    (void)state;
    df_fair_share share = { 0 };
    taker takers[] = { { .weight = 1, .cost = 10 }, { .weight = 1, .cost = 10 } };
    int served[2] = { 0 };
    for (int i = 0; i < 300; i++) {
        int k = df_fair_start(&share, &takers[1].turn) < df_fair_start(&share, &takers[0].turn);
        df_fair_charge(&share, &takers[k].turn, 10, 1);
        df_fair_correct(&takers[k].turn, k ? 10 : 0, 1); /* the second always takes twice as long as expected */
        served[k]++;
    }
    assert_in_range(served[0], 199, 201);
}

static void a_priority_doubles(void **state) {
    (void)state;
    assert_true(df_fair_weight(0) == 1 && df_fair_weight(3) == 8 && df_fair_weight(-2) == 0.25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service_follows_weight_whatever_a_turn_costs),
        cmocka_unit_test(a_newcomer_is_served_at_once_and_no_more_than_its_share),
        cmocka_unit_test(what_a_turn_took_in_truth_counts),
        cmocka_unit_test(a_priority_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
