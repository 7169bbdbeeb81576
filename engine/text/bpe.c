#include "engine/text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/text/byte_symbols.h"
#include "engine/text/merge_table.h"

struct df_bpe {
    df_merge_table merges;
    int32_t inner[256], last[256]; /* id of each byte inside a word and at its end */
};

/* opening */

static int32_t id_of(json_t *vocab, const char *symbol, size_t bytes) {
    json_t *id = json_object_getn(vocab, symbol, bytes);
    return id ? (int32_t)json_integer_value(id) : -1;
}

static void fill_byte_ids(df_bpe *b, json_t *vocab, int32_t unknown) {
    for (int byte = 0; byte < 256; byte++) {
        char symbol[DF_BYTE_SYMBOL_BYTES];
        df_byte_symbol((unsigned char)byte, 0, symbol);
        int32_t id = id_of(vocab, symbol, strlen(symbol));
        b->inner[byte] = id < 0 ? unknown : id;
        df_byte_symbol((unsigned char)byte, 1, symbol);
        id = id_of(vocab, symbol, strlen(symbol));
        b->last[byte] = id < 0 ? unknown : id;
    }
}

/* One line "LEFT RIGHT" without its end. */
static df_code add_merge(df_bpe *b, json_t *vocab, const char *vocab_path, const char *line, size_t n,
                         const char *merges_path, int number, int rank, df_err *err) {
    const char *space = memchr(line, ' ', n);
    size_t left = space ? (size_t)(space - line) : 0, right = space ? n - left - 1 : 0;
    char joined[512];
    if (!left || !right || memchr(space + 1, ' ', right) || n > sizeof joined)
        return df_err_set(err, DF_EFORMAT, "%s: line %d: '%.*s' is not a pair of symbols", merges_path, number,
                          (int)(n < 60 ? n : 60), line);
    memcpy(joined, line, left);
    memcpy(joined + left, space + 1, right);
    df_merge m = {
        .left = id_of(vocab, line, left),
        .right = id_of(vocab, space + 1, right),
        .joined = id_of(vocab, joined, left + right),
        .rank = rank,
    };
    if (m.left < 0 || m.right < 0 || m.joined < 0)
        return df_err_set(err, DF_EFORMAT, "%s: line %d: '%.*s' or what it joins to is not in %s", merges_path, number,
                          (int)(n < 60 ? n : 60), line, vocab_path);
    df_merge_table_put(&b->merges, m);
    return DF_OK;
}

static size_t count_lines(const char *text, size_t bytes) {
    size_t n = 1;
    for (size_t i = 0; i < bytes; i++) n += text[i] == '\n';
    return n;
}

static df_code read_merges(df_bpe *b, json_t *vocab, const char *vocab_path, const char *text, size_t bytes,
                           const char *path, df_err *err) {
    int number = 1, rank = 0;
    for (const char *line = text, *end = text + bytes; line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((stop ? stop : end) - line);
        const char *next = stop ? stop + 1 : end;
        if (n && line[n - 1] == '\r') n--;
        bool header = number == 1 && n >= 8 && !memcmp(line, "#version", 8);
        if (n && !header) {
            df_code rc = add_merge(b, vocab, vocab_path, line, n, path, number, rank++, err);
            if (rc) return rc;
        }
        line = next;
    }
    return DF_OK;
}

df_code df_bpe_open(df_bpe **out, json_t *vocab, const char *vocab_path, const char *merges, size_t merges_bytes,
                    const char *merges_path, int32_t unknown, df_err *err) {
    df_bpe *b = calloc(1, sizeof *b);
    if (!b || !df_merge_table_init(&b->merges, count_lines(merges, merges_bytes))) {
        free(b);
        return df_err_set(err, DF_ENOMEM, "%s: table of merges", merges_path);
    }
    fill_byte_ids(b, vocab, unknown);
    df_code rc = read_merges(b, vocab, vocab_path, merges, merges_bytes, merges_path, err);
    if (rc) {
        df_bpe_close(&b);
        return rc;
    }
    *out = b;
    return DF_OK;
}

void df_bpe_close(df_bpe **b) {
    if (!*b) return;
    df_merge_table_free(&(*b)->merges);
    free(*b);
    *b = NULL;
}

/* one word */

/* A word is a linked list of symbols inside an array; joining two removes the right one. */
typedef struct symbol {
    int32_t id; /* -1: joined into an earlier one */
    uint32_t before, after; /* NONE at the ends */
} symbol;

/* A pair that could be joined, in a binary heap: lowest rank first, then leftmost. */
typedef struct candidate {
    int32_t rank, joined;
    uint32_t at;
} candidate;

static const uint32_t NONE = UINT32_MAX;

typedef struct work {
    symbol *symbols;
    candidate *heap;
    size_t n_heap;
} work;

static bool comes_first(candidate a, candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(work *w, candidate c) {
    size_t i = w->n_heap++;
    for (; i && comes_first(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static candidate heap_pop(work *w) {
    candidate top = w->heap[0], moved = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && comes_first(w->heap[child + 1], w->heap[child])) child++;
        if (!comes_first(w->heap[child], moved)) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = moved;
    return top;
}

static void offer(const df_bpe *b, work *w, uint32_t at) {
    if (at == NONE || w->symbols[at].after == NONE) return;
    const df_merge *m = df_merge_table_find(&b->merges, w->symbols[at].id, w->symbols[w->symbols[at].after].id);
    if (m) heap_push(w, (candidate) { m->rank, m->joined, at });
}

/* Every merge that is made frees one symbol and offers at most two pairs: 3 n candidates are enough. */
static df_code make_room(df_bpe_ids *ids, size_t n, work *w, df_err *err) {
    size_t bytes;
    if (n > UINT32_MAX / 4 || !df_size_mul(&bytes, n, sizeof *w->symbols + 3 * sizeof *w->heap))
        return df_err_set(err, DF_ELIMIT, "a word of %zu bytes", n);
    if (bytes > ids->work_bytes) {
        void *grown = realloc(ids->work, bytes);
        if (!grown) return df_err_set(err, DF_ENOMEM, "a word of %zu bytes", n);
        ids->work = grown;
        ids->work_bytes = bytes;
    }
    *w = (work) { .symbols = ids->work, .heap = (candidate *)((symbol *)ids->work + n) };
    return DF_OK;
}

static void join_all(const df_bpe *b, work *w) {
    symbol *s = w->symbols;
    while (w->n_heap) {
        candidate c = heap_pop(w);
        uint32_t right = s[c.at].id < 0 ? NONE : s[c.at].after;
        if (right == NONE) continue;
        const df_merge *m = df_merge_table_find(&b->merges, s[c.at].id, s[right].id);
        if (!m || m->joined != c.joined) continue; /* one of the two was joined elsewhere meanwhile */
        s[c.at].id = c.joined;
        s[c.at].after = s[right].after;
        s[right].id = -1;
        if (s[right].after != NONE) s[s[right].after].before = c.at;
        offer(b, w, s[c.at].before);
        offer(b, w, c.at);
    }
}

df_code df_bpe_word(const df_bpe *b, const unsigned char *bytes, size_t n, df_bpe_ids *ids, df_err *err) {
    work w = { 0 };
    df_code rc = make_room(ids, n, &w, err);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++)
        w.symbols[i] = (symbol) {
            .id = i + 1 < n ? b->inner[bytes[i]] : b->last[bytes[i]],
            .before = i ? (uint32_t)i - 1 : NONE,
            .after = i + 1 < n ? (uint32_t)i + 1 : NONE,
        };
    for (size_t i = 0; i + 1 < n; i++) offer(b, &w, (uint32_t)i);
    join_all(b, &w);
    for (uint32_t i = 0; n && i != NONE; i = w.symbols[i].after)
        if ((rc = df_bpe_add(ids, w.symbols[i].id, err))) return rc;
    return DF_OK;
}

df_code df_bpe_add(df_bpe_ids *ids, int32_t id, df_err *err) {
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : 128, bytes;
        int32_t *grown = df_size_mul(&bytes, cap, sizeof *ids->at) ? realloc(ids->at, bytes) : NULL;
        if (!grown) return df_err_set(err, DF_ENOMEM, "%zu tokens", cap);
        ids->at = grown;
        ids->cap = cap;
    }
    ids->at[ids->n++] = id;
    return DF_OK;
}

void df_bpe_ids_free(df_bpe_ids *ids) {
    free(ids->at);
    free(ids->work);
    *ids = (df_bpe_ids) { 0 };
}
