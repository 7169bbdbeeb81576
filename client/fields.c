#include "client/fields.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "client/suggest.h"
#include "engine/adapters/adapter.h"

typedef enum field_kind { TEXT, PROMPT, INTEGER, REAL, SIZE, SCHEDULER, TASK, NAME, PATH, LORA, EMBEDDING } field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    unsigned bit;
    size_t at; /* offset in df_line */
    double min, max; /* INTEGER, REAL */
} field;

#define AT(member) offsetof(df_line, member)

static const field fields[] = {
    { "prompt", PROMPT, DF_GIVEN_PROMPT, AT(prompt), 0, 0 },
    { "negative", PROMPT, DF_GIVEN_NEGATIVE, AT(negative), 0, 0 },
    { "seed", INTEGER, DF_GIVEN_SEED, AT(seed), 0, 0x1p63 },
    { "count", INTEGER, DF_GIVEN_COUNT, AT(count), 1, DF_MAX_COUNT },
    { "size", SIZE, DF_GIVEN_SIZE, 0, 0, 0 },
    { "steps", INTEGER, DF_GIVEN_STEPS, AT(steps), 1, DF_MAX_STEPS },
    { "guidance", REAL, DF_GIVEN_GUIDANCE, AT(guidance), 0, DF_MAX_GUIDANCE },
    { "scheduler", SCHEDULER, DF_GIVEN_SCHEDULER, AT(scheduler), 0, 0 },
    { "task", TASK, DF_GIVEN_TASK, AT(task), 0, 0 },
    { "name", NAME, DF_GIVEN_NAME, AT(name), 0, 0 },
    { "image", PATH, DF_GIVEN_IMAGE, AT(image), 0, 0 },
    { "mask", PATH, DF_GIVEN_MASK, AT(mask), 0, 0 },
    { "strength", REAL, DF_GIVEN_STRENGTH, AT(strength), 0, 1 },
    { "class", INTEGER, DF_GIVEN_CLASS, AT(class_label), 0, DF_MAX_CLASS },
    { "noise_level", INTEGER, DF_GIVEN_NOISE_LEVEL, AT(noise_level), 0, DF_MAX_CLASS },
    { "guidance_rescale", REAL, DF_GIVEN_GUIDANCE_RESCALE, AT(guidance_rescale), 0, 1 },
    { "eta", REAL, DF_GIVEN_ETA, AT(eta), 0, 1 },
    { "lora", LORA, DF_GIVEN_LORA, AT(lora), 0, 0 },
    { "embedding", EMBEDDING, DF_GIVEN_EMBEDDING, AT(embedding), 0, 0 },
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static const field *find(const char *name) {
    for (size_t i = 0; i < N_FIELDS; i++)
        if (!strcmp(fields[i].name, name)) return &fields[i];
    return NULL;
}

bool df_field_known(const char *name) {
    return find(name);
}

const char *df_field_suggest(const char *name) {
    const char *names[N_FIELDS];
    for (size_t i = 0; i < N_FIELDS; i++) names[i] = fields[i].name;
    return df_suggest(name, names, N_FIELDS);
}

/* A value as a message shows it. */
static const char *shown(const df_value_in *v, char *buf, size_t buf_bytes) {
    switch (v->kind) {
    case DF_IN_INT: snprintf(buf, buf_bytes, "%" PRId64, v->integer); break;
    case DF_IN_REAL: snprintf(buf, buf_bytes, "%.10g", v->real); break;
    case DF_IN_OTHER: snprintf(buf, buf_bytes, "%s", v->text); break;
    default: snprintf(buf, buf_bytes, "\"%.60s%s\"", v->text, strlen(v->text) > 60 ? "..." : ""); break;
    }
    return buf;
}

static bool fault(const df_line *l, const field *f, df_problems *p, const char *must, const df_value_in *v) {
    char buf[96];
    df_problems_add(p, "%s: field '%s' must be %s, not %s", l->where, f->name, must, shown(v, buf, sizeof buf));
    return false;
}

static bool out_of_range(const df_line *l, const field *f, df_problems *p, const df_value_in *v) {
    char must[96], max[32];
    if (f->max >= 0x1p63)
        snprintf(max, sizeof max, "2^63 - 1");
    else
        snprintf(max, sizeof max, "%.0f", f->max);
    const char *what = f->kind == INTEGER ? "a whole number" : "a number";
    snprintf(must, sizeof must, "%s from %.0f to %s", what, f->min, max);
    return fault(l, f, p, must, v);
}

static bool set_integer(df_line *l, const field *f, const df_value_in *v, df_problems *p) {
    int64_t n = v->integer;
    bool ok = v->kind == DF_IN_INT || (v->kind == DF_IN_CELL && df_parse_int(v->text, &n));
    if (!ok || (double)n < f->min || (double)n > f->max) return out_of_range(l, f, p, v);
    memcpy((char *)l + f->at, &n, sizeof n);
    return true;
}

static bool set_real(df_line *l, const field *f, const df_value_in *v, df_problems *p) {
    double x = v->kind == DF_IN_INT ? (double)v->integer : v->real;
    bool ok = v->kind == DF_IN_INT || v->kind == DF_IN_REAL || (v->kind == DF_IN_CELL && df_parse_real(v->text, &x));
    if (!ok || !(x >= f->min && x <= f->max)) return out_of_range(l, f, p, v);
    memcpy((char *)l + f->at, &x, sizeof x);
    return true;
}

static bool set_text(df_line *l, const field *f, const df_value_in *v, df_problems *p) {
    char buf[256];
    if (v->kind != DF_IN_TEXT && v->kind != DF_IN_CELL) return fault(l, f, p, "a text", v);
    size_t most = f->kind == PATH ? DF_MAX_PATH_BYTES : DF_MAX_PROMPT_BYTES;
    const char *why = df_text_fault(v->text, most, buf, sizeof buf);
    if (!why && f->kind == PATH && !v->text[0]) why = "an empty path";
    if (!why && f->kind == SCHEDULER) why = df_scheduler_fault(v->text, buf, sizeof buf);
    if (!why && f->kind == TASK) why = df_task_fault(v->text, buf, sizeof buf);
    if (!why && f->kind == NAME) why = df_name_fault(v->text);
    if (why) {
        df_problems_add(p, "%s: field '%s': %s", l->where, f->name, why);
        return false;
    }
    memcpy((char *)l + f->at, &v->text, sizeof v->text);
    return true;
}

static bool set_size(df_line *l, const field *f, const df_value_in *v, df_problems *p) {
    bool text = v->kind == DF_IN_TEXT || v->kind == DF_IN_CELL;
    if (text && df_parse_size(v->text, &l->width, &l->height)) return true;
    char must[96];
    snprintf(must, sizeof must, "a text like \"512x512\", sides 1 to %d", DF_MAX_SIDE);
    return fault(l, f, p, must, v);
}

static bool unknown(const df_line *l, const char *name, df_problems *p) {
    const char *near = df_field_suggest(name);
    df_problems_add(p, "%s: unknown field '%.60s'%s%s%s", l->where, name, near ? "; did you mean '" : "",
                    near ? near : "", near ? "'?" : "");
    return false;
}

static bool is_adapter(const field *f) {
    return f->kind == LORA || f->kind == EMBEDDING;
}

static df_line_adapter embedding_of(const df_value_in *v) {
    df_line_adapter a = { .file = v->text, .token = v->name, .token_bytes = v->name ? strlen(v->name) : 0 };
    if (v->kind == DF_IN_FILE) return a;
    a.token = v->text;
    a.file = df_adapter_embedding_file(v->text, &a.token_bytes);
    return a;
}

static bool add_adapter(df_line *l, const field *f, const df_value_in *v, df_problems *p) {
    static const char *const forms[] = { "\"FILE:WEIGHT\", {\"file\": FILE, \"weight\": WEIGHT}",
                                         "\"TOKEN=FILE\", {\"file\": FILE, \"name\": TOKEN}" };
    df_line_adapters *list = (df_line_adapters *)((char *)l + f->at);
    char buf[256];
    bool file = v->kind == DF_IN_FILE, lora = f->kind == LORA;
    if (list->n == DF_MAX_ADAPTERS) {
        df_problems_add(p, "%s: field '%s': more than %d", l->where, f->name, DF_MAX_ADAPTERS);
        return false;
    }
    if ((v->kind != DF_IN_TEXT && v->kind != DF_IN_CELL && !file) || !v->text[0] || (file && lora && v->name) ||
        (file && !lora && v->real != 1)) {
        snprintf(buf, sizeof buf, "\"FILE\", %s, or an array of such", forms[!lora]);
        return fault(l, f, p, buf, v);
    }
    const char *why = df_text_fault(v->text, DF_MAX_PATH_BYTES, buf, sizeof buf);
    if (!why && v->name) why = df_text_fault(v->name, DF_MAX_NAME_BYTES, buf, sizeof buf);
    if (why) {
        df_problems_add(p, "%s: field '%s': %s", l->where, f->name, why);
        return false;
    }
    list->at[list->n++] =
        lora ? (df_line_adapter) { .file = v->text, .weight = v->real, .weight_beside = file } : embedding_of(v);
    return true;
}

bool df_field_is_list(const char *name) {
    const field *f = find(name);
    return f && is_adapter(f);
}

bool df_field_set(df_line *l, const char *name, const df_value_in *v, df_problems *p) {
    const field *f = find(name);
    if (!f) return unknown(l, name, p);
    bool ok;
    switch (f->kind) {
    case INTEGER: ok = set_integer(l, f, v, p); break;
    case REAL: ok = set_real(l, f, v, p); break;
    case SIZE: ok = set_size(l, f, v, p); break;
    case LORA:
    case EMBEDDING: ok = add_adapter(l, f, v, p); break;
    default: ok = set_text(l, f, v, p); break;
    }
    if (ok) l->given |= f->bit;
    return ok;
}

static size_t bytes_of(field_kind kind) {
    switch (kind) {
    case INTEGER: return sizeof(int64_t);
    case REAL: return sizeof(double);
    case LORA:
    case EMBEDDING: return sizeof(df_line_adapters);
    default: return sizeof(const char *);
    }
}

static void inherit(df_line *l, const df_line *from, const field *f) {
    if (f->kind == SIZE) {
        l->width = from->width;
        l->height = from->height;
    } else {
        memcpy((char *)l + f->at, (const char *)from + f->at, bytes_of(f->kind));
    }
    l->given |= from->given & f->bit;
}

void df_line_inherit(df_line *l, const df_line *defaults, unsigned own) {
    if (!(l->given & DF_GIVEN_NAME)) l->name = "";
    for (size_t i = 0; i < N_FIELDS; i++) {
        const field *f = &fields[i];
        if (f->kind == NAME || f->bit & (l->given | own)) continue;
        inherit(l, defaults, f);
    }
}
