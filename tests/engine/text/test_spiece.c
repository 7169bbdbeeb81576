/* SentencePiece files: what is read, what would give other tokens, and files cut or damaged at every place. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/text/charsmap.h"
#include "engine/text/spiece.h"
#include "tests/engine/text/spiece_file.h"
#include "tests/support/golden.h"

static df_code read_bytes(df_spiece *out, const void *data, size_t bytes, df_err *err) {
    char path[4200];
    snprintf(path, sizeof path, "%s/spiece.model", golden_temp_dir());
    FILE *f = fopen(path, "wb"); /* a thousand times: not synced to the disk, as df_file_write would */
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
    return df_spiece_read(out, path, err);
}

static df_buf model(void) {
    df_buf m = { 0 };
    unsigned char rule[2048];
    spiece_add_piece(&m, "<unk>", 0);
    spiece_add_piece(&m, "\xe2\x96\x81the", -3.25f);
    spiece_add_setting(&m, 2, 3, 1);
    spiece_add_charsmap(&m, rule, spiece_one_rule(rule));
    return m;
}

static void test_reads(void **state) {
    (void)state;
    df_buf m = model();
    df_spiece s = { 0 };
    df_err err;
    if (read_bytes(&s, m.data, m.len, &err)) fail_msg("%s", err.text);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.piece[1].bytes, 6);
    assert_memory_equal(s.piece[1].text, "\xe2\x96\x81the", 6);
    assert_true(s.piece[1].score == -3.25f);
    assert_true(s.charsmap_bytes > 1024);
    df_spiece_free(&s);
    df_buf_free(&m);
}

static void refuses(df_buf *m, df_code code, const char *says) {
    df_spiece s = { 0 };
    df_err err = { 0 };
    df_code rc = read_bytes(&s, m->data, m->len, &err);
    if (rc != code || !strstr(err.text, says)) fail_msg("not '%s': %s, %s", says, df_code_name(rc), err.text);
    assert_int_equal(s.n, 0);
    df_buf_free(m);
}

static void test_other_models(void **state) {
    static const struct {
        int spec, number;
        uint32_t value;
        const char *says;
    } cases[] = {
        { 2, 3, 2, "model_type" },         { 2, 24, 1, "treat_whitespace_as_suffix" },
        { 2, 35, 1, "byte_fallback" },     { 3, 3, 0, "add_dummy_prefix" },
        { 3, 5, 0, "escape_whitespaces" }, { 3, 4, 0, "remove_extra_whitespaces" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_buf m = model();
        spiece_add_setting(&m, cases[i].spec, cases[i].number, cases[i].value);
        refuses(&m, DF_EUNSUPPORTED, cases[i].says);
    }
}

static void test_bad_pieces(void **state) {
    (void)state;
    static char endless[DF_PIECE_MAX_BYTES + 2];
    memset(endless, 'x', sizeof endless - 1);
    df_buf m = model();
    spiece_add_piece(&m, "", -1);
    refuses(&m, DF_EFORMAT, "piece 2");
    m = model();
    spiece_add_piece(&m, endless, -1);
    refuses(&m, DF_EFORMAT, "piece 2");
    m = model();
    spiece_add_piece(&m, "x", NAN);
    refuses(&m, DF_EFORMAT, "piece 2");
    m = (df_buf) { 0 };
    spiece_add_setting(&m, 2, 3, 1);
    refuses(&m, DF_EFORMAT, "no pieces");
}

/* Cut between two fields it is a smaller model; anywhere else it is refused. */
static void test_cut(void **state) {
    (void)state;
    df_buf m = model();
    int taken = 0;
    for (size_t bytes = 0; bytes < m.len; bytes++) {
        df_spiece s = { 0 };
        df_err err = { 0 };
        df_code rc = read_bytes(&s, m.data, bytes, &err);
        assert_true(rc == DF_OK || (rc == DF_EFORMAT && err.text[0]));
        taken += !rc;
        df_spiece_free(&s);
    }
    assert_int_equal(taken, 3);
    df_buf_free(&m);
}

/* Every byte of the rules changed in turn: refused, or harmless. */
static void test_damaged_rules(void **state) {
    static const char text[] = "A\xcc\x81 A\xe2\x96\x81z\xff";
    (void)state;
    unsigned char rule[2048];
    unsigned bytes = spiece_one_rule(rule);
    for (unsigned i = 0; i < bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            df_charsmap *c = NULL;
            df_buf out = { 0 };
            rule[i] ^= (unsigned char)(1 << bit);
            if (!df_charsmap_open(&c, rule, bytes, "rules", NULL))
                df_charsmap_normalize(c, text, sizeof text - 1, &out);
            rule[i] ^= (unsigned char)(1 << bit);
            df_buf_free(&out);
            df_charsmap_close(&c);
        }
}

static void test_rule(void **state) {
    (void)state;
    unsigned char rule[2048];
    df_charsmap *c = NULL;
    df_buf out = { 0 };
    df_err err;
    if (df_charsmap_open(&c, rule, spiece_one_rule(rule), "rules", &err)) fail_msg("%s", err.text);
    df_charsmap_normalize(c, "BAA", 3, &out);
    assert_string_equal(out.data, "Baa");
    out.len = 0;
    df_charsmap_normalize(c,
                          "A\xcc\x81"
                          "B",
                          4, &out); /* the cluster becomes what its prefix does */
    assert_string_equal(out.data, "aB");
    out.len = 0;
    df_charsmap_normalize(c, "A\xcc\x81\xcc\x81\xcc\x81", 7, &out); /* 7 bytes: character by character */
    assert_string_equal(out.data, "a\xcc\x81\xcc\x81\xcc\x81");
    df_buf_free(&out);
    df_charsmap_close(&c);
}

static void test_no_rules(void **state) {
    (void)state;
    df_charsmap *c = NULL;
    df_buf out = { 0 };
    assert_int_equal(df_charsmap_open(&c, NULL, 0, "rules", NULL), DF_OK);
    df_charsmap_normalize(c, "A\xff", 2, &out);
    assert_string_equal(out.data, "A\xef\xbf\xbd");
    df_buf_free(&out);
    df_charsmap_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),    cmocka_unit_test(test_other_models),  cmocka_unit_test(test_bad_pieces),
        cmocka_unit_test(test_cut),      cmocka_unit_test(test_damaged_rules), cmocka_unit_test(test_rule),
        cmocka_unit_test(test_no_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
