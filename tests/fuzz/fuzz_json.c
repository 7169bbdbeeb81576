/* Any bytes as a JSON configuration; every field of what is accepted goes through every getter. */
#include "engine/config/json_config.h"
#include "tests/fuzz/fuzz.h"

long fuzz_accepted;

static void read_field(json_t *root, const char *key) {
    df_err err;
    int64_t numbers[4];
    df_config c = { .root = root, .path = "fuzz", .err = &err };
    FUZZ_CHECK(df_config_string(&c, key, "") != NULL);
    for (size_t i = 0; i <= df_config_array_len(&c, key) && i < 4; i++)
        FUZZ_CHECK(df_config_array_string(&c, key, i) != NULL);
    int64_t n = df_config_int(&c, key, 0, -5, 5);
    FUZZ_CHECK(n >= -5 && n <= 5);
    c.rc = DF_OK; /* the first error stops the others */
    df_config_double(&c, key, 0);
    c.rc = DF_OK;
    df_config_bool(&c, key, true);
    c.rc = DF_OK;
    df_config_ints(&c, key, numbers, 4, 0, -5, 5);
    for (int i = 0; i < 4; i++) FUZZ_CHECK(numbers[i] >= -5 && numbers[i] <= 5);
    c.rc = DF_OK;
    df_config_only_string(&c, key, "silu");
    c.rc = DF_OK;
    df_config_only_bool(&c, key, false);
    c.rc = DF_OK;
    df_config_only_absent(&c, key);
    FUZZ_CHECK((c.rc == DF_OK) == !df_config_has(&c, key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *root = NULL, *value;
    const char *key;
    df_err err = { 0 };
    df_code rc = df_json_parse(&root, (const char *)data, size, "fuzz", &err);
    FUZZ_CHECK((rc == DF_OK) == (root != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return 0;
    fuzz_accepted++;
    json_object_foreach(root, key, value) read_field(root, key);
    json_decref(root);
    return 0;
}
