/* Vectors: FIPS 180-2 appendix B and the well-known digest of nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/sha256.h"
#include "tests/support/golden.h"

static const struct {
    const char *text, *hex;
} vectors[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};
static const char million_a[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void known_digests(void **state) {
    (void)state;
    char hex[DF_SHA256_HEX_BYTES];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        df_sha256_of(vectors[i].text, strlen(vectors[i].text), hex);
        assert_string_equal(hex, vectors[i].hex);
    }
}

static void pieces_give_the_same(void **state) {
    (void)state;
    char hex[DF_SHA256_HEX_BYTES], a[997];
    memset(a, 'a', sizeof a);
    df_sha256 *s = df_sha256_new();
    for (size_t left = 1000000, n; left; left -= n) df_sha256_add(s, a, n = left < sizeof a ? left : sizeof a);
    df_sha256_end(&s, hex);
    assert_null(s);
    assert_string_equal(hex, million_a);
    s = df_sha256_new();
    df_sha256_end(&s, hex);
    assert_string_equal(hex, vectors[0].hex);
}

static void files(void **state) {
    (void)state;
    char path[4200], hex[DF_SHA256_HEX_BYTES], *a = malloc(1000000);
    df_err err;
    snprintf(path, sizeof path, "%s/a", golden_temp_dir());
    assert_int_equal(df_sha256_file(path, hex, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, path));
    memset(a, 'a', 1000000);
    assert_int_equal(df_file_write(path, a, 1000000, &err), DF_OK);
    assert_int_equal(df_sha256_file(path, hex, &err), DF_OK);
    assert_string_equal(hex, million_a);
    assert_int_equal(df_file_write(path, "", 0, &err), DF_OK);
    assert_int_equal(df_sha256_file(path, hex, &err), DF_OK);
    assert_string_equal(hex, vectors[0].hex);
    assert_int_equal(df_sha256_file(golden_temp_dir(), hex, &err), DF_EIO); /* a folder */
    free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),
        cmocka_unit_test(pieces_give_the_same),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
