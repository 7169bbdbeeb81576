/* Any bytes as a safetensors file; what is accepted is read in full. */
#include <string.h>

#include "engine/weights/safetensors.h"
#include "tests/fuzz/fuzz.h"

long fuzz_accepted;

static void read_tensor(const df_tensor_view *t, const uint8_t *file, size_t size) {
    size_t bytes = (size_t)t->n_elements * df_dtype_bytes(t->dtype);
    const uint8_t *data = t->data;
    FUZZ_CHECK(t->n_elements >= 0 && bytes <= size && data >= file && data + bytes <= file + size);
    float *x = malloc((size_t)t->n_elements * sizeof *x + 1);
    int32_t *k = malloc((size_t)t->n_elements * sizeof *k + 1);
    df_err err;
    FUZZ_CHECK(x && k && !df_tensor_to_f32(t, x, &err));
    df_code rc = df_tensor_to_i32(t, k, &err);
    FUZZ_CHECK(rc == DF_OK || rc == DF_EFORMAT);
    free(x);
    free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    df_safetensors *f = NULL;
    df_err err = { 0 };
    df_code rc = df_safetensors_open_memory(&f, data, size, "fuzz", &err);
    FUZZ_CHECK((rc == DF_OK) == (f != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return 0;
    fuzz_accepted++;
    for (int i = 0; i < df_safetensors_count(f); i++) {
        const df_tensor_view *t = df_safetensors_at(f, i);
        FUZZ_CHECK(df_safetensors_find(f, t->name) == t);
        FUZZ_CHECK(i == 0 || strcmp(df_safetensors_at(f, i - 1)->name, t->name) < 0);
        read_tensor(t, data, size);
    }
    df_safetensors_close(&f);
    return 0;
}
