#include "tests/client/eval/sd3_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of the golden models. */
enum { CLIP_TOKENS = 77, MOST_TOKENS = CLIP_TOKENS + 256, WIDTH = 64, POOLED = 56, N_PROMPTS = 2 };

/* The prompt, then the negative one. */
typedef struct text {
    float context[N_PROMPTS][MOST_TOKENS * WIDTH];
    float pooled[N_PROMPTS][POOLED];
} text;

static const char *string_of(const json_t *call, const char *key, const char *otherwise) {
    const char *value = json_string_value(json_object_get(call, key));
    return value ? value : otherwise;
}

/* The encoder's states of both prompts, of as many tokens as are wanted. */
static eval_call *encode(const char *model, int encoder, const char *const prompts[N_PROMPTS], int64_t n_tokens) {
    static const char *const names[][2] = { { "ids", "text_encode" },
                                            { "ids_2", "text_encode_2" },
                                            { "ids_3", "text_encode_3" } };
    static int32_t ids[N_PROMPTS * 256];
    json_t *list = json_pack("[ss]", prompts[0], prompts[1]);
    char *json = json_dumps(list, 0);
    assert_non_null(json);
    eval_call *tokens = eval_call_new(), *c = eval_call_new();
    eval_call_run(tokens, model, "tokenize", "--prompts", eval_call_file(tokens, "prompts.json", json), NULL);
    const df_tensor_view *all = eval_call_view(tokens, names[encoder][0]);
    assert_true(n_tokens <= all->dim[1]);
    for (int i = 0; i < N_PROMPTS; i++) /* short prompts: what is left out is padding */
        memcpy(ids + i * n_tokens, (const int32_t *)all->data + i * all->dim[1], (size_t)n_tokens * sizeof *ids);
    eval_call_give_i32(c, "ids", ids, (int64_t[]) { N_PROMPTS, n_tokens }, 2);
    eval_call_run(c, model, names[encoder][1], "--backend", "reference", NULL);
    eval_call_free(&tokens);
    free(json);
    json_decref(list);
    return c;
}

static void put(text *t, eval_call *c, const char *port, int64_t first_token, int64_t column) {
    const df_tensor_view *v = eval_call_view(c, port);
    const float *from = eval_call_f32(c, port, NULL);
    for (int i = 0; i < N_PROMPTS; i++)
        for (int64_t k = 0; k < v->dim[1]; k++, from += v->dim[2])
            memcpy(t->context[i] + (first_token + k) * WIDTH + column, from, (size_t)v->dim[2] * sizeof *from);
}

static void put_pooled(text *t, eval_call *c, int64_t column) {
    const df_tensor_view *v = eval_call_view(c, "pooled");
    const float *from = eval_call_f32(c, "pooled", NULL);
    for (int i = 0; i < N_PROMPTS; i++, from += v->dim[1])
        memcpy(t->pooled[i] + column, from, (size_t)v->dim[1] * sizeof *from);
}

/* Side by side. */
static void put_clip(text *t, const char *model, const char *const prompts[2][N_PROMPTS]) {
    int64_t column = 0, pooled_column = 0;
    for (int i = 0; i < 2; i++) {
        eval_call *states = encode(model, i, prompts[i], CLIP_TOKENS);
        put(t, states, "hidden.2", 0, column); /* hidden[-2] of three layers */
        put_pooled(t, states, pooled_column);
        column += eval_call_view(states, "hidden.2")->dim[2];
        pooled_column += eval_call_view(states, "pooled")->dim[1];
        eval_call_free(&states);
    }
    assert_int_equal(pooled_column, POOLED);
}

void sd3_text_give(eval_call *c, const char *model, const json_t *call, bool t5) {
    static text t;
    const char *prompt = string_of(call, "prompt", ""), *negative = string_of(call, "negative_prompt", "");
    const char *const prompts[3][N_PROMPTS] = { { prompt, negative },
                                                { string_of(call, "prompt_2", prompt), negative },
                                                { string_of(call, "prompt_3", prompt), negative } };
    int64_t n_t5 = json_integer_value(json_object_get(call, "max_sequence_length"));
    memset(&t, 0, sizeof t);
    put_clip(&t, model, prompts);
    if (t5) {
        eval_call *states = encode(model, 2, prompts[2], n_t5);
        put(&t, states, "last_hidden_state", CLIP_TOKENS, 0);
        eval_call_free(&states);
    }
    const int64_t context[] = { 1, CLIP_TOKENS + n_t5, WIDTH }, pooled[] = { 1, POOLED };
    eval_call_give_f32(c, "cond", t.context[0], context, 3);
    eval_call_give_f32(c, "uncond", t.context[1], context, 3);
    eval_call_give_f32(c, "pooled_cond", t.pooled[0], pooled, 2);
    eval_call_give_f32(c, "pooled_uncond", t.pooled[1], pooled, 2);
}
