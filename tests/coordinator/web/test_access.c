/* Addresses, tokens and hosts: who may read the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "coordinator/web/access.h"
#include "tests/coordinator/bench.h"

static void addresses(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",         "7780",    "localhost:7780", "127.0.0.1",      "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "1.2.3:80", "[::1:80", "::1:7780x",      "127.0.0.1:80:80"
    };
    struct sockaddr_storage a;
    df_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(df_web_parse_address(bad[i], &a, &err), DF_EINVAL);
    assert_int_equal(df_web_parse_address("127.0.0.1:7780", &a, &err), DF_OK);
    assert_true(df_web_is_loopback(&a));
    assert_int_equal(ntohs(((struct sockaddr_in *)&a)->sin_port), 7780);
    assert_int_equal(df_web_parse_address("[::1]:0", &a, &err), DF_OK);
    assert_true(df_web_is_loopback(&a));
    assert_int_equal(df_web_parse_address("0.0.0.0:7780", &a, &err), DF_OK);
    assert_false(df_web_is_loopback(&a));
    assert_int_equal(df_web_parse_address("[::]:7780", &a, &err), DF_OK);
    assert_false(df_web_is_loopback(&a));
}

static void a_token_is_made_and_read_again(void **state) {
    (void)state;
    char *dir = bench_temp_dir(), path[300], first[DF_WEB_TOKEN_BYTES], second[DF_WEB_TOKEN_BYTES];
    struct stat is;
    df_err err;
    snprintf(path, sizeof path, "%s/token", dir);
    assert_int_equal(df_web_load_token(path, first, &err), DF_OK);
    assert_int_equal(df_web_load_token(path, second, &err), DF_OK);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), 48);
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(is.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(df_web_load_token(path, first, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "chmod 600"));
    bench_remove(dir);
}

static void bad_tokens_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = { "", "short", "with a space in it ", "semicolon;semicolon;" };
    char *dir = bench_temp_dir(), path[300], token[DF_WEB_TOKEN_BYTES];
    df_err err;
    snprintf(path, sizeof path, "%s/token", dir);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(df_file_write(path, bad[i], strlen(bad[i]), &err), DF_OK);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(df_web_load_token(path, token, &err), DF_EINVAL);
    }
    bench_remove(dir);
}

static void tokens_are_compared_whole(void **state) {
    (void)state;
    assert_true(df_web_same_token("0123456789abcdef", "0123456789abcdef"));
    static const char *const others[] = {
        "", "0", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF", "0123456789abcdef0123456789abcdef"
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(df_web_same_token("0123456789abcdef", others[i]));
    assert_false(df_web_same_token("0123456789abcdef", NULL));
}

static void hosts_of_this_machine(void **state) {
    (void)state;
    static const char *const own[] = { "localhost", "localhost:7780", "127.0.0.1:80", "127.9.9.9", "[::1]:7780" };
    static const char *const others[] = {
        "",        "example.org",   "127.0.0.1.example.org", "localhost.example.org:7780",
        "[::2]:1", "10.0.0.1:7780", "[::1].example.org"
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) assert_true(df_web_is_own_host(own[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(df_web_is_own_host(others[i]));
    assert_false(df_web_is_own_host(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(a_token_is_made_and_read_again),
        cmocka_unit_test(bad_tokens_are_refused),
        cmocka_unit_test(tokens_are_compared_whole),
        cmocka_unit_test(hosts_of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
