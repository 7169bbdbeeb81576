#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/manifest.h"
#include "tests/client/scratch.h"

typedef struct reading {
    int good, bad;
    df_problems problems;
    df_code rc;
    df_err err;
} reading;

static reading read_file(const char *path) {
    reading r = { 0 };
    df_manifest *m = NULL;
    df_line line;
    df_line_state state = DF_LINE_GOOD;
    r.rc = df_manifest_open(&m, path, &r.err);
    while (!r.rc && !(r.rc = df_manifest_next(m, &line, &state, &r.problems, &r.err)) && state != DF_LINE_END) {
        r.good += state == DF_LINE_GOOD;
        r.bad += state == DF_LINE_BAD;
    }
    df_manifest_close(&m);
    return r;
}

static reading read_bytes(const char *name, const void *data, size_t bytes) {
    return read_file(scratch_write(name, data, bytes));
}

static void reads_all_fields(void **state) {
    static const char text[] =
        "\xef\xbb\xbf{\"prompt\": \"a \\u00e9\", \"negative\": \"b\", \"seed\": 7, \"count\": 4, "
        "\"size\": \"512x256\", \"steps\": 30, \"guidance\": 7, \"scheduler\": \"ddim\", "
        "\"task\": \"txt2img\", \"name\": \"cats/1\", \"image\": null}\r\n\n  \n";
    df_manifest *m = NULL;
    df_line l;
    df_line_state s;
    df_problems p = { 0 };
    (void)state;
    assert_int_equal(df_manifest_open(&m, scratch_write("all.jsonl", text, sizeof text - 1), NULL), DF_OK);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_int_equal(p.n, 0);
        assert_int_equal(s, DF_LINE_GOOD);
        assert_string_equal(l.prompt, "a \xc3\xa9");
        assert_string_equal(l.negative, "b");
        assert_string_equal(l.name, "cats/1");
        assert_string_equal(l.scheduler, "ddim");
        assert_true(l.seed == 7 && l.count == 4 && l.width == 512 && l.height == 256 && l.steps == 30);
        assert_true(l.guidance == 7.0 && l.number == 1);
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_int_equal(s, DF_LINE_END);
        assert_int_equal(df_manifest_rewind(m, NULL), DF_OK);
    }
    df_manifest_close(&m);
}

static void reads_embeddings(void **state) {
    static const char text[] = "{\"embedding\": \"a.safetensors\"}\n"
                               "{\"embedding\": [\"<cat>=b\", {\"file\": \"x=c\", \"name\": \"toy\"}, \"./d=e\"]}\n";
    static const char *const want[][3][2] = { { { "", "a.safetensors" } },
                                              { { "<cat>", "b" }, { "toy", "x=c" }, { "", "./d=e" } } };
    df_manifest *m = NULL;
    df_line l;
    df_line_state s;
    df_problems p = { 0 };
    (void)state;
    assert_int_equal(df_manifest_open(&m, scratch_write("embedding.jsonl", text, sizeof text - 1), NULL), DF_OK);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        if (p.n) fail_msg("%s", p.text[0]);
        assert_int_equal(l.embedding.n, i ? 3 : 1);
        for (int k = 0; k < l.embedding.n; k++) {
            const df_line_adapter *a = &l.embedding.at[k];
            assert_int_equal(a->token_bytes, strlen(want[i][k][0]));
            assert_int_equal(strncmp(a->token ? a->token : "", want[i][k][0], a->token_bytes), 0);
            assert_string_equal(a->file, want[i][k][1]);
        }
    }
    df_manifest_close(&m);
}

static void reads_loras(void **state) {
    static const char text[] = "{\"lora\": \"a:0.5\"}\n"
                               "{\"lora\": {\"file\": \"a:0.5\", \"weight\": 2}}\n"
                               "{\"lora\": [{\"file\": \"a\"}, \"b\", {\"weight\": -1.5, \"file\": \"c\"}]}\n"
                               "{\"lora\": []}\n";
    static const struct {
        int n;
        df_line_adapter lora[3];
    } want[] = {
        { 1, { { "a:0.5", 0, false, NULL, 0 } } },
        { 1, { { "a:0.5", 2, true, NULL, 0 } } },
        { 3, { { "a", 1, true, NULL, 0 }, { "b", 0, false, NULL, 0 }, { "c", -1.5, true, NULL, 0 } } },
        { 0, { { 0 } } },
    };
    df_manifest *m = NULL;
    df_line l;
    df_line_state s;
    df_problems p = { 0 };
    (void)state;
    assert_int_equal(df_manifest_open(&m, scratch_write("lora.jsonl", text, sizeof text - 1), NULL), DF_OK);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        if (p.n) fail_msg("%s", p.text[0]);
        assert_int_equal(l.lora.n, want[i].n);
        for (int k = 0; k < l.lora.n; k++) {
            assert_string_equal(l.lora.at[k].file, want[i].lora[k].file);
            assert_int_equal(l.lora.at[k].weight_beside, want[i].lora[k].weight_beside);
            assert_true(l.lora.at[k].weight == want[i].lora[k].weight);
        }
    }
    df_manifest_close(&m);
}

/* Line 2 of a manifest whose other lines are good. */
static const struct {
    const char *line, *says;
} bad_lines[] = {
    { "{\"prompt\": \"a\", \"stpes\": 5}", "unknown field 'stpes'; did you mean 'steps'?" },
    { "{\"prompt\": \"a\", \"sampler\": \"ddim\"}", "unknown field 'sampler'" },
    { "{\"prompt\": \"a\", \"steps\": \"5\"}", "field 'steps' must be a whole number from 1 to 1000, not \"5\"" },
    { "{\"prompt\": \"a\", \"steps\": 5.5}", "field 'steps' must be a whole number from 1 to 1000, not 5.5" },
    { "{\"prompt\": \"a\", \"steps\": 0}", "not 0" },
    { "{\"prompt\": \"a\", \"steps\": 1001}", "not 1001" },
    { "{\"prompt\": \"a\", \"steps\": true}", "not true" },
    { "{\"prompt\": \"a\", \"seed\": -1}", "field 'seed' must be a whole number from 0 to 2^63 - 1" },
    { "{\"prompt\": \"a\", \"seed\": 99999999999999999999}", "not valid JSON" },
    { "{\"prompt\": \"a\", \"count\": 0}", "field 'count'" },
    { "{\"prompt\": \"a\", \"count\": 1000001}", "field 'count'" },
    { "{\"prompt\": \"a\", \"guidance\": -0.5}", "field 'guidance' must be a number from 0 to 100" },
    { "{\"prompt\": \"a\", \"guidance\": 1e400}", "not valid JSON" },
    { "{\"prompt\": \"a\", \"guidance\": [7]}", "not an array" },
    { "{\"prompt\": \"a\", \"size\": \"512\"}", "field 'size'" },
    { "{\"prompt\": \"a\", \"size\": 512}", "field 'size'" },
    { "{\"prompt\": \"a\", \"scheduler\": \"eluer\"}", "did you mean 'euler'?" },
    { "{\"prompt\": \"a\", \"task\": \"inpiant\"}", "did you mean 'inpaint'?" },
    { "{\"prompt\": \"a\", \"image\": \"\"}", "field 'image': an empty path" },
    { "{\"prompt\": \"a\", \"mask\": 3}", "field 'mask' must be a text" },
    { "{\"prompt\": \"a\", \"strength\": 1.5}", "field 'strength' must be a number from 0 to 1" },
    { "{\"prompt\": \"a\", \"class\": -3}", "field 'class' must be a whole number" },
    { "{\"prompt\": \"a\", \"lora\": 3}", "field 'lora' must be \"FILE\"" },
    { "{\"prompt\": \"a\", \"lora\": [\"a\", [\"b\"]]}", "or an array of such, not an array" },
    { "{\"prompt\": \"a\", \"lora\": {\"file\": \"a\", \"wieght\": 1}}", "not an object" },
    { "{\"prompt\": \"a\", \"lora\": {\"file\": \"a\", \"weight\": \"1\"}}", "not an object" },
    { "{\"prompt\": \"a\", \"lora\": {\"file\": \"\"}}", "not \"\"" },
    { "{\"prompt\": \"a\", \"lora\": {\"file\": \"a\", \"name\": \"b\"}}", "field 'lora' must be" },
    { "{\"prompt\": \"a\", \"embedding\": {\"file\": \"a\", \"weight\": 2}}", "{\"file\": FILE, \"name\": TOKEN}" },
    { "{\"prompt\": \"a\", \"name\": \"../x\"}", "field 'name'" },
    { "{\"prompt\": 5}", "field 'prompt' must be a text, not 5" },
    { "{\"prompt\": \"a\", \"prompt\": \"b\"}", "not valid JSON" },
    { "{\"prompt\": \"a\"", "not valid JSON" },
    { "{\"prompt\": \"a\"} x", "not valid JSON" },
    { "[\"a\"]", "must be a JSON object" },
    { "just text", "not valid JSON" },
    { "{\"prompt\": \"\\u0000\"}", "not valid JSON" },
    { "{\"prompt\": \"\xff\"}", "not valid JSON" },
    { "{\"prompt\": \"\\u0007\"}", "control character" },
};

static void names_what_is_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        char text[512];
        int n = snprintf(text, sizeof text, "{\"prompt\": \"x\"}\n%s\n{\"prompt\": \"y\"}", bad_lines[i].line);
        reading r = read_bytes("bad.jsonl", text, (size_t)n);
        assert_int_equal(r.rc, DF_OK);
        assert_int_equal(r.good, 2);
        assert_int_equal(r.bad, 1);
        assert_int_equal(r.problems.n, 1);
        if (strncmp(r.problems.text[0], "bad.jsonl:2: ", 13) || !strstr(r.problems.text[0], bad_lines[i].says))
            fail_msg("'%s' gave '%s', wanted '%s'", bad_lines[i].line, r.problems.text[0], bad_lines[i].says);
        df_problems_free(&r.problems);
    }
}

static void tells_every_fault_of_a_line(void **state) {
    static const char text[] = "{\"stpes\": 5, \"seed\": -1, \"size\": \"x\"}";
    (void)state;
    reading r = read_bytes("many.jsonl", text, sizeof text - 1);
    assert_int_equal(r.problems.n, 3);
    df_problems_free(&r.problems);
}

static void limits_a_line(void **state) {
    size_t n = DF_MAX_LINE_BYTES * 3;
    char *text = malloc(n + 64);
    (void)state;
    memset(text, 'a', n);
    memcpy(text + n, "\n{\"prompt\": \"x\"}\n", 18);
    reading r = read_bytes("long.jsonl", text, n + 17);
    assert_int_equal(r.good, 1);
    assert_int_equal(r.bad, 1);
    assert_non_null(strstr(r.problems.text[0], "long.jsonl:1: a line over"));
    df_problems_free(&r.problems);
    free(text);
}

static void reads_csv(void **state) {
    static const char text[] = "prompt,seed,size,name\r\n"
                               "\"a, \"\"b\"\"\nc\",7,64x32,one\r\n"
                               "\r\n"
                               "plain,,,\n"
                               "last,3,8x8,two";
    df_manifest *m = NULL;
    df_line l;
    df_line_state s;
    df_problems p = { 0 };
    (void)state;
    assert_int_equal(df_manifest_open(&m, scratch_write("t.csv", text, sizeof text - 1), NULL), DF_OK);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_int_equal(s, DF_LINE_GOOD);
        assert_string_equal(l.prompt, "a, \"b\"\nc");
        assert_true(l.seed == 7 && l.width == 64 && l.height == 32 && l.number == 2);
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_string_equal(l.prompt, "plain");
        assert_int_equal(l.given, DF_GIVEN_PROMPT);
        assert_int_equal(l.number, 5);
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_string_equal(l.name, "two");
        assert_int_equal(l.number, 6);
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_int_equal(s, DF_LINE_END);
        assert_int_equal(df_manifest_rewind(m, NULL), DF_OK);
    }
    assert_int_equal(p.n, 0);
    df_manifest_close(&m);
}

static void names_what_is_wrong_in_csv(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "prompt,seed\na,x\n", "t.csv:2: field 'seed' must be a whole number" },
        { "prompt,seed\na\n", "t.csv:2: 1 cells, the header has 2 columns" },
        { "prompt,seed\na,1,2\n", "t.csv:2: 3 cells" },
        { "prompt\na\"b\n", "t.csv:2: a double quote inside a cell" },
        { "prompt\n\"a\"b\n", "t.csv:2: a double quote inside a cell" },
        { "prompt\n\"a\n\n", "t.csv:2: a quoted cell that does not end" },
        { "prompt\n\xff\n", "t.csv:2: field 'prompt': not valid UTF-8" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reading r = read_bytes("t.csv", cases[i].text, strlen(cases[i].text));
        assert_int_equal(r.rc, DF_OK);
        assert_true(r.problems.n >= 1);
        if (!strstr(r.problems.text[0], cases[i].says)) fail_msg("'%s' gave '%s'", cases[i].text, r.problems.text[0]);
        df_problems_free(&r.problems);
    }
}

static void refuses_bad_headers(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "prompt,sede\na,1\n", "t.csv:1: unknown column 'sede'; did you mean 'seed'?" },
        { "prompt,seed,prompt\na,1,b\n", "t.csv:1: column 'prompt' is there twice" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reading r = read_bytes("t.csv", cases[i].text, strlen(cases[i].text));
        assert_int_equal(r.rc, DF_EFORMAT);
        assert_string_equal(r.err.text, cases[i].says);
        df_problems_free(&r.problems);
    }
}

static void tells_formats_apart(void **state) {
    static const char csv[] = "prompt\na\n", json[] = "\n {\"prompt\": \"a\"}\n";
    (void)state;
    assert_int_equal(read_bytes("m.txt", csv, sizeof csv - 1).good, 1);
    assert_int_equal(read_bytes("m.txt", json, sizeof json - 1).good, 1);
    assert_int_equal(read_bytes("empty.jsonl", "", 0).good, 0);
    assert_int_equal(read_bytes("empty.csv", "", 0).good, 0);
}

static void says_why_it_cannot_open(void **state) {
    (void)state;
    reading r = read_file(scratch_path("nowhere.jsonl"));
    assert_int_equal(r.rc, DF_ENOTFOUND);
    r = read_file(scratch_dir);
    assert_int_equal(r.rc, DF_EINVAL);
}

/* A pipe can be read once only, and is read twice. */
static void spools_pipes(void **state) {
    df_manifest *m = NULL;
    df_line l;
    df_line_state s;
    df_problems p = { 0 };
    const char *path = scratch_path("pipe");
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t child = fork();
    if (!child) {
        FILE *f = fopen(path, "w");
        fputs("{\"prompt\": \"through a pipe\"}\n", f);
        fclose(f);
        _exit(0);
    }
    assert_int_equal(df_manifest_open(&m, path, NULL), DF_OK);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_string_equal(l.prompt, "through a pipe");
        assert_int_equal(df_manifest_rewind(m, NULL), DF_OK);
    }
    df_manifest_close(&m);
}

/* 200,000 lines, 20 MB: what is allocated while reading does not grow. */
static void memory_does_not_grow(void **state) {
    enum { N = 200000 };
    const char *path = scratch_path("big.jsonl");
    FILE *f = fopen(path, "w");
    (void)state;
    for (int i = 0; i < N; i++)
        fprintf(f, "{\"prompt\": \"a long enough prompt about picture number %d of many others\", \"seed\": %d}\n", i,
                i);
    fclose(f);
    df_manifest *m = NULL;
    df_line l;
    df_line_state s;
    df_problems p = { 0 };
    assert_int_equal(df_manifest_open(&m, path, NULL), DF_OK);
    size_t early = 0, most = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(df_manifest_next(m, &l, &s, &p, NULL), DF_OK);
        assert_int_equal(s, DF_LINE_GOOD);
        if (i % 1000) continue;
        size_t now = mallinfo2().uordblks;
        if (i == 1000) early = now;
        if (now > most) most = now;
    }
    df_manifest_close(&m);
    assert_true(most < early + 65536);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_fields),
        cmocka_unit_test(reads_loras),
        cmocka_unit_test(reads_embeddings),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(tells_every_fault_of_a_line),
        cmocka_unit_test(limits_a_line),
        cmocka_unit_test(reads_csv),
        cmocka_unit_test(names_what_is_wrong_in_csv),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(tells_formats_apart),
        cmocka_unit_test(says_why_it_cannot_open),
        cmocka_unit_test(spools_pipes),
        cmocka_unit_test(memory_does_not_grow),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
