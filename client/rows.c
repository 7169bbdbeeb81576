#include "client/rows.h"

#include <inttypes.h>
#include <string.h>

#include "client/name_set.h"
#include "client/row_task.h"
#include "engine/text/emphasis.h"

#define MAX_ROWS (1ull << 40)

typedef struct walk {
    const df_row_source *src;
    df_problems *problems;
    df_row_fn fn;
    void *ctx;
    uint64_t n_rows;
    df_name_set names;
} walk;

/* Steele, Lea and Flood 2014, as in splitmix64.c of Vigna. */
int64_t df_seed_of_line(int64_t job_seed, uint64_t line) {
    uint64_t z = (uint64_t)job_seed + line * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (int64_t)((z ^ (z >> 31)) >> 32);
}

/* What the line leaves open comes from the job. */
static void fill_in(const df_line *d, df_line *l) {
    if (!(l->given & DF_GIVEN_SEED)) l->seed = df_seed_of_line(d->seed, l->number);
    df_line_inherit(l, d, DF_GIVEN_SEED);
}

static void check_weights(const walk *w, const df_line *l, const char *field, const char *text) {
    df_emphasis e;
    df_err why;
    const df_prompt_syntax *syntax = &w->src->defaults.syntax;
    if (!syntax->weights) return;
    if (df_emphasis_parse(&e, text, true, syntax->chunks, &why))
        df_problems_add(w->problems, "%s: field '%s': %s", l->where, field, why.text);
    df_emphasis_free(&e);
}

static bool check(const walk *w, const df_line *l) {
    uint64_t before = w->problems->n;
    check_weights(w, l, "prompt", l->prompt);
    check_weights(w, l, "negative", l->negative);
    if (l->seed > INT64_MAX - (l->count - 1))
        df_problems_add(w->problems, "%s: field 'seed': seed + count passes 2^63 - 1", l->where);
    return w->problems->n == before;
}

static int digits_of(int64_t n) {
    int digits = 1;
    while (n /= 10) digits++;
    return digits < 4 ? 4 : digits;
}

/* The name of picture i of the line; false if it was taken before. */
static df_code name_of(walk *w, const df_line *l, int64_t i, char *out, size_t out_bytes, bool *ok, df_err *err) {
    *ok = true;
    out[0] = '\0';
    if (!l->name[0]) return DF_OK;
    int n = l->count > 1 ? snprintf(out, out_bytes, "%s-%0*" PRId64, l->name, digits_of(l->count - 1), i)
                         : snprintf(out, out_bytes, "%s", l->name);
    if (n < 0 || (size_t)n >= out_bytes) return df_err_set(err, DF_EINTERNAL, "%s: name too long", l->where);
    df_code rc = df_name_set_add(&w->names, out, ok, err);
    if (!rc && !*ok) df_problems_add(w->problems, "%s: field 'name': '%s' is taken by a line before", l->where, out);
    return rc;
}

static Diffarm__Input *input_of(Diffarm__Input *in, const df_input_file *file) {
    diffarm__input__init(in);
    if (!file) return NULL;
    in->path = file->path;
    in->sha256 = (char *)file->sha256; /* protobuf-c has no const; packing only reads */
    return in;
}

typedef struct adapters {
    Diffarm__Adapter at[DF_ROW_ADAPTERS], *list[DF_ROW_ADAPTERS];
    Diffarm__Input file[DF_ROW_ADAPTERS];
    int n;
} adapters;

static void add_adapter(adapters *to, Diffarm__Adapter__Kind kind, const df_input_file *file, double weight) {
    Diffarm__Adapter *a = to->list[to->n] = &to->at[to->n];
    diffarm__adapter__init(a);
    a->kind = kind;
    a->file = input_of(&to->file[to->n++], file);
    a->weight = weight;
    if (file->token) a->name = (char *)file->token;
}

static void fill_adapters(adapters *to, const df_row_task *t, const df_input_file *int8_scales) {
    to->n = 0;
    for (int i = 0; i < t->n_adapters; i++)
        add_adapter(to,
                    t->adapter[i].kind == DF_ADAPTER_LORA ? DIFFARM__ADAPTER__KIND__LORA
                                                          : DIFFARM__ADAPTER__KIND__EMBEDDING,
                    t->adapter[i].file, t->adapter[i].weight);
    if (int8_scales) add_adapter(to, DIFFARM__ADAPTER__KIND__INT8_SCALES, int8_scales, 0);
}

static df_code one_row(walk *w, const df_line *l, const df_row_task *t, int64_t i, const char *name, df_err *err) {
    Diffarm__Row row = DIFFARM__ROW__INIT;
    Diffarm__Input image, mask;
    adapters of_row;
    row.row = w->n_rows;
    row.prompt = (char *)l->prompt;
    row.negative = (char *)l->negative;
    row.seed = (uint64_t)(l->seed + i);
    row.width = (uint32_t)t->width;
    row.height = (uint32_t)t->height;
    row.steps = (uint32_t)l->steps;
    row.guidance = l->guidance;
    row.scheduler = (char *)l->scheduler;
    row.task = (char *)df_task_name(t->task);
    row.image = input_of(&image, t->image);
    row.mask = input_of(&mask, t->mask);
    row.strength = t->strength;
    row.class_label = (uint32_t)t->class_label;
    row.noise_level = (uint32_t)t->noise_level;
    row.guidance_rescale = l->guidance_rescale;
    row.eta = l->eta;
    fill_adapters(&of_row, t, w->src->defaults.int8_scales);
    row.adapters = of_row.list;
    row.n_adapters = (size_t)of_row.n;
    row.name = (char *)name;
    row.line = l->number;
    if (++w->n_rows > MAX_ROWS) return df_err_set(err, DF_ELIMIT, "%s: more than 2^40 pictures", l->where);
    return w->fn(w->ctx, &row, err);
}

static df_code all_rows(walk *w, df_line *l, df_err *err) {
    df_code rc;
    df_row_task task;
    const df_row_defaults *d = &w->src->defaults;
    fill_in(&d->line, l);
    if (!df_row_task_resolve(&task, l, d->model, d->files, w->problems) || !check(w, l)) return DF_OK;
    for (int64_t i = 0; i < l->count; i++) {
        char name[DF_MAX_NAME_BYTES + 32];
        bool ok;
        if ((rc = name_of(w, l, i, name, sizeof name, &ok, err))) return rc;
        if (!ok) return DF_OK;
        if ((rc = one_row(w, l, &task, i, name, err))) return rc;
    }
    return DF_OK;
}

static df_code walk_manifest(walk *w, df_err *err) {
    df_code rc;
    df_line line;
    df_line_state state;
    if ((rc = df_manifest_rewind(w->src->manifest, err))) return rc;
    for (;;) {
        if ((rc = df_manifest_next(w->src->manifest, &line, &state, w->problems, err))) return rc;
        if (state == DF_LINE_END) return DF_OK;
        if (state == DF_LINE_GOOD && (rc = all_rows(w, &line, err))) return rc;
    }
}

/* An explicit --seed is used as it is. prompt: NULL for a row without text. */
static df_code walk_prompt(walk *w, df_line *line, const char *prompt, df_err *err) {
    const df_line *d = &w->src->defaults.line;
    df_value_in v = { .kind = DF_IN_TEXT, .text = prompt };
    if (prompt && !df_field_set(line, "prompt", &v, w->problems)) return DF_OK;
    line->seed = d->seed;
    line->given |= d->given & DF_GIVEN_SEED;
    return all_rows(w, line, err);
}

static df_code walk_prompts(walk *w, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < w->src->n_prompts && !rc; i++) {
        char where[32];
        snprintf(where, sizeof where, "--prompt %d", i + 1);
        df_line line = { .where = where, .number = (uint64_t)i + 1 };
        rc = walk_prompt(w, &line, w->src->prompts[i], err);
    }
    df_line line = { .where = "options", .number = 1 };
    return rc || w->src->n_prompts ? rc : walk_prompt(w, &line, NULL, err);
}

df_code df_rows_each(const df_row_source *src, df_problems *problems, df_row_fn fn, void *ctx, uint64_t *n_rows,
                     df_err *err) {
    walk w = { .src = src, .problems = problems, .fn = fn, .ctx = ctx };
    df_code rc = src->manifest ? walk_manifest(&w, err) : walk_prompts(&w, err);
    df_name_set_clear(&w.names);
    if (n_rows) *n_rows = w.n_rows;
    return rc;
}
