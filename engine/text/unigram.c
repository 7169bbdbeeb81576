#include "engine/text/unigram.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/utf8.h"

static const double unknown_penalty = 10;

struct df_unigram {
    const df_piece *piece;
    int32_t *order; /* [n] ids by the bytes of their pieces; a prefix before what it begins */
    int n;
    int32_t unknown;
    double unknown_score;
};

static int compare(const void *a, const void *b, void *pieces) {
    const df_piece *x = (const df_piece *)pieces + *(const int32_t *)a;
    const df_piece *y = (const df_piece *)pieces + *(const int32_t *)b;
    int by_bytes = memcmp(x->text, y->text, x->bytes < y->bytes ? x->bytes : y->bytes);
    return by_bytes ? by_bytes : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static df_code sort(df_unigram *u, const char *path, df_err *err) {
    for (int32_t i = 0; i < u->n; i++) u->order[i] = i;
    qsort_r(u->order, (size_t)u->n, sizeof *u->order, compare, (void *)(uintptr_t)u->piece);
    for (int i = 1; i < u->n; i++) {
        const df_piece *p = &u->piece[u->order[i]];
        if (!compare(&u->order[i - 1], &u->order[i], (void *)(uintptr_t)u->piece))
            return df_err_set(err, DF_EFORMAT, "%s: pieces %d and %d are both '%.*s'", path, (int)u->order[i - 1],
                              (int)u->order[i], (int)p->bytes, p->text);
    }
    return DF_OK;
}

static df_code fill(df_unigram *u, const char *unknown, const char *path, df_err *err) {
    u->order = malloc((size_t)u->n * sizeof *u->order);
    if (!u->order) return df_err_set(err, DF_ENOMEM, "%s: %d pieces", path, u->n);
    df_code rc = sort(u, path, err);
    if (rc) return rc;
    u->unknown = df_unigram_find(u, unknown, strlen(unknown));
    if (u->unknown < 0) return df_err_set(err, DF_EFORMAT, "%s: it has no piece '%s'", path, unknown);
    double lowest = INFINITY;
    for (int i = 0; i < u->n; i++) lowest = fmin(lowest, (double)u->piece[i].score);
    u->unknown_score = lowest - unknown_penalty;
    return DF_OK;
}

df_code df_unigram_open(df_unigram **out, const df_piece *piece, int n, const char *unknown, const char *path,
                        df_err *err) {
    df_unigram *u = calloc(1, sizeof *u);
    if (!u) return df_err_set(err, DF_ENOMEM, "%s: %d pieces", path, n);
    u->piece = piece;
    u->n = n;
    df_code rc = fill(u, unknown, path, err);
    if (rc)
        df_unigram_close(&u);
    else
        *out = u;
    return rc;
}

void df_unigram_close(df_unigram **u) {
    if (!*u) return;
    free((*u)->order);
    free(*u);
    *u = NULL;
}

/* Places of `order` whose pieces begin with the bytes seen so far. */
typedef struct range {
    int begin, end;
    size_t depth; /* how many bytes */
} range;

static int byte_at(const df_unigram *u, int place, size_t depth) {
    const df_piece *p = &u->piece[u->order[place]];
    return p->bytes > depth ? (unsigned char)p->text[depth] : -1;
}

/* The first place in begin..end whose next byte is c or more. */
static int lower_bound(const df_unigram *u, range r, int c) {
    while (r.begin < r.end) {
        int middle = r.begin + (r.end - r.begin) / 2;
        if (byte_at(u, middle, r.depth) < c)
            r.begin = middle + 1;
        else
            r.end = middle;
    }
    return r.begin;
}

static range narrow(const df_unigram *u, range r, char next) {
    int c = (unsigned char)next, begin = lower_bound(u, r, c);
    return (range) { begin, lower_bound(u, (range) { begin, r.end, r.depth }, c + 1), r.depth + 1 };
}

/* The piece that is exactly the bytes seen; -1: there is none. */
static int32_t whole(const df_unigram *u, range r) {
    return r.begin < r.end && byte_at(u, r.begin, r.depth) < 0 ? u->order[r.begin] : -1;
}

int32_t df_unigram_find(const df_unigram *u, const char *text, size_t bytes) {
    range r = { 0, u->n, 0 };
    for (size_t i = 0; i < bytes && r.begin < r.end; i++) r = narrow(u, r, text[i]);
    return r.depth == bytes ? whole(u, r) : -1;
}

/* The best way from the beginning of the word to a place in it. */
typedef struct node {
    double score;
    size_t from; /* where its last token begins */
    size_t to; /* where the next one ends, on the best way of all */
    int32_t id; /* of that token */
    bool reached;
} node;

static void offer(node *to, double score, size_t from, int32_t id) {
    if (!to->reached || score > to->score) *to = (node) { .score = score, .from = from, .id = id, .reached = true };
}

/* All tokens that begin at `at`; length: bytes of the character there. */
static void extend(const df_unigram *u, const char *word, size_t bytes, size_t at, size_t length, node *best) {
    range r = { 0, u->n, 0 };
    bool single = false;
    for (size_t i = at; i < bytes; i++) {
        r = narrow(u, r, word[i]);
        if (r.begin == r.end) break;
        int32_t id = whole(u, r);
        if (id < 0) continue;
        offer(&best[i + 1], (double)u->piece[id].score + best[at].score, at, id);
        single |= r.depth == length;
    }
    if (!single) offer(&best[at + length], u->unknown_score + best[at].score, at, u->unknown);
}

/* Links the best way forward. */
static void turn_round(node *best, size_t bytes) {
    for (size_t at = bytes; at > 0; at = best[at].from) best[best[at].from].to = at;
}

static void collect(const df_unigram *u, const node *best, size_t bytes, df_buf *ids) {
    bool after_unknown = false;
    for (size_t at = 0; at < bytes; at = best[at].to) {
        int32_t id = best[best[at].to].id;
        bool is_unknown = id == u->unknown;
        if (!is_unknown || !after_unknown) df_buf_add(ids, &id, sizeof id);
        after_unknown = is_unknown;
    }
}

df_code df_unigram_word(const df_unigram *u, const char *word, size_t bytes, df_unigram_work *work, df_buf *ids,
                        df_err *err) {
    if (bytes >= work->cap) {
        size_t cap = bytes + 1;
        node *grown = reallocarray(work->best, cap, sizeof *grown);
        if (!grown) return df_err_set(err, DF_ENOMEM, "a word of %zu bytes", bytes);
        *work = (df_unigram_work) { grown, cap };
    }
    node *best = work->best;
    memset(best, 0, (bytes + 1) * sizeof *best);
    for (size_t at = 0, length; at < bytes; at += length) {
        df_utf8_next(word + at, bytes - at, &length);
        extend(u, word, bytes, at, length, best);
    }
    turn_round(best, bytes);
    collect(u, best, bytes, ids);
    return ids->failed ? df_err_set(err, DF_ENOMEM, "tokens of a word of %zu bytes", bytes) : DF_OK;
}

void df_unigram_work_free(df_unigram_work *work) {
    free(work->best);
    *work = (df_unigram_work) { 0 };
}
