/* JSON Lines: one object a line. */
#include <string.h>

#include "client/manifest_reader.h"

typedef enum fetched { LINE, TOO_LONG, NOTHING } fetched;

/* The next line without its end into m->record. */
static fetched fetch(df_manifest *m) {
    m->record.len = 0;
    int c = getc_unlocked(m->file);
    if (c == EOF) return NOTHING;
    m->number++;
    bool too_long = false;
    char part[4096];
    size_t n = 0;
    for (; c != EOF && c != '\n'; c = getc_unlocked(m->file)) {
        part[n++] = (char)c;
        if (n < sizeof part) continue;
        if (m->record.len + n > DF_MAX_LINE_BYTES)
            too_long = true;
        else
            df_buf_add(&m->record, part, n);
        n = 0;
    }
    df_buf_add(&m->record, part, n);
    return too_long || m->record.len > DF_MAX_LINE_BYTES ? TOO_LONG : LINE;
}

static bool blank(const df_buf *b) {
    for (size_t i = 0; i < b->len; i++)
        if (!strchr(" \t\r", b->data[i]) || !b->data[i]) return false;
    return true;
}

static df_value_in value_of(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_STRING: return (df_value_in) { .kind = DF_IN_TEXT, .text = json_string_value(v) };
    case JSON_INTEGER: return (df_value_in) { .kind = DF_IN_INT, .integer = json_integer_value(v) };
    case JSON_REAL: return (df_value_in) { .kind = DF_IN_REAL, .real = json_real_value(v) };
    case JSON_TRUE: return (df_value_in) { .kind = DF_IN_OTHER, .text = "true" };
    case JSON_FALSE: return (df_value_in) { .kind = DF_IN_OTHER, .text = "false" };
    case JSON_ARRAY: return (df_value_in) { .kind = DF_IN_OTHER, .text = "an array" };
    default: return (df_value_in) { .kind = DF_IN_OTHER, .text = "an object" };
    }
}

/* Of a list: {"file": "a.safetensors", "weight": 0.8} may stand for a text, and {"file": ..., "name": "<cat>"}. */
static df_value_in element_of(json_t *v) {
    df_value_in in = { .kind = DF_IN_FILE, .real = 1 };
    bool whole = !json_unpack_ex(v, NULL, JSON_STRICT, "{s:s, s?F, s?s}", "file", &in.text, "weight", &in.real, "name",
                                 &in.name);
    return whole ? in : value_of(v);
}

static bool set(df_line *line, const char *key, json_t *v, df_problems *problems) {
    bool list = df_field_is_list(key), ok = true;
    df_value_in in = list ? element_of(v) : value_of(v);
    size_t i;
    json_t *one;
    if (!json_is_array(v) || !list) return df_field_set(line, key, &in, problems);
    json_array_foreach(v, i, one) {
        in = element_of(one);
        ok = df_field_set(line, key, &in, problems) && ok;
    }
    return ok;
}

static df_line_state parse(df_manifest *m, df_line *line, df_problems *problems) {
    json_error_t why;
    json_decref(m->json);
    m->json = json_loadb(m->record.data, m->record.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!m->json) {
        df_problems_add(problems, "%s: not valid JSON at column %d: %s", line->where, why.column, why.text);
        return DF_LINE_BAD;
    }
    if (!json_is_object(m->json)) {
        df_problems_add(problems, "%s: a line must be a JSON object: {\"prompt\": \"...\"}", line->where);
        return DF_LINE_BAD;
    }
    const char *key;
    json_t *v;
    df_line_state state = DF_LINE_GOOD;
    json_object_foreach(m->json, key, v) {
        if (json_is_null(v) && df_field_known(key)) continue;
        if (!set(line, key, v, problems)) state = DF_LINE_BAD;
    }
    return state;
}

df_code df_manifest_next_json(df_manifest *m, df_line *line, df_line_state *state, df_problems *problems, df_err *err) {
    fetched got;
    do got = fetch(m);
    while (got == LINE && blank(&m->record));
    df_manifest_begin_line(m, line, m->number);
    if (m->record.failed) return df_err_set(err, DF_ENOMEM, "%s", line->where);
    if (got == TOO_LONG) df_problems_add(problems, "%s: a line over %u bytes", line->where, DF_MAX_LINE_BYTES);
    *state = got == NOTHING ? DF_LINE_END : got == TOO_LONG ? DF_LINE_BAD : parse(m, line, problems);
    return DF_OK;
}
