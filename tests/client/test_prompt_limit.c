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

static char *warnings(df_prompt_limit *limit, Diffarm__Row *row) {
    char *out = NULL;
    size_t bytes;
    FILE *to = open_memstream(&out, &bytes);
    df_err err;
    if (df_prompt_limit_check(limit, row, to, &err)) fail_msg("%s", err.text);
    df_prompt_limit_end(limit, to);
    fclose(to);
    return out;
}

static void what_fits_is_not_told(void **state) {
    (void)state;
    char *text = repeated("a", 75); /* with start and end 77 */
    df_prompt_limit limit = { .model = model };
    Diffarm__Row row = DIFFARM__ROW__INIT;
    row.prompt = text;
    char *said = warnings(&limit, &row);
    assert_string_equal(said, "");
    free(said);
    free(text);
}

static void the_part_that_is_cut_is_shown(void **state) {
    (void)state;
    char *text = repeated("a", 75), longer[400];
    snprintf(longer, sizeof longer, "%s red \xc3\xa9", text);
    df_prompt_limit limit = { .model = model };
    Diffarm__Row row = DIFFARM__ROW__INIT;
    row.prompt = longer;
    row.line = 12;
    char *said = warnings(&limit, &row);
    assert_non_null(strstr(said, "warning: line 12: the prompt has "));
    assert_non_null(strstr(said, "the model takes 77"));
    assert_non_null(strstr(said, "red \xc3\xa9\" is cut off"));
    free(said);
    said = warnings(&limit, &row); /* the same again */
    assert_string_equal(said, "");
    free(said);
    free(text);
}

static void many_are_counted(void **state) {
    (void)state;
    df_prompt_limit limit = { .model = model };
    char *text = repeated("cat", 90);
    char *said = NULL;
    for (int i = 0; i < DF_PROMPT_LIMIT_SHOWN + 5; i++) {
        Diffarm__Row row = DIFFARM__ROW__INIT;
        free(said);
        text[0] = (char)('a' + i);
        row.prompt = text;
        said = warnings(&limit, &row);
    }
    assert_string_equal(said, "diffarm: warning: 5 more prompts are cut\n");
    free(said);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_not_told),
        cmocka_unit_test(the_part_that_is_cut_is_shown),
        cmocka_unit_test(many_are_counted),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
