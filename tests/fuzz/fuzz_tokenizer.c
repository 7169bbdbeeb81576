/* Any bytes as the files of a tokenizer: vocab.json, merges.txt, tokenizer_config.json, special_tokens_map.json, with
 * a 0 byte between them. What is opened encodes a few prompts. */
#include <string.h>

#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

enum { MAX = 77 };

long fuzz_accepted;

static void encode(const df_tokenizer *t, const char *text) {
    int32_t ids[MAX];
    int n = 0;
    FUZZ_CHECK(!df_tokenizer_encode(t, text, ids, MAX, &n, NULL) && n >= 2);
    for (int i = 0; i < MAX; i++) FUZZ_CHECK(ids[i] >= 0 && ids[i] < df_tokenizer_vocab_size(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const files[] = { "vocab.json", "merges.txt", "tokenizer_config.json",
                                         "special_tokens_map.json" };
    df_tokenizer *t = NULL;
    df_err err = { 0 };
    for (size_t i = 0; i < 4; i++) {
        fuzz_piece piece = fuzz_next_piece(&data, &size);
        fuzz_put(files[i], piece.data, piece.bytes);
    }
    df_code rc = df_tokenizer_open(&t, fuzz_folder(), &err);
    FUZZ_CHECK((rc == DF_OK) == (t != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return 0;
    fuzz_accepted++;
    encode(t, "");
    encode(t, "a photo of a cat, <|endoftext|> 42!");
    encode(t, "\xff\xc3\xa9\xe6\x97\xa5 A\xcc\x81");
    df_tokenizer_close(&t);
    return 0;
}
