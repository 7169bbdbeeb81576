#include "engine/text/clean.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/size.h"

enum {
    REPLACEMENT = 0xfffd,
    CAPITAL_I_WITH_DOT = 0x130,
    DOT_ABOVE = 0x307,
    MAX_DECOMPOSITION = 4, /* codepoints that one decomposes into under NFC */
    N_COMBINING_CLASSES = 256
};

static const utf8proc_option_t nfc = UTF8PROC_STABLE | UTF8PROC_COMPOSE;

static df_code reserve(df_codepoints *c, size_t n, df_err *err) {
    size_t bytes;
    if (n <= c->cap) return DF_OK;
    int32_t *grown = df_size_mul(&bytes, n, sizeof *c->at) ? realloc(c->at, bytes) : NULL;
    if (!grown) return df_err_set(err, DF_ENOMEM, "text of %zu characters", n);
    c->at = grown;
    c->cap = n;
    return DF_OK;
}

/* Bytes of the longest start of a valid sequence at p: all of it (*valid), or what U+FFFD stands for. */
static size_t sequence_at(const unsigned char *p, size_t left, bool *valid) {
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    *valid = length == 1;
    if (length < 2) return 1;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80; /* no overlong forms */
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf; /* no surrogates, nothing past U+10FFFF */
    size_t n = 1;
    for (; n < length && n < left; n++) {
        if (p[n] < low || p[n] > high) break;
        low = 0x80;
        high = 0xbf;
    }
    *valid = n == length;
    return n;
}

static int32_t decode(const unsigned char *p, size_t length) {
    static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    int32_t c = p[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++) c = c << 6 | (p[i] & 0x3f);
    return c;
}

/* Room for the worst case: every byte a character of its own that decomposes. */
static df_code decode_and_decompose(df_codepoints *c, const unsigned char *p, size_t bytes, df_err *err) {
    size_t most;
    if (!df_size_mul(&most, bytes, 2) || !df_size_add(&most, most, MAX_DECOMPOSITION))
        return df_err_set(err, DF_ELIMIT, "text of %zu bytes", bytes);
    df_code rc = reserve(c, most, err);
    if (rc) return rc;
    c->n = 0;
    for (size_t i = 0; i < bytes;) {
        bool valid;
        size_t length = sequence_at(p + i, bytes - i, &valid);
        int32_t at = valid ? decode(p + i, length) : REPLACEMENT;
        i += length;
        if (c->cap - c->n < MAX_DECOMPOSITION && (rc = reserve(c, c->cap * 2, err))) return rc;
        utf8proc_ssize_t n = utf8proc_decompose_char(at, c->at + c->n, (utf8proc_ssize_t)(c->cap - c->n), nfc, NULL);
        if (n < 0 || (size_t)n > c->cap - c->n)
            return df_err_set(err, DF_EINTERNAL, "U+%04X: %s", (unsigned)at, utf8proc_errmsg(n));
        c->n += (size_t)n;
    }
    return DF_OK;
}

static int combining_class(int32_t c) {
    return c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class;
}

/* A run of marks into the order of their classes, stable. utf8proc's own ordering is quadratic in the run. */
static void order_run(int32_t *run, size_t n, int32_t *scratch) {
    size_t start[N_COMBINING_CLASSES + 1] = { 0 };
    for (size_t i = 0; i < n; i++) start[combining_class(run[i]) + 1]++;
    for (int k = 0; k < N_COMBINING_CLASSES; k++) start[k + 1] += start[k];
    for (size_t i = 0; i < n; i++) scratch[start[combining_class(run[i])]++] = run[i];
    memcpy(run, scratch, n * sizeof *run);
}

static size_t marks_from(const df_codepoints *c, size_t i, bool *in_order) {
    size_t n = 0;
    *in_order = true;
    for (int before = 0, own; i + n < c->n && (own = combining_class(c->at[i + n])); n++, before = own)
        if (own < before) *in_order = false;
    return n;
}

static df_code order_marks(df_codepoints *c, df_err *err) {
    int32_t *scratch = NULL;
    for (size_t i = 0; i < c->n; i++) {
        bool in_order;
        size_t n = marks_from(c, i, &in_order);
        if (!in_order) {
            if (!scratch) scratch = malloc(c->n * sizeof *scratch);
            if (!scratch) return df_err_set(err, DF_ENOMEM, "text of %zu characters", c->n);
            order_run(c->at + i, n, scratch);
        }
        i += n;
    }
    free(scratch);
    return DF_OK;
}

/* Only U+0130 has a lower case of more than one character, unless the context counts. */
static df_code lower(df_codepoints *c, df_err *err) {
    size_t dotted = 0;
    for (size_t i = 0; i < c->n; i++) dotted += c->at[i] == CAPITAL_I_WITH_DOT;
    df_code rc = reserve(c, c->n + dotted, err);
    if (rc) return rc;
    size_t to = c->n + dotted;
    for (size_t i = c->n; i-- > 0;) { /* from the end, so that nothing is overwritten before it is read */
        if (c->at[i] == CAPITAL_I_WITH_DOT) c->at[--to] = DOT_ABOVE;
        --to;
        c->at[to] = c->at[i] == CAPITAL_I_WITH_DOT ? 'i' : utf8proc_tolower(c->at[i]);
    }
    c->n += dotted;
    return DF_OK;
}

df_code df_clean(df_codepoints *c, const char *text, size_t bytes, df_err *err) {
    df_code rc = decode_and_decompose(c, (const unsigned char *)text, bytes, err);
    if (rc || (rc = order_marks(c, err))) return rc;
    utf8proc_ssize_t n = utf8proc_normalize_utf32(c->at, (utf8proc_ssize_t)c->n, nfc);
    if (n < 0) return df_err_set(err, DF_EINTERNAL, "normalising text: %s", utf8proc_errmsg(n));
    c->n = (size_t)n;
    return lower(c, err);
}

void df_codepoints_free(df_codepoints *c) {
    free(c->at);
    *c = (df_codepoints) { 0 };
}
