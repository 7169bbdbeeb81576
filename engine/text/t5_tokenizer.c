#include "engine/text/t5_tokenizer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/text/charsmap.h"
#include "engine/text/spiece.h"
#include "engine/text/t5_sentinels.h"
#include "engine/text/unigram.h"
#include "engine/text/utf8.h"

enum { MAX_TEXT_BYTES = 64 << 20 /* keeps every count of tokens inside an int */ };
static const char space_mark[] = "\xe2\x96\x81"; /* U+2581, which stands for a space before a word */
enum { SPACE_MARK_BYTES = sizeof space_mark - 1 };

struct df_t5_tokenizer {
    df_spiece model;
    df_piece *piece; /* [n] those of the model, then the sentinels */
    int n;
    df_charsmap *charsmap;
    df_unigram *unigram;
    df_arena *names; /* of the sentinels */
    int32_t padding, end, unknown;
};

/* opening */

/* Sentinels are pieces as well: the library finds them also where normalization has made one. */
static df_code add_sentinels(df_t5_tokenizer *t, int n_sentinels, df_err *err) {
    t->n = t->model.n + n_sentinels;
    t->piece = calloc((size_t)t->n, sizeof *t->piece);
    t->names = df_arena_new();
    if (!t->piece || !t->names) return df_err_set(err, DF_ENOMEM, "%d pieces", t->n);
    memcpy(t->piece, t->model.piece, (size_t)t->model.n * sizeof *t->piece);
    for (int i = 0; i < n_sentinels; i++) {
        const char *name = df_arena_printf(t->names, "<extra_id_%d>", n_sentinels - 1 - i);
        if (!name) return df_err_set(err, DF_ENOMEM, "%d sentinels", n_sentinels);
        t->piece[t->model.n + i] = (df_piece) { name, strlen(name), 0 };
    }
    return DF_OK;
}

static df_code find_special(const df_t5_tokenizer *t, const char *name, int32_t *id, const char *path, df_err *err) {
    *id = df_unigram_find(t->unigram, name, strlen(name));
    return *id >= 0 ? DF_OK : df_err_set(err, DF_EFORMAT, "%s: it has no piece '%s'; T5's have", path, name);
}

static df_code open_model(df_t5_tokenizer *t, const char *dir, df_err *err) {
    char path[PATH_MAX];
    int n_sentinels;
    df_code rc;
    if ((size_t)snprintf(path, sizeof path, "%s/spiece.model", dir) >= sizeof path - 32)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", dir);
    if ((rc = df_spiece_read(&t->model, path, err))) return rc;
    if ((rc = df_t5_sentinels_read(&n_sentinels, dir, err))) return rc;
    if ((rc = add_sentinels(t, n_sentinels, err))) return rc;
    if ((rc = df_charsmap_open(&t->charsmap, t->model.charsmap, t->model.charsmap_bytes, path, err))) return rc;
    if ((rc = df_unigram_open(&t->unigram, t->piece, t->n, "<unk>", path, err))) return rc;
    if ((rc = find_special(t, "<pad>", &t->padding, path, err))) return rc;
    if ((rc = find_special(t, "</s>", &t->end, path, err))) return rc;
    return find_special(t, "<unk>", &t->unknown, path, err);
}

df_code df_t5_tokenizer_open(df_t5_tokenizer **out, const char *dir, df_err *err) {
    df_t5_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "tokenizer %s", dir);
    df_code rc = open_model(t, dir, err);
    if (rc)
        df_t5_tokenizer_close(&t);
    else
        *out = t;
    return rc;
}

void df_t5_tokenizer_close(df_t5_tokenizer **t) {
    if (!*t) return;
    df_unigram_close(&(*t)->unigram);
    df_charsmap_close(&(*t)->charsmap);
    df_spiece_free(&(*t)->model);
    df_arena_free(&(*t)->names);
    free((*t)->piece);
    free(*t);
    *t = NULL;
}

int df_t5_tokenizer_vocab_size(const df_t5_tokenizer *t) {
    return t->n;
}

/* encoding */

/* What one call works in. */
typedef struct scratch {
    df_buf text; /* normalized */
    df_buf word; /* with its mark */
    df_buf ids; /* int32_t */
    df_unigram_work work;
} scratch;

/* White_Space of Unicode 15 */
static bool is_space(int32_t c) {
    return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static bool begins_with_mark(const char *text, size_t bytes) {
    return bytes >= SPACE_MARK_BYTES && !memcmp(text, space_mark, SPACE_MARK_BYTES);
}

/* A mark that the text itself has begins a word as well. */
static df_code encode_word(const df_t5_tokenizer *t, const char *word, size_t bytes, scratch *s, df_err *err) {
    df_code rc = DF_OK;
    s->word.len = 0;
    if (!begins_with_mark(word, bytes)) df_buf_puts(&s->word, space_mark);
    df_buf_add(&s->word, word, bytes);
    if (s->word.failed) return df_err_set(err, DF_ENOMEM, "a word of %zu bytes", bytes);
    for (size_t begin = 0, end; begin < s->word.len && !rc; begin = end) {
        for (end = begin + 1; end < s->word.len; end++)
            if (begins_with_mark(s->word.data + end, s->word.len - end)) break;
        rc = df_unigram_word(t->unigram, s->word.data + begin, end - begin, &s->work, &s->ids, err);
    }
    return rc;
}

/* Between special tokens. */
static df_code encode_plain(const df_t5_tokenizer *t, const char *text, size_t bytes, scratch *s, df_err *err) {
    df_code rc = DF_OK;
    size_t begin = 0, length;
    s->text.len = 0;
    df_charsmap_normalize(t->charsmap, text, bytes, &s->text);
    if (s->text.failed) return df_err_set(err, DF_ENOMEM, "a text of %zu bytes", bytes);
    for (size_t at = 0; at < s->text.len && !rc; at += length) {
        bool space = is_space(df_utf8_next(s->text.data + at, s->text.len - at, &length));
        if (space && at > begin) rc = encode_word(t, s->text.data + begin, at - begin, s, err);
        if (space) begin = at + length;
    }
    if (!rc && s->text.len > begin) rc = encode_word(t, s->text.data + begin, s->text.len - begin, s, err);
    return rc;
}

/* The special token that text begins with and its length; -1: it begins with none. */
static int32_t special_at(const df_t5_tokenizer *t, const char *text, size_t left, size_t *length) {
    const char *close = *text == '<' ? memchr(text, '>', left < 32 ? left : 32) : NULL;
    if (!close) return -1;
    *length = (size_t)(close - text) + 1;
    int32_t id = df_unigram_find(t->unigram, text, *length);
    return id >= t->model.n || id == t->padding || id == t->end || id == t->unknown ? id : -1;
}

static df_code encode_all(const df_t5_tokenizer *t, const char *text, size_t bytes, scratch *s, df_err *err) {
    size_t begin = 0, length;
    df_code rc = DF_OK;
    for (size_t at = 0; at < bytes && !rc; at += length) {
        int32_t id = special_at(t, text + at, bytes - at, &length);
        if (id < 0) {
            length = 1;
            continue;
        }
        rc = encode_plain(t, text + begin, at - begin, s, err);
        df_buf_add(&s->ids, &id, sizeof id);
        begin = at + length;
    }
    if (!rc) rc = encode_plain(t, text + begin, bytes - begin, s, err);
    if (!rc && s->ids.failed) rc = df_err_set(err, DF_ENOMEM, "tokens of a text of %zu bytes", bytes);
    return rc;
}

/* as many tokens as fit, end, padding */
static void lay_out(const df_t5_tokenizer *t, const df_buf *tokens, int32_t *ids, int max) {
    size_t have = tokens->len / sizeof *ids, n = have < (size_t)max - 1 ? have : (size_t)max - 1;
    if (n) memcpy(ids, tokens->data, n * sizeof *ids);
    ids[n] = t->end;
    for (size_t i = n + 1; i < (size_t)max; i++) ids[i] = t->padding;
}

df_code df_t5_tokenizer_encode(const df_t5_tokenizer *t, const char *text, int32_t *ids, int max, int *n_tokens,
                               df_err *err) {
    scratch s = { 0 };
    size_t bytes = strlen(text);
    if (max < 1) return df_err_set(err, DF_EINVAL, "tokenizer: room for %d ids, 1 or more are needed", max);
    if (bytes > MAX_TEXT_BYTES)
        return df_err_set(err, DF_ELIMIT, "tokenizer: a text of %zu bytes, at most %d are taken", bytes,
                          MAX_TEXT_BYTES);
    df_code rc = encode_all(t, text, bytes, &s, err);
    if (!rc) {
        lay_out(t, &s.ids, ids, max);
        if (n_tokens) *n_tokens = (int)(s.ids.len / sizeof *ids) + 1;
    }
    df_buf_free(&s.text);
    df_buf_free(&s.word);
    df_buf_free(&s.ids);
    df_unigram_work_free(&s.work);
    return rc;
}
