#include "engine/text/clean.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/size.h"
#include "engine/text/utf8.h"

enum {
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

/* Room for the worst case: every byte a character of its own that decomposes. */
static df_code decode_and_decompose(df_codepoints *c, const char *p, size_t bytes, df_err *err) {
    size_t most;
    if (!df_size_mul(&most, bytes, 2) || !df_size_add(&most, most, MAX_DECOMPOSITION))
        return df_err_set(err, DF_ELIMIT, "text of %zu bytes", bytes);
    df_code rc = reserve(c, most, err);
    if (rc) return rc;
    c->n = 0;
    for (size_t i = 0; i < bytes;) {
        size_t length;
        int32_t at = df_utf8_next(p + i, bytes - i, &length);
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
    df_code rc = decode_and_decompose(c, text, bytes, err);
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
