#include "cluster/row_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/text_context.h"
#include "engine/text/chunks.h"

struct df_row_text {
    const df_model *model;
    df_prompt_cache *cache;
    df_dtype dtype;
    df_prompt *chunk[DF_TEXT_MAX_CHUNKS];
    int n, n_own; /* the rest pads */
    bool cut;
    float *weights[DF_MAX_TOKENIZERS]; /* of each text encoder, [n_own][its tokens]; NULL: all 1 */
    void *weighted; /* states of the own chunks with their weights; NULL without weights */
    bool settled; /* weighted holds them */
};

static size_t chunk_bytes(const df_row_text *t) {
    return df_text_context_bytes(t->model, t->dtype);
}

df_code df_row_text_check(const df_model *model, const df_prompt_syntax *syntax, df_err *err) {
    df_context context = df_model_pipeline(model)->context;
    bool plain = !syntax->weights && !syntax->chunks;
    if (plain || context == DF_CONTEXT_LAST || context == DF_CONTEXT_PENULTIMATE_PAIR) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "a %s takes neither long prompts nor weights in them",
                      df_model_info_of(model)->pipeline_class);
}

/* making */

static df_code take_plain(df_row_text *t, const char *text, df_err *err) {
    df_code rc = df_prompt_take(t->cache, text, &t->chunk[0], err);
    if (rc) return rc;
    t->n = t->n_own = 1;
    t->cut = t->chunk[0]->cut;
    return DF_OK;
}

/* The chunks of one text encoder; where the other has more of them, it reads the empty prompt. */
static const int32_t *ids_of(const df_text_chunks *c, int i, int64_t tokens, const int32_t *empty) {
    return i < c->n ? c->ids + (int64_t)i * tokens : empty;
}

static df_code keep_weights(df_row_text *t, int encoder, const df_text_chunks *c, int64_t tokens, df_err *err) {
    size_t n = (size_t)t->n_own * (size_t)tokens;
    if (!c->weights) return DF_OK;
    float *w = t->weights[encoder] = malloc(n * sizeof *w);
    if (!w) return df_err_set(err, DF_ENOMEM, "%zu weights", n);
    for (size_t i = 0; i < n; i++) w[i] = i < (size_t)c->n * (size_t)tokens ? c->weights[i] : 1;
    if (!t->weighted && !(t->weighted = malloc((size_t)t->n_own * chunk_bytes(t))))
        return df_err_set(err, DF_ENOMEM, "%d chunks of text", t->n_own);
    return DF_OK;
}

/* What one prompt is to all text encoders. */
typedef struct reading {
    int n_encoders;
    int64_t tokens[DF_MAX_TOKENIZERS];
    df_text_chunks chunks[DF_MAX_TOKENIZERS], empty[DF_MAX_TOKENIZERS];
} reading;

static df_code read_all(reading *r, const df_row_text *t, const char *text, const df_prompt_syntax *syntax,
                        df_err *err) {
    static const df_prompt_syntax plain = { 0 };
    df_code rc = DF_OK;
    for (df_component c = DF_TEXT_ENCODER; c <= DF_TEXT_ENCODER_3 && !rc; c++) {
        if (!df_model_has(t->model, c)) continue;
        int k = r->n_encoders++;
        r->tokens[k] = df_model_facts(t->model, c)->text.tokens;
        rc = df_model_chunks(t->model, c, text, syntax, &r->chunks[k], err);
        if (!rc) rc = df_model_chunks(t->model, c, "", &plain, &r->empty[k], err);
    }
    return rc;
}

static void reading_free(reading *r) {
    for (int k = 0; k < DF_MAX_TOKENIZERS; k++) {
        df_text_chunks_free(&r->chunks[k]);
        df_text_chunks_free(&r->empty[k]);
    }
}

static df_code take_chunks(df_row_text *t, const reading *r, df_err *err) {
    df_code rc = DF_OK;
    for (int k = 0; k < r->n_encoders; k++) {
        if (r->chunks[k].n > t->n_own) t->n_own = r->chunks[k].n;
        t->cut |= r->chunks[k].cut;
    }
    for (int i = 0; i < t->n_own && !rc; i++) {
        const int32_t *ids[DF_MAX_TOKENIZERS] = { 0 };
        for (int k = 0; k < r->n_encoders; k++) ids[k] = ids_of(&r->chunks[k], i, r->tokens[k], r->empty[k].ids);
        rc = df_prompt_take_ids(t->cache, ids, &t->chunk[i], err);
        t->n += !rc;
    }
    for (int k = 0; k < r->n_encoders && !rc; k++) rc = keep_weights(t, k, &r->chunks[k], r->tokens[k], err);
    return rc;
}

static df_code take_syntax(df_row_text *t, const char *text, const df_prompt_syntax *syntax, df_err *err) {
    reading r = { 0 };
    df_code rc = df_row_text_check(t->model, syntax, err);
    if (!rc) rc = read_all(&r, t, text, syntax, err);
    if (!rc) rc = take_chunks(t, &r, err);
    reading_free(&r);
    return rc;
}

df_code df_row_text_new(df_row_text **out, const df_model *model, df_prompt_cache *cache, df_dtype dtype,
                        const char *text, const df_prompt_syntax *syntax, df_err *err) {
    df_row_text *t = calloc(1, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "text of a row");
    *t = (df_row_text) { .model = model, .cache = cache, .dtype = dtype };
    bool plain = !syntax->weights && !syntax->chunks;
    df_code rc = plain ? take_plain(t, text, err) : take_syntax(t, text, syntax, err);
    if (rc)
        df_row_text_free(&t);
    else
        *out = t;
    return rc;
}

void df_row_text_free(df_row_text **text) {
    df_row_text *t = text ? *text : NULL;
    if (!t) return;
    for (int i = 0; i < t->n; i++) df_prompt_release(t->cache, &t->chunk[i]);
    for (int k = 0; k < DF_MAX_TOKENIZERS; k++) free(t->weights[k]);
    free(t->weighted);
    free(t);
    *text = NULL;
}

int df_row_text_chunks(const df_row_text *t) {
    return t->n;
}

df_code df_row_text_pad(df_row_text *t, int n_chunks, df_err *err) {
    df_code rc = DF_OK;
    while (t->n < n_chunks && !rc) {
        rc = df_prompt_take(t->cache, "", &t->chunk[t->n], err);
        t->n += !rc;
    }
    return rc;
}

bool df_row_text_was_cut(const df_row_text *t) {
    return t->cut;
}

bool df_row_text_is_ready(const df_row_text *t, const df_err **failure) {
    bool ready = true;
    for (int i = 0; i < t->n; i++) {
        if (t->chunk[i]->state == DF_PROMPT_FAILED) *failure = &t->chunk[i]->failure;
        ready &= t->chunk[i]->state == DF_PROMPT_READY;
    }
    return ready;
}

/* weighing */

/* The columns of encoder_hidden_states that one text encoder fills. */
typedef struct columns {
    size_t first, width, stride; /* numbers; stride: of a token */
    size_t n_tokens; /* of all own chunks */
} columns;

static double number_at(const df_row_text *t, const columns *c, size_t token, size_t k) {
    return df_dtype_load(t->dtype, t->weighted, token * c->stride + c->first + k);
}

/* Their mean, times weights where there are any. */
static double mean_of(const df_row_text *t, const columns *c, const float *weights) {
    double sum = 0;
    for (size_t i = 0; i < c->n_tokens; i++)
        for (size_t k = 0; k < c->width; k++) sum += number_at(t, c, i, k) * (weights ? (double)weights[i] : 1);
    return sum / (double)(c->n_tokens * c->width);
}

static void weigh(df_row_text *t, const float *weights, const columns *c) {
    double factor = mean_of(t, c, NULL) / mean_of(t, c, weights);
    if (!isfinite(factor)) factor = 1;
    for (size_t i = 0; i < c->n_tokens; i++)
        for (size_t k = 0; k < c->width; k++)
            df_dtype_store(t->dtype, t->weighted, i * c->stride + c->first + k,
                           number_at(t, c, i, k) * (double)weights[i] * factor);
}

static void settle(df_row_text *t) {
    size_t bytes = chunk_bytes(t);
    columns c = { .stride = (size_t)df_model_info_of(t->model)->text_width };
    int k = 0;
    for (int i = 0; i < t->n_own; i++) memcpy((char *)t->weighted + (size_t)i * bytes, t->chunk[i]->embedding, bytes);
    for (df_component e = DF_TEXT_ENCODER; e <= DF_TEXT_ENCODER_2; e++) {
        if (!df_model_has(t->model, e)) continue;
        c.width = (size_t)df_model_facts(t->model, e)->text.width;
        c.n_tokens = (size_t)t->n_own * (size_t)df_model_facts(t->model, e)->text.tokens;
        if (t->weights[k]) weigh(t, t->weights[k], &c);
        c.first += c.width;
        k++;
    }
    t->settled = true;
}

void df_row_text_write_states(df_row_text *t, void *to) {
    size_t bytes = chunk_bytes(t);
    if (t->weighted && !t->settled) settle(t);
    for (int i = 0; i < t->n; i++) {
        const void *from =
            t->weighted && i < t->n_own ? (char *)t->weighted + (size_t)i * bytes : t->chunk[i]->embedding;
        memcpy((char *)to + (size_t)i * bytes, from, bytes);
    }
}

const void *df_row_text_pooled(const df_row_text *t) {
    return t->chunk[0]->pooled;
}
