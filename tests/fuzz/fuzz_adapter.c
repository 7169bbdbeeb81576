/* Any bytes as an adapter, taken for a LoRA and for a textual inversion, beside a small model's weights. */
#include <string.h>

#include "engine/adapters/embedding.h"
#include "engine/adapters/lora.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

long fuzz_accepted;

enum { SIDE = 2, WIDTH = 4 };

static void put_weights(void) {
    static const char header[] = "{\"to_q.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                                 "\"conv.weight\":{\"dtype\":\"F32\",\"shape\":[2,2,1,1],\"data_offsets\":[16,32]}}";
    char file[8 + sizeof header - 1 + 32] = { (char)(sizeof header - 1) };
    memcpy(file + 8, header, sizeof header - 1);
    fuzz_put("model.safetensors", file, sizeof file);
}

static void as_lora(const char *path) {
    df_lora *l = NULL;
    df_weights *w = NULL;
    df_err err = { 0 };
    float x[SIDE * SIDE] = { 0 };
    df_code rc = df_lora_open(&l, path, &err);
    FUZZ_CHECK((rc == DF_OK) == (l != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return;
    FUZZ_CHECK(!df_weights_open(&w, fuzz_folder(), "model", &err));
    rc = df_lora_match(l, 0, "unet", w, &err);
    if (!rc && !df_lora_check(l, &err)) {
        fuzz_accepted++;
        df_lora_add(l, 0, "to_q.weight", 0.5, x, (int64_t[]) { SIDE, SIDE }, 2, &err);
        df_lora_add(l, 0, "conv.weight", 0.5, x, (int64_t[]) { SIDE, SIDE, 1, 1 }, 4, &err);
    }
    df_weights_close(&w);
    df_lora_close(&l);
}

static void as_embedding(const char *path) {
    df_embedding *e = NULL;
    df_err err = { 0 };
    df_code rc = df_embedding_open(&e, path, NULL, &err);
    FUZZ_CHECK((rc == DF_OK) == (e != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return;
    FUZZ_CHECK(df_embedding_token(e));
    if (!df_embedding_check(e, (int64_t[]) { WIDTH, WIDTH }, 2, &err)) {
        df_embedding_view v = df_embedding_vectors(e, 0, WIDTH);
        if (!v.tensor) v = df_embedding_vectors(e, 1, WIDTH);
        FUZZ_CHECK(v.tensor && v.n >= 1 && v.n <= DF_EMBEDDING_MAX_VECTORS && v.tensor->n_elements == v.n * WIDTH);
        fuzz_accepted++;
    }
    df_embedding_close(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    put_weights();
    const char *path = fuzz_put("adapter.safetensors", data, size);
    as_embedding(path);
    as_lora(path);
    return 0;
}
