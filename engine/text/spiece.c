#include "engine/text/spiece.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MAX_FILE_BYTES = 64 << 20, MAX_PIECES = 1 << 22 };

/* Protocol buffers */

typedef struct message {
    const unsigned char *at, *end;
} message;

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct field {
    uint64_t number;
    int kind;
    uint64_t value; /* VARINT, or the bits of a FIXED32 */
    message bytes; /* BYTES */
} field;

static bool read_varint(message *m, uint64_t *out) {
    *out = 0;
    for (int shift = 0; shift < 64 && m->at < m->end; shift += 7) {
        unsigned char c = *m->at++;
        *out |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) return true;
    }
    return false;
}

static bool take(message *m, uint64_t bytes, message *out) {
    if (bytes > (uint64_t)(m->end - m->at)) return false;
    *out = (message) { m->at, m->at + bytes };
    m->at += bytes;
    return true;
}

static bool read_value(message *m, field *f) {
    uint64_t length;
    switch (f->kind) {
    case VARINT: return read_varint(m, &f->value);
    case FIXED64: return take(m, 8, &f->bytes);
    case BYTES: return read_varint(m, &length) && take(m, length, &f->bytes);
    case FIXED32:
        if (!take(m, 4, &f->bytes)) return false;
        for (int i = 0; i < 4; i++) f->value |= (uint64_t)f->bytes.at[i] << (8 * i);
        return true;
    default: return false;
    }
}

/* False at the end of the message; *ok is false where it is broken. */
static bool next_field(message *m, field *f, bool *ok) {
    uint64_t key;
    *f = (field) { 0 };
    if (m->at == m->end) return false;
    *ok = read_varint(m, &key);
    if (!*ok) return false;
    f->number = key >> 3;
    f->kind = (int)(key & 7);
    *ok = read_value(m, f);
    return *ok;
}

/* The model */

typedef struct reader {
    df_spiece *out;
    const char *path;
    df_err *err;
    size_t cap; /* of out->piece */
} reader;

static df_code broken(const reader *r, const char *where) {
    return df_err_set(r->err, DF_EFORMAT, "%s: %s is damaged or cut; this is no SentencePiece model", r->path, where);
}

static df_code grow(reader *r) {
    size_t cap = r->cap ? 2 * r->cap : 1024;
    if (r->out->n == MAX_PIECES) return df_err_set(r->err, DF_ELIMIT, "%s: more than %d pieces", r->path, MAX_PIECES);
    df_piece *grown = reallocarray(r->out->piece, cap, sizeof *grown);
    if (!grown) return df_err_set(r->err, DF_ENOMEM, "%s: %zu pieces", r->path, cap);
    r->out->piece = grown;
    r->cap = cap;
    return DF_OK;
}

static float as_float(uint64_t bits) {
    uint32_t narrow = (uint32_t)bits;
    float x;
    memcpy(&x, &narrow, sizeof x);
    return x;
}

/* message SentencePiece. Its type does not matter: the library lets every piece match. */
static df_code read_piece(reader *r, message m) {
    enum { PIECE = 1, SCORE = 2 };
    df_piece p = { .text = "" };
    field f;
    bool ok = true;
    while (next_field(&m, &f, &ok)) {
        if (f.number == PIECE && f.kind == BYTES) {
            p.text = (const char *)f.bytes.at;
            p.bytes = (size_t)(f.bytes.end - f.bytes.at);
        } else if (f.number == SCORE && f.kind == FIXED32) {
            p.score = as_float(f.value);
        }
    }
    if (!ok) return broken(r, "a piece");
    if (!p.bytes || p.bytes > DF_PIECE_MAX_BYTES || !isfinite(p.score))
        return df_err_set(r->err, DF_EFORMAT, "%s: piece %d has %zu bytes and the score %g; 1 to %d bytes are possible",
                          r->path, r->out->n, p.bytes, (double)p.score, DF_PIECE_MAX_BYTES);
    df_code rc = (size_t)r->out->n == r->cap ? grow(r) : DF_OK;
    if (!rc) r->out->piece[r->out->n++] = p;
    return rc;
}

/* Settings of both specs that have one value here. */
typedef struct setting {
    uint64_t number, only;
    const char *name;
} setting;

static df_code check_setting(const reader *r, const setting *s, size_t n, const field *f) {
    for (size_t i = 0; i < n; i++)
        if (f->number == s[i].number && f->kind == VARINT && f->value != s[i].only)
            return df_err_set(r->err, DF_EUNSUPPORTED, "%s: '%s' is %llu, only %llu is supported", r->path, s[i].name,
                              (unsigned long long)f->value, (unsigned long long)s[i].only);
    return DF_OK;
}

static df_code read_trainer_spec(reader *r, message m) {
    static const setting settings[] = { { 3, 1, "model_type" },
                                        { 24, 0, "treat_whitespace_as_suffix" },
                                        { 35, 0, "byte_fallback" } };
    field f;
    bool ok = true;
    df_code rc = DF_OK;
    while (!rc && next_field(&m, &f, &ok)) rc = check_setting(r, settings, sizeof settings / sizeof *settings, &f);
    return ok ? rc : broken(r, "'trainer_spec'");
}

static df_code read_normalizer_spec(reader *r, message m) {
    enum { CHARSMAP = 2 };
    static const setting settings[] = { { 3, 1, "add_dummy_prefix" },
                                        { 4, 1, "remove_extra_whitespaces" },
                                        { 5, 1, "escape_whitespaces" } };
    field f;
    bool ok = true;
    df_code rc = DF_OK;
    while (!rc && next_field(&m, &f, &ok)) {
        rc = check_setting(r, settings, sizeof settings / sizeof *settings, &f);
        if (f.number != CHARSMAP || f.kind != BYTES) continue;
        r->out->charsmap = f.bytes.at;
        r->out->charsmap_bytes = (size_t)(f.bytes.end - f.bytes.at);
    }
    return ok ? rc : broken(r, "'normalizer_spec'");
}

static df_code read_field(reader *r, const field *f) {
    enum { PIECES = 1, TRAINER_SPEC = 2, NORMALIZER_SPEC = 3 };
    if (f->kind != BYTES) return DF_OK;
    switch (f->number) {
    case PIECES: return read_piece(r, f->bytes);
    case TRAINER_SPEC: return read_trainer_spec(r, f->bytes);
    case NORMALIZER_SPEC: return read_normalizer_spec(r, f->bytes);
    default: return DF_OK; /* tests of its own, rules for the way back */
    }
}

static df_code read_model(reader *r, size_t bytes) {
    message m = { (const unsigned char *)r->out->file, (const unsigned char *)r->out->file + bytes };
    field f;
    bool ok = true;
    df_code rc = DF_OK;
    while (!rc && next_field(&m, &f, &ok)) rc = read_field(r, &f);
    if (!ok) return broken(r, "the file");
    if (!rc && !r->out->n) rc = broken(r, "the file, which has no pieces,");
    return rc;
}

df_code df_spiece_read(df_spiece *out, const char *path, df_err *err) {
    df_spiece s = { 0 };
    reader r = { .out = &s, .path = path, .err = err };
    size_t bytes;
    df_code rc = df_file_read(path, MAX_FILE_BYTES, &s.file, &bytes, err);
    if (!rc) rc = read_model(&r, bytes);
    if (rc)
        df_spiece_free(&s);
    else
        *out = s;
    return rc;
}

void df_spiece_free(df_spiece *s) {
    free(s->piece);
    free(s->file);
    *s = (df_spiece) { 0 };
}
