/* Weights in prompts. What is expected was computed with parse_prompt_attention of AUTOMATIC1111's web UI. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "engine/text/emphasis.h"

enum { MAX_PIECES = 6 };

typedef struct piece {
    const char *text; /* NULL: the end; "BREAK" with weight 0 */
    double weight;
} piece;

typedef struct prompt {
    const char *text;
    piece want[MAX_PIECES];
} prompt;

static void check(const prompt *p, bool weights, bool breaks) {
    df_emphasis e;
    df_err err;
    size_t n = 0;
    if (df_emphasis_parse(&e, p->text, weights, breaks, &err)) fail_msg("'%s': %s", p->text, err.text);
    while (n < MAX_PIECES && p->want[n].text) n++;
    if (e.n != n) fail_msg("'%s': %zu pieces, not %zu", p->text, e.n, n);
    for (size_t i = 0; i < n; i++) {
        bool is_break = p->want[i].weight == 0 && !strcmp(p->want[i].text, "BREAK");
        assert_int_equal(e.piece[i].breaks, is_break);
        if (is_break) continue;
        assert_string_equal(e.piece[i].text, p->want[i].text);
        if (fabs(e.piece[i].weight - p->want[i].weight) > 1e-12 * fabs(p->want[i].weight))
            fail_msg("'%s': '%s' weighs %.17g", p->text, e.piece[i].text, e.piece[i].weight);
    }
    df_emphasis_free(&e);
}

static void brackets_weigh(void **state) {
    (void)state;
    static const prompt prompts[] = {
        { "a house", { { "a house", 1 } } },
        { "", { { "", 1 } } },
        { "a (red) house", { { "a ", 1 }, { "red", 1.1 }, { " house", 1 } } },
        { "a ((red)) house", { { "a ", 1 }, { "red", 1.1 * 1.1 }, { " house", 1 } } },
        { "[dull] (sky: 1.5 )", { { "dull", 1 / 1.1 }, { " ", 1 }, { "sky", 1.5 } } },
        { "(a (red:1.3) house:0.5)", { { "a ", 0.5 }, { "red", 1.3 * 0.5 }, { " house", 0.5 } } },
        { "(sky:-.5)", { { "sky", -0.5 } } },
        { "\\(a\\) \\[b\\] c\\\\d", { { "(a) [b] c\\d", 1 } } },
        { "a\\b", { { "ab", 1 } } },
        { "(open", { { "open", 1.1 } } },
        { "a) b] :c", { { "a) b] :c", 1 } } },
        { "(ratio 3:4)", { { "ratio 3", 4 } } },
        { "(a:1.2.3)", { { "a:1.2.3", 1.1 } } },
        { "a BREAK b", { { "a BREAK b", 1 } } },
    };
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) check(&prompts[i], true, false);
}

static void breaks_are_words(void **state) {
    (void)state;
    static const prompt prompts[] = {
        { "a BREAK b", { { "a", 1 }, { "BREAK", 0 }, { "b", 1 } } },
        { "(a BREAK b)", { { "a", 1.1 }, { "BREAK", 0 }, { "b", 1.1 } } },
        { "BREAKER break xBREAK", { { "BREAKER break xBREAK", 1 } } },
        { "a BREAK", { { "a", 1 }, { "BREAK", 0 }, { "", 1 } } },
    };
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) check(&prompts[i], true, true);
}

static void off_it_is_text(void **state) {
    (void)state;
    static const prompt plain = { "a (red:1.3) \\( BREAK [x]", { { "a (red:1.3) \\( BREAK [x]", 1 } } },
                        broken = { "(a) BREAK b", { { "(a)", 1 }, { "BREAK", 0 }, { "b", 1 } } };
    check(&plain, false, false);
    check(&broken, false, true);
}

static void absurd_weights_are_refused(void **state) {
    (void)state;
    static const char *const prompts[] = { "a (b:101)", "(b:-1000)", "((b:99):99)" };
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        df_emphasis e;
        df_err err;
        assert_int_equal(df_emphasis_parse(&e, prompts[i], true, true, &err), DF_EINVAL);
        assert_non_null(strstr(err.text, "'b' has the weight"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brackets_weigh),
        cmocka_unit_test(breaks_are_words),
        cmocka_unit_test(off_it_is_text),
        cmocka_unit_test(absurd_weights_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
