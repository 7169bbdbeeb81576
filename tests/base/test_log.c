#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

typedef struct capture {
    FILE *to;
    char *text;
    size_t n;
} capture;

static void open_capture(capture *c) {
    c->to = open_memstream(&c->text, &c->n); /* both are set by a flush */
    assert_non_null(c->to);
}

static void close_capture(capture *c) {
    if (c->to) fclose(c->to);
    free(c->text);
}

static void writes_one_line(void **state) {
    (void)state;
    capture c;
    open_capture(&c);
    df_log log = df_log_to(c.to, DF_LOG_INFO, "worker");
    df_log_event(&log, DF_LOG_WARN, "lease_lost", "lease=%s rows=%d", "7f", 3);
    int year, end = 0;
    assert_int_equal(sscanf(c.text, "ts=%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ %n", &year, &end), 1);
    assert_in_range(year, 2024, 9999);
    assert_string_equal(c.text + end, "level=warn who=worker event=lease_lost lease=7f rows=3\n");
    close_capture(&c);
}

static void drops_what_is_below_its_level(void **state) {
    (void)state;
    capture c;
    open_capture(&c);
    df_log log = df_log_to(c.to, DF_LOG_WARN, "w");
    df_log_event(&log, DF_LOG_INFO, "e", "x=1");
    df_log_event(&log, DF_LOG_OFF, "e", "x=1");
    df_log_event(NULL, DF_LOG_ERROR, "e", "x=1");
    fflush(c.to);
    assert_int_equal(c.n, 0);
    df_log_event(&log, DF_LOG_ERROR, "e", "x=1");
    assert_true(c.n > 0);
    close_capture(&c);
}

static void cuts_long_lines(void **state) {
    (void)state;
    static char text[10000];
    memset(text, 'x', sizeof text - 1);
    capture c;
    open_capture(&c);
    df_log log = df_log_to(c.to, DF_LOG_INFO, "w");
    df_log_event(&log, DF_LOG_INFO, "e", "x=%s", text);
    df_log_event(&log, DF_LOG_INFO, text, "x=1");
    fflush(c.to);
    int lines = 0;
    for (size_t i = 0; i < c.n; i++) lines += c.text[i] == '\n';
    assert_int_equal(lines, 2);
    assert_int_equal(c.text[c.n - 1], '\n');
    assert_true(c.n <= 2 * 4096);
    close_capture(&c);
}

static void quotes_values(void **state) {
    (void)state;
    char out[64], little[9];
    assert_string_equal(df_log_quote(out, sizeof out, "a \"b\" \\ c\nd"), "\"a \\\"b\\\" \\\\ c\\nd\"");
    assert_string_equal(df_log_quote(out, sizeof out, ""), "\"\"");
    assert_string_equal(df_log_quote(little, sizeof little, "\"\"\"\"\"\"\"\""), "\"\\\"\\\"\\\"\"");
    assert_string_equal(df_log_quote(little, sizeof little, "abcd日本"), "\"abcd\"");
    /* No room: never past the end, always terminated. */
    for (size_t n = 1; n < sizeof little; n++) {
        memset(little, '#', sizeof little);
        df_log_quote(little, n, "abcdefghijklmn");
        assert_int_equal(little[n], '#');
        assert_true(strnlen(little, n) < n);
    }
    assert_string_equal(df_log_quote(out, sizeof out, "cr\r esc\033[31m tab\t"), "\"cr\\r esc\\x1b[31m tab\\t\"");
}

static void levels_have_names(void **state) {
    (void)state;
    assert_int_equal(df_log_level_of("debug"), DF_LOG_DEBUG);
    assert_int_equal(df_log_level_of("off"), DF_LOG_OFF);
    assert_int_equal(df_log_level_of("loud"), -1);
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *log) {
    for (int i = 0; i < LINES; i++)
        df_log_event(log, DF_LOG_INFO, "e", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=b");
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
    (void)state;
    pthread_t thread[THREADS];
    FILE *f = tmpfile();
    df_log log = df_log_to(f, DF_LOG_INFO, "w");
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, write_lines, &log), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    rewind(f);
    char line[256];
    int n = 0;
    for (; fgets(line, sizeof line, f); n++) {
        assert_memory_equal(line, "ts=", 3);
        assert_non_null(strstr(line, "event=e aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=b\n"));
    }
    assert_int_equal(n, THREADS * LINES);
    fclose(f);
}

static void stamps(void **state) {
    (void)state;
    char out[DF_CLOCK_STAMP_BYTES];
    assert_string_equal(df_clock_stamp(0, out), "1970-01-01T00:00:00.000Z");
    assert_string_equal(df_clock_stamp(INT64_C(951782399999), out), "2000-02-28T23:59:59.999Z");
    assert_string_equal(df_clock_stamp(INT64_C(951782400000), out), "2000-02-29T00:00:00.000Z");
}

static void clocks_move_on(void **state) {
    (void)state;
    int64_t start = df_clock_ns(), wall = df_clock_wall_ms();
    df_clock_sleep_ms(20);
    assert_true(df_clock_ns() - start >= 20000000);
    assert_true(df_clock_wall_ms() > INT64_C(1700000000000) && wall > INT64_C(1700000000000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_line),
        cmocka_unit_test(drops_what_is_below_its_level),
        cmocka_unit_test(cuts_long_lines),
        cmocka_unit_test(quotes_values),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(stamps),
        cmocka_unit_test(clocks_move_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
