#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/text/byte_symbols.h"
#include "engine/text/clean.h"
#include "engine/text/word_split.h"

enum { MAX_CODEPOINTS = 16 };

/* ends at 0 */
static void cleans_to(const char *text, const int32_t *want) {
    df_codepoints c = { 0 };
    df_err err;
    if (df_clean(&c, text, strlen(text), &err)) fail_msg("%s", err.text);
    size_t n = 0;
    while (want[n]) n++;
    if (c.n != n) fail_msg("'%s': %zu codepoints, not %zu", text, c.n, n);
    for (size_t i = 0; i < n; i++)
        if (c.at[i] != want[i])
            fail_msg("'%s': codepoint %zu is U+%04X, not U+%04X", text, i, (unsigned)c.at[i], (unsigned)want[i]);
    df_codepoints_free(&c);
}

static void composes_and_lowers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t want[MAX_CODEPOINTS];
    } cases[] = {
        { "", { 0 } },
        { "aBc", { 'a', 'b', 'c' } },
        { "e\xcc\x81", { 0xe9 } }, /* e + acute */
        { "E\xcc\x81", { 0xe9 } },
        { "\xe2\x84\xab", { 0xe5 } }, /* angstrom sign */
        { "a\xcc\xa3\xcc\x82", { 0x1ead } }, /* both orders of circumflex and dot below */
        { "a\xcc\x82\xcc\xa3", { 0x1ead } },
        { "\xc4\xb0I", { 'i', 0x307, 'i' } }, /* dotted capital I has two characters in lower case */
        { "x\xc4\xb0\xc4\xb0y", { 'x', 'i', 0x307, 'i', 0x307, 'y' } },
        { "\xe1\xba\x9e\xc3\x9f", { 0xdf, 0xdf } }, /* sharp s */
        { "\xce\xa3\xcf\x82", { 0x3c3, 0x3c2 } }, /* sigma is never made final */
        { "\xef\xac\x81", { 0xfb01 } }, /* a ligature stays: NFC, not NFKC */
        { "\xef\xbc\xa6", { 0xff46 } }, /* full-width F */
        { "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", { 0xac01 } }, /* Hangul jamo */
        { "\xe0\xa5\x98", { 0x915, 0x93c } }, /* excluded from composition */
        { "\xf0\x9d\x85\x9e", { 0x1d157, 0x1d165 } },
        { "\xf0\x90\x90\x80", { 0x10428 } }, /* Deseret */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) cleans_to(cases[i].text, cases[i].want);
}

/* One U+FFFD for each maximal part: the table of Unicode 15, section 3.9 and its neighbours. */
static void replaces_what_is_not_utf8(void **state) {
    (void)state;
    enum { R = 0xfffd };
    static const struct {
        const char *text;
        int32_t want[MAX_CODEPOINTS];
    } cases[] = {
        { "\x80", { R } },
        { "a\xff\xfe z", { 'a', R, R, ' ', 'z' } },
        { "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", { R, R, R, R, R, R, R, R, 'a' } },
        { "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", { R, R, R, R, R, R, R, R, 'a' } },
        { "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", { R, R, R, R, R, 'a', R, R, 'b' } },
        { "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", { R, R, R, R, 'a' } },
        { "\xe2\x82", { R } },
        { "\xf4\x8f\xbf\xbf", { 0x10ffff } },
        { "\xed\x9f\xbf", { 0xd7ff } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) cleans_to(cases[i].text, cases[i].want);
}

/* Half a million marks in the wrong order: sorting them by swaps would take hours. */
static void long_runs_of_marks_are_ordered_at_once(void **state) {
    (void)state;
    enum { PAIRS = 250000 };
    char *text = malloc(PAIRS * 4 + 2);
    assert_non_null(text);
    text[0] = 'q'; /* composes with neither */
    for (int i = 0; i < PAIRS; i++) memcpy(text + 1 + 4 * i, "\xcc\x82\xcc\xa3", 4); /* above, below */
    df_codepoints c = { 0 };
    df_err err;
    assert_int_equal(df_clean(&c, text, PAIRS * 4 + 1, &err), DF_OK);
    assert_int_equal(c.n, PAIRS * 2 + 1);
    for (int i = 0; i < PAIRS * 2; i++)
        if (c.at[1 + i] != (i < PAIRS ? 0x323 : 0x302)) fail_msg("mark %d is U+%04X", i, (unsigned)c.at[1 + i]);
    df_codepoints_free(&c);
    free(text);
}

static void splits_by_the_pattern(void **state) {
    (void)state;
    static const struct {
        const char *text, *words; /* words joined by | */
    } cases[] = {
        { "", "" },
        { " \t\n", "" },
        { "hello world", "hello|world" },
        { "don't we'll they've i'm i'd you're it's", "don|'t|we|'ll|they|'ve|i|'m|i|'d|you|'re|it|'s" },
        { "'tis 'l 'r 'v '", "'t|is|'|l|'|r|'|v|'" },
        { "rock'n'roll", "rock|'|n|'|roll" },
        { "a's'b", "a|'s|'|b" },
        { "!!'s", "!!'|s" },
        { "4k 1920x1080", "4|k|1|9|2|0|x|1|0|8|0" },
        { "e=mc^2", "e|=|mc|^|2" },
        { "a_b-c/d", "a|_|b|-|c|/|d" },
        { "<b>", "<|b|>" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t text[64];
        size_t n = strlen(cases[i].text);
        char words[128] = "";
        for (size_t k = 0; k < n; k++) text[k] = cases[i].text[k];
        for (size_t begin = 0, end, w = 0; df_word_next(text, n, &begin, &end); begin = end) {
            if (w) words[w++] = '|';
            for (size_t k = begin; k < end; k++) words[w++] = (char)text[k];
        }
        assert_string_equal(words, cases[i].words);
    }
    static const int32_t mixed[] = { 0xe9,    0x301,  0x4e2d, 0xbd,   0x3000, 0x2460,
                                     0x1f600, 0x200d, 0x85,   0x200b, 0x2028, 'z' };
    static const size_t bounds[][2] = { { 0, 1 }, { 1, 2 }, { 2, 3 },  { 3, 4 },
                                        { 5, 6 }, { 6, 8 }, { 9, 10 }, { 11, 12 } };
    size_t begin = 0, end, k = 0;
    for (; df_word_next(mixed, 12, &begin, &end); begin = end, k++) {
        assert_true(k < 8);
        assert_true(begin == bounds[k][0] && end == bounds[k][1]);
    }
    assert_int_equal(k, 8);
}

static void bytes_have_distinct_symbols(void **state) {
    (void)state;
    char symbol[DF_BYTE_SYMBOL_BYTES], other[DF_BYTE_SYMBOL_BYTES];
    assert_string_equal(df_byte_symbol('a', 0, symbol), "a");
    assert_string_equal(df_byte_symbol('a', 1, symbol), "a</w>");
    assert_string_equal(df_byte_symbol(' ', 0, symbol), "\xc4\xa0"); /* G with dot above */
    assert_string_equal(df_byte_symbol(0, 0, symbol), "\xc4\x80");
    assert_string_equal(df_byte_symbol(0xad, 1, symbol), "\xc5\x83</w>");
    assert_string_equal(df_byte_symbol(0xff, 0, symbol), "\xc3\xbf");
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(df_byte_symbol((unsigned char)a, 0, symbol),
                                    df_byte_symbol((unsigned char)b, 0, other));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composes_and_lowers),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(long_runs_of_marks_are_ordered_at_once),
        cmocka_unit_test(splits_by_the_pattern),
        cmocka_unit_test(bytes_have_distinct_symbols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
