/* Any bytes as model_index.json. */
#include "engine/models/model_index.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

long fuzz_accepted;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    df_model_index index = { 0 };
    df_err err = { 0 };
    df_code rc = df_model_index_read(&index, fuzz_put("model_index.json", data, size), &err);
    FUZZ_CHECK(rc == DF_OK || (err.code == rc && err.text[0]));
    if (rc) return 0;
    fuzz_accepted++;
    FUZZ_CHECK(index.pipeline && index.part[DF_PART_DENOISER]);
    for (int i = 0; i < DF_PART_COUNT; i++)
        FUZZ_CHECK(index.part[i] || !index.pipeline->part[i].folder || index.pipeline->part[i].optional);
    return 0;
}
