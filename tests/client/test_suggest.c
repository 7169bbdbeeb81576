#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/suggest.h"

static const char *const words[] = { "steps", "seed", "size", "scheduler", "guidance", "negative" };

static void finds_slips(void **state) {
    static const char *const cases[][2] = {
        { "stpes", "steps" },       { "step", "steps" },
        { "guidence", "guidance" }, { "guidance_scale", NULL },
        { "sede", "seed" },         { "sheduler", "scheduler" },
        { "sampler", NULL },        { "cfg", NULL },
        { "negativ", "negative" },  { "", NULL },
        { "sizes", "size" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = df_suggest(cases[i][0], words, sizeof words / sizeof *words);
        if (cases[i][1])
            assert_string_equal(got, cases[i][1]);
        else
            assert_null(got);
    }
}

static void takes_the_nearest(void **state) {
    static const char *const jobs[] = { "job", "jobs", "workers" };
    (void)state;
    assert_string_equal(df_suggest("jobss", jobs, 3), "jobs");
    assert_string_equal(df_suggest("worker", jobs, 3), "workers");
}

static void stands_long_words(void **state) {
    char word[4096];
    (void)state;
    for (size_t i = 0; i < sizeof word - 1; i++) word[i] = 's';
    word[sizeof word - 1] = '\0';
    assert_null(df_suggest(word, words, sizeof words / sizeof *words));
}

static void reads_lists(void **state) {
    char out[32];
    (void)state;
    assert_string_equal(df_suggest_list("eluer", "ddim euler euler_a", out, sizeof out), "euler");
    assert_null(df_suggest_list("xyz", "ddim euler euler_a", out, sizeof out));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_slips),
        cmocka_unit_test(takes_the_nearest),
        cmocka_unit_test(stands_long_words),
        cmocka_unit_test(reads_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
