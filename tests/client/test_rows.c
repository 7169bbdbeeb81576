#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/draft.h"
#include "tests/client/scratch.h"
#include "tests/support/png_file.h"

enum { MAX_SEEN = 16 };

typedef struct seen {
    Diffarm__Row row;
    char prompt[64], name[64], negative[64], scheduler[32];
} seen;

typedef struct collector {
    seen at[MAX_SEEN];
    int n;
    df_problems problems;
    char sha256[DF_SHA256_HEX_BYTES];
    df_sha256 *hash;
} collector;

static df_code take(void *ctx, const Diffarm__Row *row, df_err *err) {
    collector *c = ctx;
    assert_true(c->n < MAX_SEEN);
    seen *s = &c->at[c->n++];
    s->row = *row;
    snprintf(s->prompt, sizeof s->prompt, "%s", row->prompt);
    snprintf(s->name, sizeof s->name, "%s", row->name);
    snprintf(s->negative, sizeof s->negative, "%s", row->negative);
    snprintf(s->scheduler, sizeof s->scheduler, "%s", row->scheduler);
    return df_draft_hash_row(c->hash, row, err);
}

/* The starter: 64x64, sides are multiples of 4. */
static df_model *model;
static df_input_files *files;

static int open_model(void **state) {
    df_err err;
    if (scratch_make(state)) return -1;
    files = df_input_files_new(scratch_dir);
    return files && !df_model_open(&model, DF_SOURCE_DIR "/models/starter", &err) ? 0 : -1;
}

static int close_model(void **state) {
    df_model_close(&model);
    df_input_files_free(&files);
    return scratch_remove(state);
}

static df_row_source source(void) {
    return (df_row_source) { .defaults = { .line = { .prompt = "",
                                                     .negative = "",
                                                     .scheduler = "",
                                                     .width = 64,
                                                     .height = 64,
                                                     .steps = 25,
                                                     .count = 1,
                                                     .guidance = 7.5 },
                                           .model = model,
                                           .files = files } };
}

static collector walk(df_row_source src, const char *manifest) {
    static collector c;
    uint64_t n = 0;
    Diffarm__JobSpec spec = DIFFARM__JOB_SPEC__INIT;
    c = (collector) { .hash = df_draft_hash_begin(&spec) };
    if (manifest)
        assert_int_equal(df_manifest_open(&src.manifest, scratch_write("m.jsonl", manifest, strlen(manifest)), NULL),
                         DF_OK);
    assert_int_equal(df_rows_each(&src, &c.problems, take, &c, &n, NULL), DF_OK);
    assert_int_equal(n, c.n);
    df_manifest_close(&src.manifest);
    df_sha256_end(&c.hash, c.sha256);
    return c;
}

static void fills_in_defaults(void **state) {
    df_row_source src = source();
    (void)state;
    src.defaults.line.negative = "ugly";
    src.defaults.line.scheduler = "ddim";
    collector c =
        walk(src, "{\"prompt\": \"a\"}\n"
                  "{\"prompt\": \"b\", \"size\": \"32x16\", \"steps\": 3, \"guidance\": 1, \"negative\": \"\", "
                  "\"scheduler\": \"euler\", \"seed\": 9}");
    assert_int_equal(c.n, 2);
    assert_true(c.at[0].row.width == 64 && c.at[0].row.steps == 25 && c.at[0].row.guidance == 7.5);
    assert_string_equal(c.at[0].negative, "ugly");
    assert_string_equal(c.at[0].scheduler, "ddim");
    assert_true(c.at[0].row.seed == (uint64_t)df_seed_of_line(0, 1));
    assert_true(c.at[1].row.width == 32 && c.at[1].row.height == 16 && c.at[1].row.steps == 3);
    assert_true(c.at[1].row.guidance == 1.0 && c.at[1].row.seed == 9 && c.at[1].row.row == 1 && c.at[1].row.line == 2);
    assert_string_equal(c.at[1].negative, "");
    assert_string_equal(c.at[1].scheduler, "euler");
}

static void counts(void **state) {
    (void)state;
    collector c =
        walk(source(), "{\"prompt\": \"a\", \"seed\": 5, \"count\": 3, \"name\": \"cat\"}\n{\"prompt\": \"b\"}");
    assert_int_equal(c.n, 4);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "cat-%04d", i);
        assert_string_equal(c.at[i].name, name);
        assert_int_equal(c.at[i].row.seed, 5 + i);
        assert_int_equal(c.at[i].row.row, i);
    }
    assert_int_equal(c.at[3].row.line, 2);
}

static void finds_doubled_names(void **state) {
    (void)state;
    collector c = walk(source(), "{\"prompt\": \"a\", \"count\": 2, \"name\": \"cat\"}\n"
                                 "{\"prompt\": \"b\", \"name\": \"cat-0001\"}\n{\"prompt\": \"b\", \"name\": \"cat\"}");
    assert_int_equal(c.problems.n, 1);
    assert_string_equal(c.problems.text[0], "m.jsonl:2: field 'name': 'cat-0001' is taken by a line before");
    df_problems_free(&c.problems);
}

static void checks_against_the_model(void **state) {
    (void)state;
    collector c = walk(source(), "{\"prompt\": \"a\", \"size\": \"66x64\"}\n"
                                 "{\"prompt\": \"a\", \"seed\": 9223372036854775807, \"count\": 2}");
    assert_int_equal(c.n, 0);
    assert_int_equal(c.problems.n, 2);
    assert_non_null(strstr(c.problems.text[0], "m.jsonl:1: field 'size': 66x64, but this model needs multiples of 4"));
    assert_non_null(strstr(c.problems.text[1], "m.jsonl:2: field 'seed'"));
    df_problems_free(&c.problems);
}

static void takes_prompts(void **state) {
    static const char *const prompts[] = { "one", "two" };
    df_row_source src = source();
    (void)state;
    src.prompts = prompts;
    src.n_prompts = 2;
    collector c = walk(src, NULL);
    assert_int_equal(c.n, 2);
    assert_string_equal(c.at[1].prompt, "two");
    assert_true(c.at[0].row.seed != c.at[1].row.seed);
    src.defaults.line.seed = 42;
    src.defaults.line.given = DF_GIVEN_SEED;
    src.defaults.line.count = 2;
    c = walk(src, NULL);
    assert_int_equal(c.n, 4);
    assert_true(c.at[0].row.seed == 42 && c.at[1].row.seed == 43 && c.at[2].row.seed == 42);
    static const char *const bad[] = { "\xff" };
    src.prompts = bad;
    src.n_prompts = 1;
    c = walk(src, NULL);
    assert_non_null(strstr(c.problems.text[0], "--prompt 1: field 'prompt': not valid UTF-8"));
    df_problems_free(&c.problems);
}

/* Values of splitmix64 for state 0 (its first output is 0xe220a8397b1dcdaf, its second 0x6e789e6aa1b965f4). */
static void seeds_are_splitmix(void **state) {
    (void)state;
    assert_int_equal(df_seed_of_line(0, 1), 0xe220a839);
    assert_int_equal(df_seed_of_line(0, 2), 0x6e789e6a);
    assert_true(df_seed_of_line(1, 1) != df_seed_of_line(0, 1));
}

static void hash_sees_what_matters(void **state) {
    char first[DF_SHA256_HEX_BYTES];
    (void)state;
    memcpy(first, walk(source(), "{\"prompt\": \"a\", \"seed\": 1}").sha256, sizeof first);
    /* The same picture said in other words, on another line. */
    assert_string_equal(walk(source(), "\n\n{\"seed\": 1, \"steps\": 25, \"prompt\": \"a\"}").sha256, first);
    static const char *const others[] = {
        "{\"prompt\": \"b\", \"seed\": 1}",
        "{\"prompt\": \"a\", \"seed\": 2}",
        "{\"prompt\": \"a\", \"seed\": 1, \"steps\": 24}",
        "{\"prompt\": \"a\", \"seed\": 1, \"guidance\": 7.25}",
        "{\"prompt\": \"a\", \"seed\": 1, \"negative\": \"x\"}",
        "{\"prompt\": \"a\", \"seed\": 1, \"name\": \"x\"}",
        "{\"prompt\": \"a\", \"seed\": 1, \"scheduler\": \"ddim\"}",
        "{\"prompt\": \"a\", \"seed\": 1, \"size\": \"64x32\"}",
        "{\"prompt\": \"a\", \"seed\": 1, \"count\": 2}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_string_not_equal(walk(source(), others[i]).sha256, first);
}

static void tasks_follow_from_fields(void **state) {
    (void)state;
    put_png(scratch_path("a.png"), 70, 33);
    put_png(scratch_path("m.png"), 16, 16);
    collector c = walk(source(), "{\"prompt\": \"a\"}\n"
                                 "{\"prompt\": \"a\", \"image\": \"a.png\"}\n"
                                 "{\"prompt\": \"a\", \"image\": \"a.png\", \"mask\": \"m.png\", \"size\": \"32x32\"}\n"
                                 "{\"prompt\": \"a\", \"image\": \"a.png\", \"strength\": 0.25, \"eta\": 0.5}");
    if (c.problems.n) fail_msg("%s", c.problems.text[0]);
    assert_int_equal(c.n, 4);
    assert_string_equal(c.at[0].row.task, "txt2img");
    assert_null(c.at[0].row.image);
    assert_true(c.at[0].row.strength == 0);
    assert_string_equal(c.at[1].row.task, "img2img");
    assert_true(c.at[1].row.strength == 0.8);
    assert_true(c.at[1].row.width == 68 && c.at[1].row.height == 32); /* the picture's, in whole multiples */
    assert_string_equal(c.at[2].row.task, "inpaint");
    assert_true(c.at[2].row.strength == 1 && c.at[2].row.width == 32);
    assert_true(c.at[3].row.strength == 0.25 && c.at[3].row.eta == 0.5);
}

/* What else can be wrong: test_row_task.c. */
static void what_a_task_cannot_use_is_told(void **state) {
    (void)state;
    collector c = walk(source(), "{\"prompt\": \"a\", \"strength\": 0.5}\n{\"seed\": 5}\n{\"prompt\": \"b\"}");
    assert_int_equal(c.n, 1);
    assert_int_equal(c.problems.n, 2);
    assert_string_equal(c.problems.text[0], "m.jsonl:1: field 'strength': txt2img has no use for it");
    assert_string_equal(c.problems.text[1], "m.jsonl:2: field 'prompt' is missing");
    df_problems_free(&c.problems);
}

/* Where an input lies does not matter, what it holds does. */
static void hash_sees_the_content_of_inputs(void **state) {
    static const char line[] = "{\"prompt\": \"a\", \"seed\": 1, \"image\": \"%s\"}";
    char first[DF_SHA256_HEX_BYTES], text[96];
    (void)state;
    put_png(scratch_path("one.png"), 64, 64);
    put_png(scratch_path("same.png"), 64, 64);
    put_png(scratch_path("other.png"), 64, 68);
    snprintf(text, sizeof text, line, "one.png");
    memcpy(first, walk(source(), text).sha256, sizeof first);
    snprintf(text, sizeof text, line, "same.png");
    assert_string_equal(walk(source(), text).sha256, first);
    snprintf(text, sizeof text, line, "other.png");
    assert_string_not_equal(walk(source(), text).sha256, first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_defaults),
        cmocka_unit_test(counts),
        cmocka_unit_test(finds_doubled_names),
        cmocka_unit_test(checks_against_the_model),
        cmocka_unit_test(takes_prompts),
        cmocka_unit_test(seeds_are_splitmix),
        cmocka_unit_test(hash_sees_what_matters),
        cmocka_unit_test(tasks_follow_from_fields),
        cmocka_unit_test(what_a_task_cannot_use_is_told),
        cmocka_unit_test(hash_sees_the_content_of_inputs),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
