#include "engine/text/emphasis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define ROUND 1.1
#define SQUARE (1 / 1.1)

/* Where brackets were opened: index of the first piece inside. */
typedef struct opened {
    size_t *at; /* [n] */
    size_t n, cap;
} opened;

typedef struct parser {
    df_emphasis *out;
    opened round, square;
    bool breaks;
    bool failed; /* out of memory */
} parser;

static bool room(void **at, size_t n, size_t *cap, size_t each) {
    if (n < *cap) return true;
    void *grown = reallocarray(*at, 2 * n + 8, each);
    if (!grown) return false;
    *at = grown;
    *cap = 2 * n + 8;
    return true;
}

static void add(parser *p, const char *text, size_t bytes, bool breaks) {
    df_emphasis *e = p->out;
    char *copy = strndup(text, bytes);
    if (!copy || !room((void **)&e->piece, e->n, &e->cap, sizeof *e->piece)) {
        free(copy);
        p->failed = true;
        return;
    }
    e->piece[e->n++] = (df_emphasis_piece) { .text = copy, .weight = 1, .breaks = breaks };
}

static void open_bracket(parser *p, opened *o) {
    if (room((void **)&o->at, o->n, &o->cap, sizeof *o->at))
        o->at[o->n++] = p->out->n;
    else
        p->failed = true;
}

static void weigh_from(parser *p, size_t first, double factor) {
    for (size_t i = first; i < p->out->n; i++)
        if (!p->out->piece[i].breaks) p->out->piece[i].weight *= factor;
}

static bool is_space(char c) {
    return strchr(" \t\n\r\v\f", c) && c;
}

/* As \b of a regular expression, for ASCII; a byte of another character counts as a part of a word. */
static bool is_word(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || u == '_' || (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z');
}

/* The next BREAK in text[n], with the white space around it: from *begin to the returned end. NULL: none. */
static const char *find_break(const char *text, size_t n, const char **begin) {
    static const char word[] = "BREAK";
    const size_t bytes = sizeof word - 1;
    for (size_t i = 0; i + bytes <= n; i++) {
        if (memcmp(text + i, word, bytes) || (i && is_word(text[i - 1])) || (i + bytes < n && is_word(text[i + bytes])))
            continue;
        size_t from = i, to = i + bytes;
        while (from && is_space(text[from - 1])) from--;
        while (to < n && is_space(text[to])) to++;
        *begin = text + from;
        return text + to;
    }
    return NULL;
}

static void add_plain(parser *p, const char *text, size_t n) {
    const char *end = text + n, *begin, *behind;
    while (p->breaks && (behind = find_break(text, (size_t)(end - text), &begin))) {
        add(p, text, (size_t)(begin - text), false);
        add(p, "", 0, true);
        text = behind;
    }
    add(p, text, (size_t)(end - text), false);
}

/* ": 1.3 )" at text: its bytes, and the number; 0: it is something else. */
static size_t weight_mark(const char *text, double *weight) {
    const char *at = text + 1;
    while (is_space(*at)) at++;
    size_t digits = strspn(at + (*at == '+' || *at == '-'), ".0123456789");
    char *end;
    *weight = strtod(at, &end);
    if (!digits || end != at + (*at == '+' || *at == '-') + digits) return 0;
    while (is_space(*end)) end++;
    return *end == ')' ? (size_t)(end + 1 - text) : 0;
}

/* One mark or run of text; returns its bytes. */
static size_t take(parser *p, const char *text) {
    double weight;
    size_t mark, n = strcspn(text, "\\()[]:");
    if (n) {
        add_plain(p, text, n);
        return n;
    }
    switch (*text) {
    case '\\':
        if (strchr("\\()[]", text[1]) && text[1]) {
            add(p, text + 1, 1, false);
            return 2;
        }
        add(p, "", 0, false); /* alone it vanishes */
        return 1;
    case '(': open_bracket(p, &p->round); return 1;
    case '[': open_bracket(p, &p->square); return 1;
    case ':':
        if (p->round.n && (mark = weight_mark(text, &weight))) {
            weigh_from(p, p->round.at[--p->round.n], weight);
            return mark;
        }
        break;
    case ')':
        if (!p->round.n) break;
        weigh_from(p, p->round.at[--p->round.n], ROUND);
        return 1;
    default:
        if (!p->square.n) break;
        weigh_from(p, p->square.at[--p->square.n], SQUARE);
        return 1;
    }
    add(p, text, 1, false);
    return 1;
}

static void close_all(parser *p, const opened *o, double factor) {
    for (size_t i = 0; i < o->n; i++) weigh_from(p, o->at[i], factor);
}

/* Neighbours of one weight become one piece. */
static void merge(parser *p) {
    df_emphasis *e = p->out;
    size_t n = 0;
    for (size_t i = 0; i < e->n && !p->failed;) {
        df_buf text = { 0 };
        size_t first = i;
        do df_buf_puts(&text, e->piece[i].text);
        while (++i < e->n && !e->piece[first].breaks && !e->piece[i].breaks &&
               e->piece[i].weight == e->piece[first].weight);
        df_emphasis_piece one = e->piece[first];
        one.text = strdup(text.data ? text.data : "");
        p->failed = text.failed || !one.text;
        df_buf_free(&text);
        for (size_t k = first; k < i; k++) {
            free(e->piece[k].text);
            e->piece[k].text = NULL;
        }
        e->piece[n++] = one;
    }
    if (!p->failed) e->n = n;
}

static df_code check_weights(const df_emphasis *e, df_err *err) {
    for (size_t i = 0; i < e->n; i++)
        if (!(fabs(e->piece[i].weight) <= DF_EMPHASIS_MAX_WEIGHT)) /* also NaN */
            return df_err_set(err, DF_EINVAL, "'%.40s' has the weight %g; weights are at most %g", e->piece[i].text,
                              e->piece[i].weight, DF_EMPHASIS_MAX_WEIGHT);
    return DF_OK;
}

df_code df_emphasis_parse(df_emphasis *out, const char *text, bool weights, bool breaks, df_err *err) {
    parser p = { .out = out, .breaks = breaks };
    *out = (df_emphasis) { 0 };
    if (!weights)
        add_plain(&p, text, strlen(text));
    else
        while (*text && !p.failed) text += take(&p, text);
    close_all(&p, &p.round, ROUND);
    close_all(&p, &p.square, SQUARE);
    if (!out->n && !p.failed) add(&p, "", 0, false);
    if (!p.failed) merge(&p);
    free(p.round.at);
    free(p.square.at);
    df_code rc = p.failed ? df_err_set(err, DF_ENOMEM, "the weights of a prompt") : check_weights(out, err);
    if (rc) df_emphasis_free(out);
    return rc;
}

void df_emphasis_free(df_emphasis *e) {
    for (size_t i = 0; i < e->n; i++) free(e->piece[i].text);
    free(e->piece);
    *e = (df_emphasis) { 0 };
}
