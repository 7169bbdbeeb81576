/* Any bytes as the spiece.model of a T5 tokenizer. What is opened encodes a few prompts. */
#include "engine/text/t5_tokenizer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

enum { MAX = 64 };

long fuzz_accepted;

static void encode(const df_t5_tokenizer *t, const char *text) {
    int32_t ids[MAX];
    int n = 0;
    FUZZ_CHECK(!df_t5_tokenizer_encode(t, text, ids, MAX, &n, NULL) && n >= 1);
    for (int i = 0; i < MAX; i++) FUZZ_CHECK(ids[i] >= 0 && ids[i] < df_t5_tokenizer_vocab_size(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    df_t5_tokenizer *t = NULL;
    df_err err = { 0 };
    fuzz_put("spiece.model", data, size);
    df_code rc = df_t5_tokenizer_open(&t, fuzz_folder(), &err);
    FUZZ_CHECK((rc == DF_OK) == (t != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return 0;
    fuzz_accepted++;
    encode(t, "");
    encode(t, "a photo of a cat AB, <extra_id_3></s> 42!");
    encode(t, "\xff\xc3\xa9\xe6\x97\xa5 A\xcc\x81\xe2\x96\x81xA");
    df_t5_tokenizer_close(&t);
    return 0;
}
