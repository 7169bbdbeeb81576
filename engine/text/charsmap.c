#include "engine/text/charsmap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "engine/text/utf8.h"

enum { MAX_CLUSTER_BYTES = 5, MAX_CHARACTER_BYTES = 4 };

struct df_charsmap {
    uint32_t *unit; /* [n_units] */
    size_t n_units;
    char *replacements; /* the last byte is 0 */
    size_t replacement_bytes;
};

/* A unit of the double array is a value, or a node: its label, where its children are, whether a value is among them.
 * The child for byte c of a node at place i is at i ^ offset ^ c and has c as its label; the value is that for byte 0.
 */

static bool is_value(uint32_t unit) {
    return unit >> 31;
}

static bool has_value(uint32_t unit) {
    return unit >> 8 & 1;
}

static uint32_t value_of(uint32_t unit) {
    return unit & 0x7fffffff;
}

static uint32_t label_of(uint32_t unit) { /* no byte, for a value */
    return unit & 0x800000ff;
}

static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << (unit >> 6 & 8);
}

/* opening */

static uint32_t read_u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static df_code check_values(const df_charsmap *m, const char *path, df_err *err) {
    for (size_t i = 0; i < m->n_units; i++) {
        size_t at = i ^ offset_of(m->unit[i]);
        if (is_value(m->unit[i]) || !has_value(m->unit[i])) continue;
        if (at >= m->n_units || value_of(m->unit[at]) >= m->replacement_bytes)
            return df_err_set(err, DF_EFORMAT, "%s: unit %zu of 'precompiled_charsmap' leads out of it; it is damaged",
                              path, i);
    }
    return DF_OK;
}

static df_code read_blob(df_charsmap *m, const unsigned char *blob, size_t bytes, const char *path, df_err *err) {
    size_t trie_bytes = bytes >= 4 ? read_u32(blob) : 0;
    if (!trie_bytes || trie_bytes % 4 || trie_bytes >= bytes - 4 || blob[bytes - 1])
        return df_err_set(err, DF_EFORMAT,
                          "%s: 'precompiled_charsmap' has %zu bytes, %zu of them a trie: it is damaged or cut", path,
                          bytes, trie_bytes);
    m->n_units = trie_bytes / 4;
    m->replacement_bytes = bytes - 4 - trie_bytes;
    m->unit = malloc(trie_bytes);
    m->replacements = malloc(m->replacement_bytes);
    if (!m->unit || !m->replacements) return df_err_set(err, DF_ENOMEM, "%s: rules of %zu bytes", path, bytes);
    for (size_t i = 0; i < m->n_units; i++) m->unit[i] = read_u32(blob + 4 + 4 * i);
    memcpy(m->replacements, blob + 4 + trie_bytes, m->replacement_bytes);
    return check_values(m, path, err);
}

df_code df_charsmap_open(df_charsmap **out, const void *blob, size_t bytes, const char *path, df_err *err) {
    df_charsmap *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "%s: normalization rules", path);
    df_code rc = bytes ? read_blob(m, blob, bytes, path, err) : DF_OK;
    if (rc)
        df_charsmap_close(&m);
    else
        *out = m;
    return rc;
}

void df_charsmap_close(df_charsmap **m) {
    if (!*m) return;
    free((*m)->unit);
    free((*m)->replacements);
    free(*m);
    *m = NULL;
}

/* normalizing */

/* What the shortest prefix of these bytes that the trie has becomes; NULL: it has none. */
static const char *find(const df_charsmap *m, const char *bytes, size_t n) {
    if (!m->n_units) return NULL;
    size_t at = offset_of(m->unit[0]);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        at ^= c;
        if (!c || at >= m->n_units || label_of(m->unit[at]) != c) return NULL;
        uint32_t unit = m->unit[at];
        at ^= offset_of(unit);
        if (has_value(unit)) return m->replacements + value_of(m->unit[at]); /* check_values has looked there */
    }
    return NULL;
}

static void replace(const df_charsmap *m, const char *bytes, size_t n, df_buf *out) {
    const char *by = find(m, bytes, n);
    df_buf_add(out, by ? by : bytes, by ? strlen(by) : n);
}

/* Characters of text: where one begins, where it ends, what it is. */
typedef struct character {
    size_t begin, end;
    int32_t code;
} character;

static character character_at(const char *text, size_t bytes, size_t at) {
    character c = { .begin = at, .end = at };
    size_t length = 0;
    if (at < bytes) c.code = df_utf8_next(text + at, bytes - at, &length);
    c.end += length;
    return c;
}

/* Where the cluster that begins with c ends. */
static size_t cluster_end(const char *text, size_t bytes, character c) {
    utf8proc_int32_t state = 0;
    while (c.end < bytes) {
        character next = character_at(text, bytes, c.end);
        if (utf8proc_grapheme_break_stateful(c.code, next.code, &state)) break;
        c = next;
    }
    return c.end;
}

/* As UTF-8, whatever the bytes were. Returns how many were written, at most n; more were needed: 0. */
static size_t encode(const char *text, size_t begin, size_t end, char *out, size_t n) {
    size_t used = 0;
    while (begin < end) {
        character c = character_at(text, end, begin);
        utf8proc_uint8_t one[MAX_CHARACTER_BYTES];
        size_t length = (size_t)utf8proc_encode_char(c.code, one);
        if (length > n - used) return 0;
        memcpy(out + used, one, length);
        used += length;
        begin = c.end;
    }
    return used;
}

void df_charsmap_normalize(const df_charsmap *m, const char *text, size_t bytes, df_buf *out) {
    for (size_t at = 0, end; at < bytes; at = end) {
        char cluster[MAX_CLUSTER_BYTES], one[MAX_CHARACTER_BYTES];
        end = cluster_end(text, bytes, character_at(text, bytes, at));
        size_t n = encode(text, at, end, cluster, sizeof cluster);
        const char *by = n ? find(m, cluster, n) : NULL;
        if (by) {
            df_buf_puts(out, by);
            continue;
        }
        while (at < end) {
            character c = character_at(text, end, at);
            replace(m, one, encode(text, c.begin, c.end, one, sizeof one), out);
            at = c.end;
        }
    }
}
