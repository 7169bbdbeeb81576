/* Any bytes as the index of weights in several files, beside two such files. */
#include <string.h>

#include "engine/weights/weights.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

long fuzz_accepted;

static void put_shard(const char *name, const char *header) {
    char file[256] = { 0 };
    size_t n = strlen(header);
    file[0] = (char)n;
    memcpy(file + 8, header, n);
    fuzz_put(name, file, 8 + n + 8); /* two numbers behind it */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    df_weights *w = NULL;
    df_err err = { 0 };
    put_shard("a.safetensors", "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}");
    put_shard("b.safetensors", "{\"y\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}");
    fuzz_put("model.safetensors.index.json", data, size);
    df_code rc = df_weights_open(&w, fuzz_folder(), "model", &err);
    FUZZ_CHECK((rc == DF_OK) == (w != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return 0;
    fuzz_accepted++;
    FUZZ_CHECK(df_weights_n_files(w) >= 1 && df_weights_n_files(w) <= 2 && df_weights_parameters(w) <= 4);
    float x[2];
    if (df_weights_find(w, "x")) FUZZ_CHECK(!df_weights_read_f32(w, "x", (int64_t[]) { 2 }, 1, x, &err));
    if (df_weights_find(w, "y")) FUZZ_CHECK(df_weights_read_f32(w, "y", (int64_t[]) { 2 }, 1, x, &err) == DF_ESHAPE);
    df_weights_close(&w);
    return 0;
}
