/* jansson reads strict JSON with 64-bit integers. Python writes more than that, so the text is first rewritten, in one
 * pass that knows only strings, words and numbers; places in messages are mapped back to the text as it was given. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "engine/config/json_config.h"

enum { MAX_FILE_BYTES = 64 << 20 };

typedef struct source {
    const char *text;
    size_t bytes;
    const char *path;
    df_err *err;
} source;

static df_code fail_at(const source *s, size_t at, df_code code, const char *what) {
    size_t line = 1, start = 0;
    if (at > s->bytes) at = s->bytes;
    for (size_t i = 0; i < at; i++) {
        if (s->text[i] != '\n') continue;
        line++;
        start = i + 1;
    }
    return df_err_set(s->err, code, "%s: line %zu, column %zu: %s", s->path, line, at - start + 1, what);
}

/* One past the string that begins at i; the end of the text if it is not closed. */
static size_t string_end(const source *s, size_t i) {
    for (i++; i < s->bytes; i++) {
        if (s->text[i] == '\\')
            i++;
        else if (s->text[i] == '"')
            return i + 1;
    }
    return s->bytes;
}

static bool in_word(char c) {
    return isalnum((unsigned char)c) || c == '+' || c == '-' || c == '.' || c == '_';
}

static size_t word_end(const source *s, size_t i) {
    while (i < s->bytes && in_word(s->text[i])) i++;
    return i;
}

static bool is_key(const source *s, size_t end) {
    while (end < s->bytes && isspace((unsigned char)s->text[end])) end++;
    return end < s->bytes && s->text[end] == ':';
}

static bool is_python_number(const char *word, size_t n) {
    static const char *const words[] = { "NaN", "Infinity", "-Infinity" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n == strlen(words[i]) && !memcmp(word, words[i], n)) return true;
    return false;
}

/* An integer of more digits than 64 bits hold, but not of so many that its value is no double. */
static bool is_long_integer(const char *word, size_t n) {
    char digits[310];
    if (n < 19 || n >= sizeof digits) return false;
    for (size_t i = *word == '-'; i < n; i++)
        if (!isdigit((unsigned char)word[i])) return false;
    memcpy(digits, word, n);
    digits[n] = '\0';
    errno = 0;
    strtoll(digits, NULL, 10);
    return errno == ERANGE;
}

/* Writes the words of s that jansson would not take in a form it takes. With `until` given, stops when so many bytes
 * have been written and returns the place in s they come from. */
static size_t rewrite(df_buf *to, const source *s, size_t until) {
    size_t copied = 0;
    for (size_t i = 0, end; i < s->bytes; i = end) {
        const char *word = s->text + i;
        if (*word == '"') {
            end = string_end(s, i);
            continue;
        }
        if (!in_word(*word)) {
            end = i + 1;
            continue;
        }
        end = word_end(s, i);
        bool python = is_python_number(word, end - i) && !is_key(s, end);
        if (!python && !is_long_integer(word, end - i)) continue;
        if (to->len + (i - copied) >= until) break;
        df_buf_add(to, s->text + copied, i - copied);
        if (python) df_buf_puts(to, "\"");
        df_buf_add(to, word, end - i);
        df_buf_puts(to, python ? "\"" : ".0");
        copied = end;
        if (to->len >= until) return i;
    }
    if (until != SIZE_MAX) return copied + (until - to->len);
    df_buf_add(to, s->text + copied, s->bytes - copied);
    return s->bytes;
}

static size_t place_of(const source *s, size_t rewritten_at) {
    df_buf scratch = { 0 };
    size_t at = rewrite(&scratch, s, rewritten_at);
    df_buf_free(&scratch);
    return at;
}

static df_code check_depth(const source *s) {
    int depth = 0;
    for (size_t i = 0; i < s->bytes; i++) {
        char c = s->text[i];
        if (c == '"') {
            i = string_end(s, i) - 1;
        } else if (c == '[' || c == '{') {
            if (++depth > DF_JSON_MAX_DEPTH) return fail_at(s, i, DF_ELIMIT, "nested too deeply");
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return DF_OK;
}

df_code df_json_parse(json_t **root, const char *text, size_t bytes, const char *path, df_err *err) {
    source s = { .text = text, .bytes = bytes, .path = path, .err = err };
    if (bytes > MAX_FILE_BYTES)
        return df_err_set(err, DF_ELIMIT, "%s: %zu bytes of JSON, at most %d are read", path, bytes, MAX_FILE_BYTES);
    df_code rc = check_depth(&s);
    if (rc) return rc;
    df_buf strict = { 0 };
    rewrite(&strict, &s, SIZE_MAX);
    if (strict.failed) {
        df_buf_free(&strict);
        return df_err_set(err, DF_ENOMEM, "%s: %zu bytes of JSON", path, bytes);
    }
    json_error_t at;
    json_t *value = json_loadb(strict.data ? strict.data : "", strict.len, JSON_REJECT_DUPLICATES, &at);
    if (value)
        *root = value;
    else
        rc = fail_at(&s, place_of(&s, at.position > 0 ? (size_t)at.position : 0), DF_EFORMAT, at.text);
    df_buf_free(&strict);
    return rc;
}

df_code df_json_load(json_t **root, const char *path, df_err *err) {
    char *text;
    size_t bytes;
    df_code rc = df_file_read(path, MAX_FILE_BYTES, &text, &bytes, err);
    if (rc) return rc;
    rc = df_json_parse(root, text, bytes, path, err);
    free(text);
    return rc;
}
