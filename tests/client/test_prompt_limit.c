#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/prompt_limit.h"

static df_model *model;

static int open_model(void **state) {
    df_err err;
    (void)state;
    return df_model_open(&model, DF_SOURCE_DIR "/models/starter", &err) ? -1 : 0;
}

static int close_model(void **state) {
    (void)state;
    df_model_close(&model);
    return 0;
}

/* n times the word, with blanks between. */
static char *repeated(const char *word, int n) {
    char *text = malloc((strlen(word) + 1) * (size_t)n + 1);
    text[0] = '\0';
    for (int i = 0; i < n; i++) sprintf(text + strlen(text), "%s%s", i ? " " : "", word);
    return text;
}

/* What a walk over n rows writes. */
static char *warnings(const Diffarm__Row *rows, int n) {
    char *out = NULL;
    size_t bytes;
    FILE *to = open_memstream(&out, &bytes);
    df_prompt_limit limit = { .model = model };
    df_err err;
    for (int i = 0; i < n; i++)
        if (df_prompt_limit_check(&limit, &rows[i], to, &err)) fail_msg("%s", err.text);
    df_prompt_limit_end(&limit, to);
    fclose(to);
    return out;
}

static Diffarm__Row row_of(char *prompt, uint64_t line) {
    Diffarm__Row row = DIFFARM__ROW__INIT;
    row.prompt = prompt;
    row.line = line;
    return row;
}

static int lines_in(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void what_fits_is_not_told(void **state) {
    (void)state;
    char *text = repeated("a", 75); /* with start and end 77 */
    Diffarm__Row row = row_of(text, 1);
    char *said = warnings(&row, 1);
    assert_string_equal(said, "");
    free(said);
    free(text);
}

static void the_part_that_is_cut_is_shown(void **state) {
    (void)state;
    char *text = repeated("a", 75), longer[400];
    snprintf(longer, sizeof longer, "%s red \xc3\xa9", text);
    Diffarm__Row row = row_of(longer, 12);
    char *said = warnings(&row, 1);
    assert_non_null(strstr(said, "warning: line 12: the prompt has "));
    assert_non_null(strstr(said, "the model takes 77"));
    assert_non_null(strstr(said, "red \xc3\xa9\" is cut off"));
    free(said);
    free(text);
}

static void each_prompt_is_told_once(void **state) {
    (void)state;
    char *one = repeated("cat", 90), *other = repeated("dog", 90);
    const Diffarm__Row rows[] = { row_of(one, 1), row_of(one, 2), row_of(other, 3), row_of(one, 4), row_of(other, 5) };
    char *said = warnings(rows, 5);
    assert_int_equal(lines_in(said), 2);
    assert_non_null(strstr(said, "warning: line 1:"));
    assert_non_null(strstr(said, "warning: line 3:"));
    free(said);
    free(one);
    free(other);
}

static void many_are_counted(void **state) {
    enum { N = DF_PROMPT_LIMIT_SHOWN + 5 };
    (void)state;
    Diffarm__Row rows[2 * N];
    char *text[N];
    for (int i = 0; i < N; i++) {
        text[i] = repeated("cat", 90);
        text[i][0] = (char)('a' + i);
        rows[i] = rows[N + i] = row_of(text[i], (uint64_t)i);
    }
    char *said = warnings(rows, 2 * N);
    assert_int_equal(lines_in(said), DF_PROMPT_LIMIT_SHOWN + 1);
    assert_non_null(strstr(said, "\ndiffarm: warning: 5 more prompts are cut\n"));
    free(said);
    for (int i = 0; i < N; i++) free(text[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_not_told),
        cmocka_unit_test(the_part_that_is_cut_is_shown),
        cmocka_unit_test(each_prompt_is_told_once),
        cmocka_unit_test(many_are_counted),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
