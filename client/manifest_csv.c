/* CSV as RFC 4180 has it: commas, cells in double quotes may hold commas, line ends and doubled quotes. */
#include <stdlib.h>
#include <string.h>

#include "client/manifest_reader.h"

typedef enum fetched { RECORD, NOTHING, TOO_LONG, TOO_MANY, OPEN_QUOTE, STRAY_QUOTE, NUL_BYTE } fetched;

typedef struct record {
    size_t at[DF_CSV_MAX_COLUMNS]; /* where each cell begins in m->record; each ends with a 0 */
    int n;
    uint64_t number; /* line on which it begins */
} record;

static fetched put(df_manifest *m, char c) {
    if (m->record.len >= DF_MAX_LINE_BYTES) return TOO_LONG;
    df_buf_add(&m->record, &c, 1);
    return RECORD;
}

/* A cell in quotes, behind its opening quote; *next is the character behind it. */
static fetched quoted(df_manifest *m, int *next) {
    for (;;) {
        int c = getc_unlocked(m->file);
        if (c == '"') {
            c = getc_unlocked(m->file);
            if (c != '"') {
                if (c == '\r') c = getc_unlocked(m->file);
                *next = c;
                return c == ',' || c == '\n' || c == EOF ? RECORD : STRAY_QUOTE;
            }
        }
        if (c == EOF) return OPEN_QUOTE;
        if (!c) return NUL_BYTE;
        if (c == '\n') m->number++;
        fetched f = put(m, (char)c);
        if (f != RECORD) return f;
    }
}

static fetched bare(df_manifest *m, int c, int *next) {
    for (; c != ',' && c != '\n' && c != EOF; c = getc_unlocked(m->file)) {
        if (!c) return NUL_BYTE;
        if (c == '"') return STRAY_QUOTE;
        fetched f = put(m, (char)c);
        if (f != RECORD) return f;
    }
    if (c != ',' && m->record.len && m->record.data[m->record.len - 1] == '\r') m->record.len--;
    *next = c;
    return RECORD;
}

static fetched fetch(df_manifest *m, record *r) {
    m->record.len = 0;
    *r = (record) { .number = m->number + 1 };
    int c = getc_unlocked(m->file);
    if (c == EOF) return NOTHING;
    for (m->number++;; c = getc_unlocked(m->file)) {
        if (r->n == DF_CSV_MAX_COLUMNS) return TOO_MANY;
        r->at[r->n++] = m->record.len;
        fetched f = c == '"' ? quoted(m, &c) : bare(m, c, &c);
        if (f == RECORD) f = put(m, '\0');
        if (f != RECORD) return f;
        if (c != ',') return RECORD;
    }
}

static void skip_line(df_manifest *m) {
    int c;
    do c = getc_unlocked(m->file);
    while (c != '\n' && c != EOF);
}

static const char *fault_of(fetched f) {
    switch (f) {
    case TOO_LONG: return "a record over 1 MiB (is a quote missing?)";
    case TOO_MANY: return "more than 64 cells";
    case OPEN_QUOTE: return "a quoted cell that does not end";
    case STRAY_QUOTE: return "a double quote inside a cell: put the cell in quotes and double the quote";
    default: return "a zero byte";
    }
}

static df_code check_column(const df_manifest *m, int i, df_err *err) {
    if (!df_field_known(m->column[i])) {
        const char *near = df_field_suggest(m->column[i]);
        return df_err_set(err, DF_EFORMAT, "%s:1: unknown column '%.60s'%s%s%s", m->title, m->column[i],
                          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    for (int k = 0; k < i; k++)
        if (!strcmp(m->column[i], m->column[k]))
            return df_err_set(err, DF_EFORMAT, "%s:1: column '%s' is there twice", m->title, m->column[i]);
    return DF_OK;
}

static df_code read_header(df_manifest *m, df_err *err) {
    record r;
    df_code rc;
    fetched f = fetch(m, &r);
    if (f == NOTHING) return DF_OK;
    if (f != RECORD) return df_err_set(err, DF_EFORMAT, "%s:1: %s", m->title, fault_of(f));
    for (int i = 0; i < r.n; i++) {
        m->column[i] = strdup(m->record.data + r.at[i]);
        if (!m->column[i]) return df_err_set(err, DF_ENOMEM, "%s:1", m->title);
        m->n_columns++;
        if ((rc = check_column(m, i, err))) return rc;
    }
    return DF_OK;
}

static df_line_state parse(df_manifest *m, const record *r, df_line *line, df_problems *problems) {
    if (r->n != m->n_columns) {
        df_problems_add(problems, "%s: %d cells, the header has %d columns", line->where, r->n, m->n_columns);
        return DF_LINE_BAD;
    }
    df_line_state state = DF_LINE_GOOD;
    for (int i = 0; i < r->n; i++) {
        df_value_in v = { .kind = DF_IN_CELL, .text = m->record.data + r->at[i] };
        if (*v.text && !df_field_set(line, m->column[i], &v, problems)) state = DF_LINE_BAD;
    }
    return state;
}

df_code df_manifest_next_csv(df_manifest *m, df_line *line, df_line_state *state, df_problems *problems, df_err *err) {
    df_code rc;
    record r;
    fetched f;
    if (!m->number && (rc = read_header(m, err))) return rc;
    do f = fetch(m, &r);
    while (f == RECORD && r.n == 1 && !m->record.data[0]);
    df_manifest_begin_line(m, line, r.number);
    if (m->record.failed) return df_err_set(err, DF_ENOMEM, "%s", line->where);
    if (f == RECORD) {
        *state = parse(m, &r, line, problems);
    } else if (f == NOTHING) {
        *state = DF_LINE_END;
    } else {
        df_problems_add(problems, "%s: %s", line->where, fault_of(f));
        skip_line(m);
        *state = DF_LINE_BAD;
    }
    return DF_OK;
}
