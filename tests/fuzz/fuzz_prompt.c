/* Any bytes as a prompt, through the tokenizer of the bundled model, with weights and in chunks too. */
#include <math.h>
#include <string.h>

#include "engine/text/chunks.h"
#include "engine/text/emphasis.h"
#include "tests/fuzz/fuzz.h"

enum { MAX = 77, WHOLE = 1 << 12 };

long fuzz_accepted;

static const df_tokenizer *bundled(void) {
    static df_tokenizer *t; /* reachable until the process ends */
    if (!t) FUZZ_CHECK(!df_tokenizer_open(&t, DF_SOURCE_DIR "/models/starter/tokenizer", NULL));
    return t;
}

/* A prompt that was cut has the same tokens as the whole one, and its end. */
static void encode(const df_tokenizer *t, const char *text) {
    static int32_t ids[MAX], whole[WHOLE];
    int n, n_whole;
    df_err err;
    FUZZ_CHECK(!df_tokenizer_encode(t, text, ids, MAX, &n, &err));
    FUZZ_CHECK(!df_tokenizer_encode(t, text, whole, WHOLE, &n_whole, &err));
    FUZZ_CHECK(n == n_whole && n >= 2);
    for (int i = 0; i < MAX; i++) FUZZ_CHECK(ids[i] >= 0 && ids[i] < df_tokenizer_vocab_size(t));
    int kept = n < MAX ? n : MAX;
    FUZZ_CHECK(!memcmp(ids, whole, (size_t)(kept - 1) * sizeof *ids));
    if (n <= WHOLE) FUZZ_CHECK(ids[kept - 1] == whole[n - 1]);
}

static void chunk(const df_tokenizer *t, const char *text, bool weights, bool chunks) {
    const df_prompt_syntax syntax = { .weights = weights, .chunks = chunks };
    df_text_chunks c;
    df_err err = { 0 };
    df_code rc = df_text_chunks_make(&c, t, text, MAX, &syntax, &err);
    FUZZ_CHECK(!rc || (weights && rc == DF_EINVAL && err.text[0]));
    if (rc) return;
    FUZZ_CHECK(c.n >= 1 && c.n <= (chunks ? DF_TEXT_MAX_CHUNKS : 1));
    for (int i = 0; i < c.n * MAX; i++) {
        FUZZ_CHECK(c.ids[i] >= 0 && c.ids[i] < df_tokenizer_vocab_size(t));
        if (c.weights) FUZZ_CHECK(fabs((double)c.weights[i]) <= DF_EMPHASIS_MAX_WEIGHT);
    }
    df_text_chunks_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    FUZZ_CHECK(text);
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    encode(bundled(), text);
    for (int i = 1; i < 4; i++) chunk(bundled(), text, i & 1, i & 2);
    fuzz_accepted++;
    free(text);
    return 0;
}
