#include "engine/text/chunks.h"

#include <stdlib.h>
#include <string.h>

#include "engine/text/emphasis.h"

/* All tokens of a prompt, and where a piece of text begins to weigh something else, or a chunk must begin. */
typedef struct mark {
    size_t at; /* token */
    double weight; /* of what follows */
    bool breaks;
} mark;

typedef struct tokens {
    df_bpe_ids ids;
    mark *marks; /* [n_marks], one for each piece */
    size_t n_marks;
} tokens;

static df_code read_tokens(tokens *out, const df_tokenizer *t, const char *text, const df_prompt_syntax *syntax,
                           df_err *err) {
    df_emphasis e = { 0 };
    df_code rc = df_emphasis_parse(&e, text, syntax->weights, syntax->chunks, err);
    if (rc) return rc;
    if (!(out->marks = calloc(e.n, sizeof *out->marks))) rc = df_err_set(err, DF_ENOMEM, "a prompt");
    for (size_t i = 0; i < e.n && !rc; i++) {
        out->marks[out->n_marks++] =
            (mark) { .at = out->ids.n, .weight = e.piece[i].weight, .breaks = e.piece[i].breaks };
        rc = df_tokenizer_append(t, e.piece[i].text, &out->ids, err);
    }
    df_emphasis_free(&e);
    return rc;
}

static df_code reserve(df_text_chunks *c, int max, bool weighted, df_err *err) {
    size_t n = (size_t)DF_TEXT_MAX_CHUNKS * (size_t)max;
    c->ids = malloc(n * sizeof *c->ids);
    c->weights = weighted ? malloc(n * sizeof *c->weights) : NULL;
    if (!c->ids || (weighted && !c->weights)) return df_err_set(err, DF_ENOMEM, "%zu tokens", n);
    for (size_t i = 0; i < n && weighted; i++) c->weights[i] = 1;
    return DF_OK;
}

/* Tokens begin..end-1 become the next chunk. */
static void add_chunk(df_text_chunks *c, const df_tokenizer *t, const tokens *all, size_t begin, size_t end, int max) {
    /* An empty prompt has no ids at all, and an offset from NULL is undefined. */
    const int32_t *ids = begin < end ? all->ids.at + begin : NULL;
    df_tokenizer_lay_out(t, ids, end - begin, c->ids + (size_t)c->n * (size_t)max, max);
    float *weights = c->weights ? c->weights + (size_t)c->n * (size_t)max + 1 : NULL;
    for (size_t m = 0; m < all->n_marks && weights; m++) {
        size_t from = all->marks[m].at > begin ? all->marks[m].at : begin;
        size_t to = m + 1 < all->n_marks && all->marks[m + 1].at < end ? all->marks[m + 1].at : end;
        for (size_t i = from; i < to; i++) weights[i - begin] = (float)all->marks[m].weight;
    }
    c->n++;
}

/* Where the chunk that begins with token `begin` ends. *next: the first mark that has not been passed. */
static size_t end_of_chunk(const tokens *all, size_t begin, size_t room, size_t *next) {
    size_t end = all->ids.n - begin > room ? begin + room : all->ids.n;
    while (*next < all->n_marks && all->marks[*next].at <= end) {
        const mark *m = &all->marks[(*next)++];
        if (m->breaks) return m->at;
    }
    return end;
}

static bool has_break(const tokens *all, size_t next) {
    while (next < all->n_marks && !all->marks[next].breaks) next++;
    return next < all->n_marks;
}

static void cut_up(df_text_chunks *c, const df_tokenizer *t, const tokens *all, int max, int most) {
    size_t room = (size_t)max - 2, begin = 0, next = 0;
    do {
        size_t end = end_of_chunk(all, begin, room, &next);
        add_chunk(c, t, all, begin, end, max);
        begin = end;
    } while ((begin < all->ids.n || has_break(all, next)) && c->n < most);
    c->cut = begin < all->ids.n;
}

static bool is_weighted(const tokens *all) {
    for (size_t i = 0; i < all->n_marks; i++)
        if (all->marks[i].weight != 1) return true;
    return false;
}

df_code df_text_chunks_make(df_text_chunks *out, const df_tokenizer *t, const char *text, int max,
                            const df_prompt_syntax *syntax, df_err *err) {
    tokens all = { 0 };
    *out = (df_text_chunks) { 0 };
    if (max < 3) return df_err_set(err, DF_EINVAL, "tokenizer: room for %d ids, 3 or more are needed", max);
    df_code rc = read_tokens(&all, t, text, syntax, err);
    if (!rc) rc = reserve(out, max, is_weighted(&all), err);
    if (!rc) cut_up(out, t, &all, max, syntax->chunks ? DF_TEXT_MAX_CHUNKS : 1);
    df_bpe_ids_free(&all.ids);
    free(all.marks);
    if (rc) df_text_chunks_free(out);
    return rc;
}

void df_text_chunks_free(df_text_chunks *c) {
    free(c->ids);
    free(c->weights);
    *c = (df_text_chunks) { 0 };
}
