#include "engine/text/tokenizer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/file.h"
#include "engine/config/json_config.h"
#include "engine/text/added_tokens.h"
#include "engine/text/bpe.h"
#include "engine/text/clean.h"
#include "engine/text/special_tokens.h"
#include "engine/text/word_split.h"

enum {
    MAX_VOCAB = 1 << 24,
    MAX_MERGES_BYTES = 256 << 20,
    MAX_TEXT_BYTES = 64 << 20, /* keeps every count of tokens inside an int */
};

struct df_tokenizer {
    df_bpe *bpe;
    df_special_tokens special;
    df_added_tokens added;
    int vocab_size;
};

/* opening */

static df_code check_vocab(df_tokenizer *t, json_t *vocab, const char *path, df_err *err) {
    const char *symbol;
    json_t *id;
    if (!json_is_object(vocab)) return df_err_set(err, DF_EFORMAT, "%s: not a JSON object", path);
    json_object_foreach(vocab, symbol, id) {
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value >= MAX_VOCAB)
            return df_err_set(err, DF_EFORMAT, "%s: the id of '%.60s' is not an integer from 0 to %d", path, symbol,
                              MAX_VOCAB - 1);
        if (value >= t->vocab_size) t->vocab_size = (int)value + 1;
    }
    return DF_OK;
}

static df_code open_bpe(df_tokenizer *t, const char *dir, json_t *vocab, const char *vocab_path, df_err *err) {
    char path[PATH_MAX], *merges;
    size_t bytes;
    snprintf(path, sizeof path, "%s/merges.txt", dir);
    df_code rc = df_file_read(path, MAX_MERGES_BYTES, &merges, &bytes, err);
    if (rc) return rc;
    rc = df_bpe_open(&t->bpe, vocab, vocab_path, merges, bytes, path, t->special.unknown, err);
    free(merges);
    return rc;
}

df_code df_tokenizer_open(df_tokenizer **out, const char *dir, df_err *err) {
    char path[PATH_MAX];
    json_t *vocab = NULL;
    df_code rc;
    df_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "tokenizer %s", dir);
    if ((size_t)snprintf(path, sizeof path, "%s/vocab.json", dir) >= sizeof path - 32) {
        rc = df_err_set(err, DF_ELIMIT, "%s: path too long", dir);
        goto fail;
    }
    if ((rc = df_json_load(&vocab, path, err))) goto fail;
    if ((rc = check_vocab(t, vocab, path, err))) goto fail;
    if ((rc = df_special_tokens_read(&t->special, dir, vocab, err))) goto fail;
    if ((rc = open_bpe(t, dir, vocab, path, err))) goto fail;
    json_decref(vocab);
    *out = t;
    return DF_OK;
fail:
    json_decref(vocab);
    df_tokenizer_close(&t);
    return rc;
}

void df_tokenizer_close(df_tokenizer **t) {
    if (!*t) return;
    df_bpe_close(&(*t)->bpe);
    df_special_tokens_free(&(*t)->special);
    df_added_tokens_free(&(*t)->added);
    free(*t);
    *t = NULL;
}

int df_tokenizer_max_length(const df_tokenizer *t) {
    return t->special.max_length;
}

int df_tokenizer_vocab_size(const df_tokenizer *t) {
    return t->vocab_size;
}

/* encoding */

/* What one call works in. */
typedef struct scratch {
    df_codepoints text;
    df_bpe_ids *ids;
    unsigned char *word; /* a word as UTF-8 */
    size_t word_cap;
} scratch;

static df_code encode_word(const df_bpe *bpe, const int32_t *at, size_t n, scratch *s, df_err *err) {
    if (n * 4 > s->word_cap) {
        unsigned char *grown = realloc(s->word, n * 4);
        if (!grown) return df_err_set(err, DF_ENOMEM, "a word of %zu characters", n);
        s->word = grown;
        s->word_cap = n * 4;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += (size_t)utf8proc_encode_char(at[i], s->word + bytes);
    return df_bpe_word(bpe, s->word, bytes, s->ids, err);
}

static df_code encode_words(const df_tokenizer *t, const int32_t *at, size_t n, scratch *s, df_err *err) {
    df_code rc = DF_OK;
    for (size_t begin = 0, end; !rc && df_word_next(at, n, &begin, &end); begin = end)
        rc = encode_word(t->bpe, at + begin, end - begin, s, err);
    return rc;
}

static df_code encode_added(const df_added_token *token, scratch *s, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < token->n_ids && !rc; i++) rc = df_bpe_add(s->ids, token->first_id + i, err);
    return rc;
}

static df_code encode_plain(const df_tokenizer *t, const char *text, size_t bytes, scratch *s, df_err *err) {
    if (!bytes) return DF_OK;
    df_code rc = df_clean(&s->text, text, bytes, err);
    for (size_t begin = 0; !rc && begin < s->text.n;) {
        const int32_t *rest = s->text.at + begin;
        size_t n = s->text.n - begin, at = n;
        const df_added_token *token = df_added_tokens_find(&t->added, rest, n, &at);
        rc = encode_words(t, rest, at, s, err);
        if (!rc && token) rc = encode_added(token, s, err);
        begin += at + (token ? token->n : 0);
    }
    return rc;
}

/* Text between special tokens is normalised piece by piece. */
static df_code encode_all(const df_tokenizer *t, const char *text, size_t bytes, scratch *s, df_err *err) {
    df_code rc = DF_OK;
    while (!rc && bytes) {
        size_t at = bytes;
        const df_special_token *special = df_special_tokens_find(&t->special, text, bytes, &at);
        rc = encode_plain(t, text, at, s, err);
        if (!rc && special) rc = df_bpe_add(s->ids, special->id, err);
        size_t used = at + (special ? special->bytes : 0);
        text += used;
        bytes -= used;
    }
    return rc;
}

void df_tokenizer_lay_out(const df_tokenizer *t, const int32_t *tokens, size_t n, int32_t *ids, int max) {
    size_t room = (size_t)max - 2;
    if (n > room) n = room;
    ids[0] = t->special.begin;
    if (n) memcpy(ids + 1, tokens, n * sizeof *ids);
    ids[n + 1] = t->special.end;
    for (size_t i = n + 2; i < (size_t)max; i++) ids[i] = t->special.padding;
}

df_code df_tokenizer_append(const df_tokenizer *t, const char *text, df_bpe_ids *tokens, df_err *err) {
    scratch s = { .ids = tokens };
    size_t bytes = strlen(text);
    if (bytes > MAX_TEXT_BYTES)
        return df_err_set(err, DF_ELIMIT, "tokenizer: a text of %zu bytes, at most %d are taken", bytes,
                          MAX_TEXT_BYTES);
    df_code rc = encode_all(t, text, bytes, &s, err);
    df_codepoints_free(&s.text);
    free(s.word);
    return rc;
}

df_code df_tokenizer_encode(const df_tokenizer *t, const char *text, int32_t *ids, int max, int *n_tokens,
                            df_err *err) {
    df_bpe_ids tokens = { 0 };
    if (max < 2) return df_err_set(err, DF_EINVAL, "tokenizer: room for %d ids, 2 or more are needed", max);
    df_code rc = df_tokenizer_append(t, text, &tokens, err);
    if (!rc) {
        df_tokenizer_lay_out(t, tokens.at, tokens.n, ids, max);
        if (n_tokens) *n_tokens = (int)tokens.n + 2;
    }
    df_bpe_ids_free(&tokens);
    return rc;
}

/* adding tokens */

df_code df_tokenizer_can_add(const df_tokenizer *t, const char *text, df_err *err) {
    df_bpe_ids tokens = { 0 };
    if (strlen(text) > DF_ADDED_TOKEN_MAX_BYTES)
        return df_err_set(err, DF_ELIMIT, "a token of %zu bytes, at most %d are taken", strlen(text),
                          DF_ADDED_TOKEN_MAX_BYTES);
    if (!*text || strpbrk(text, " \t\r\n\v\f"))
        return df_err_set(err, DF_EINVAL, "'%.60s' cannot be a token: it must be one word", text);
    df_code rc = df_tokenizer_append(t, text, &tokens, err);
    if (!rc && tokens.n < 2)
        rc = df_err_set(err, DF_EINVAL, "'%.60s' is a word of the vocabulary; choose another name for the token", text);
    df_bpe_ids_free(&tokens);
    return rc;
}

static df_code add_token(df_tokenizer *t, const char *text, int32_t first_id, int n_ids, df_err *err) {
    df_codepoints clean = { 0 };
    df_code rc = df_clean(&clean, text, strlen(text), err);
    if (!rc) rc = df_added_tokens_add(&t->added, clean.at, clean.n, first_id, n_ids, err);
    df_codepoints_free(&clean);
    return rc;
}

df_code df_tokenizer_add(df_tokenizer *t, const char *text, int n, df_err *err) {
    char part[DF_ADDED_TOKEN_MAX_BYTES + 16];
    df_code rc = df_tokenizer_can_add(t, text, err);
    if (!rc) rc = add_token(t, text, t->vocab_size, n, err);
    for (int i = 1; i < n && !rc; i++) {
        snprintf(part, sizeof part, "%s_%d", text, i);
        rc = add_token(t, part, t->vocab_size + i, 1, err);
    }
    if (!rc) t->vocab_size += n;
    return rc;
}
