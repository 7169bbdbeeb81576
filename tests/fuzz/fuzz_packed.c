/* Any bytes where a file of packed weights should be: what is found is as large as it must be, and after what is
 * missing was added all of it is there. */
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "engine/weights/packed.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

enum { BYTES = 64, N = 3 };

long fuzz_accepted;

static const char key[] = "key";
static const char *const names[N] = { "a/1", "b/1", "b/2" };

static df_packed *open_packed(void) {
    df_packed *p = NULL;
    FUZZ_CHECK(df_packed_open(&p, fuzz_folder(), key, NULL) == DF_OK && p);
    return p;
}

static unsigned sum(const unsigned char *data) {
    unsigned total = 0;
    for (int i = 0; i < BYTES; i++) total += data[i];
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned char fresh[BYTES];
    char hex[DF_SHA256_HEX_BYTES], name[DF_SHA256_HEX_BYTES + 16];
    df_sha256_of(key, strlen(key), hex);
    snprintf(name, sizeof name, "%s.safetensors", hex);
    fuzz_put(name, data, size);
    df_packed *p = open_packed();
    int n_found = 0;
    for (int i = 0; i < N; i++) {
        const unsigned char *found = df_packed_find(p, names[i], BYTES);
        FUZZ_CHECK(!found || (df_packed_has(p, names[i]) && sum(found) <= 255 * BYTES));
        n_found += found != NULL;
        if (!found) FUZZ_CHECK(df_packed_add(p, names[i], fresh, BYTES, NULL) == DF_OK);
    }
    fuzz_accepted += n_found == N;
    FUZZ_CHECK(df_packed_save(p, NULL) == DF_OK);
    df_packed_close(&p);
    p = open_packed();
    for (int i = 0; i < N; i++) FUZZ_CHECK(df_packed_find(p, names[i], BYTES));
    df_packed_close(&p);
    return 0;
}
