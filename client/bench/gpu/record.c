#include "client/bench/gpu/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/bench/gpu/report.h"

#define FORMAT "diffarm gpu"
enum { VERSION = 1, MOST_BYTES = 64 << 20 };

/* entries: what tells one from another comes first */

static json_t *entry_of(const df_suite *s, const df_gpu_item *i) {
    const df_gpu_model *m = &s->model[i->model];
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i}", "part", df_gpu_part_name(i->part), "model", m->name,
                     "component", i->component, "operation", i->name, "rows", (int)i->rows, "width", m->width, "height",
                     m->height, "steps", i->part == DF_GPU_PICTURES ? m->steps : 0);
}

/* All that the key says is in the entry as well. */
static bool is_of(const json_t *entry, json_t *key) {
    const char *name;
    json_t *value;
    json_object_foreach(key, name, value) {
        if (!json_equal(json_object_get(entry, name), value)) return false;
    }
    return true;
}

static size_t find(const json_t *list, json_t *key) {
    size_t i = 0;
    while (i < json_array_size(list) && !is_of(json_array_get(list, i), key)) i++;
    return i;
}

/* In place of the one with that key, or behind all; takes both references. */
static df_code put(json_t *list, json_t *key, json_t *more, df_err *err) {
    size_t at = key ? find(list, key) : 0;
    bool there = key && more && !json_object_update(key, more) &&
                 !(at < json_array_size(list) ? json_array_set(list, at, key) : json_array_append(list, key));
    json_decref(more);
    json_decref(key);
    return there ? DF_OK : df_err_set(err, DF_ENOMEM, "a list of measurements");
}

bool df_gpu_record_take(const df_gpu_record *r, const df_suite *s, df_gpu_item *item) {
    const json_t *list = json_object_get(r->file, "measured");
    json_t *key = entry_of(s, item);
    size_t at = find(list, key);
    json_decref(key);
    if (at < json_array_size(list))
        item->seconds = json_number_value(json_object_get(json_array_get(list, at), "seconds"));
    return item->seconds > 0;
}

df_code df_gpu_record_put(df_gpu_record *r, const df_suite *s, const df_gpu_item *item, df_err *err) {
    const df_gpu_peak *peak = &r->setting.peak;
    bool known = df_gpu_peak_is_known(peak);
    df_work_kind kind = item->part == DF_GPU_OPS ? item->work.kind : DF_WORK_PRODUCT;
    json_t *more =
        json_pack("{s:f, s:i, s:f, s:f, s:b, s:f, s:f}", "seconds", item->seconds, "nodes", item->nodes, "flops",
                  item->flops, "bytes", item->bytes, "random_weights", s->model[item->model].invented,
                  "roofline_seconds", known ? df_suite_expected(s, item, peak) : 0.0, "peak_tflops",
                  known ? df_gpu_peak_tflops(peak, kind, s->dtype) : 0.0);
    df_code rc = put(json_object_get(r->file, "measured"), entry_of(s, item), more, err);
    return rc ? rc : df_gpu_record_write(r, err);
}

/* expectations */

static bool is_mlperfs(const df_gpu_model *m) {
    return m->invented && !strcmp(m->name, "sdxl") && m->width == 1024 && m->height == 1024 && m->steps == 20;
}

static df_code expect(df_gpu_record *r, const df_suite *s, int model, const df_gpu_type *t, int micro_batch,
                      df_err *err) {
    const df_gpu_model *m = &s->model[model];
    const df_gpu_item picture = { .model = model, .part = DF_GPU_PICTURES, .rows = micro_batch };
    const df_gpu_item step = { .model = model, .part = DF_GPU_STEP, .rows = 2 * micro_batch };
    json_t *key = json_pack("{s:s, s:i, s:i, s:i, s:i, s:s}", "model", m->name, "width", m->width, "height", m->height,
                            "steps", m->steps, "micro_batch", micro_batch, "type", t->name);
    json_t *more = json_pack("{s:f, s:f, s:f}", "pictures_per_second", 1 / df_suite_expected(s, &picture, &t->peak),
                             "step_seconds", df_suite_expected(s, &step, &t->peak), "mlperf_pictures_per_second",
                             is_mlperfs(m) ? t->sdxl_pictures_per_second : 0.0);
    return put(json_object_get(r->file, "modelled"), key, more, err);
}

df_code df_gpu_record_expect(df_gpu_record *r, const df_suite *s, int micro_batch, df_err *err) {
    df_code rc = DF_OK;
    for (int m = 0; m < s->n_models; m++)
        for (int t = 0; t < df_gpu_n_types && !rc; t++)
            if (df_gpu_types[t].listed) rc = expect(r, s, m, &df_gpu_types[t], micro_batch, err);
    return rc;
}

/* the file */

static json_t *json_of_setting(const df_gpu_setting *s) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:f, s:f, s:f}}", "backend", s->backend, "device", s->device,
                     "dtype", s->dtype, "software", s->software, "type", s->type, "peak", "tensor_tflops",
                     s->peak.tensor_tflops, "vector_tflops", s->peak.vector_tflops, "gigabytes_per_second",
                     s->peak.gigabytes_per_second);
}

static df_code check_entry(const char *path, const char *list, size_t at, json_t *entry, df_err *err) {
    static const char *const measured[] = { "seconds",          "rows",        "nodes", "width",
                                            "height",           "steps",       "flops", "bytes",
                                            "roofline_seconds", "peak_tflops", NULL };
    static const char *const modelled[] = { "pictures_per_second",
                                            "step_seconds",
                                            "mlperf_pictures_per_second",
                                            "width",
                                            "height",
                                            "steps",
                                            "micro_batch",
                                            NULL };
    bool is_measured = !strcmp(list, "measured");
    for (const char *const *name = is_measured ? measured : modelled; *name; name++) {
        const json_t *v = json_object_get(entry, *name);
        if (!json_is_number(v) || !(json_number_value(v) >= 0))
            return df_err_set(err, DF_EFORMAT, "%s: %s[%zu].%s is missing, or no number from 0", path, list, at, *name);
    }
    static const char *const texts[2][4] = { { "model", "type", NULL }, { "model", "part", "component", "operation" } };
    for (int i = 0; i < 4 && texts[is_measured][i]; i++)
        if (!json_is_string(json_object_get(entry, texts[is_measured][i])))
            return df_err_set(err, DF_EFORMAT, "%s: %s[%zu].%s is missing, or no text", path, list, at,
                              texts[is_measured][i]);
    return DF_OK;
}

static df_code check_list(const char *path, const json_t *file, const char *list, df_err *err) {
    const json_t *entries = json_object_get(file, list);
    df_code rc =
        json_is_array(entries) ? DF_OK : df_err_set(err, DF_EFORMAT, "%s: %s is missing, or no list", path, list);
    for (size_t i = 0; !rc && i < json_array_size(entries); i++)
        rc = check_entry(path, list, i, json_array_get(entries, i), err);
    return rc;
}

/* What differs, by name. */
static df_code check_setting(const char *path, const json_t *file, json_t *want, df_err *err) {
    const json_t *have = json_object_get(file, "setting");
    const char *name;
    json_t *value;
    json_object_foreach(want, name, value) {
        const json_t *other = json_object_get(have, name);
        if (json_equal(other, value)) continue;
        const char *was = json_string_value(other), *is = json_string_value(value);
        return df_err_set(err, DF_EEXIST, "%s: its measurements are of another %s%s%s%s%s%s: give another -o", path,
                          name, was && is ? " (" : "", was && is ? was : "", was && is ? ", not " : "",
                          was && is ? is : "", was && is ? ")" : "");
    }
    return DF_OK;
}

static df_code read_file(json_t **out, const char *path, json_t *setting, df_err *err) {
    json_error_t where;
    char *text;
    size_t bytes;
    df_code rc = df_file_read(path, MOST_BYTES, &text, &bytes, err);
    if (rc) return rc;
    json_t *file = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    free(text);
    if (!file) return df_err_set(err, DF_EFORMAT, "%s: line %d: %s", path, where.line, where.text);
    const char *format = json_string_value(json_object_get(file, "format"));
    if (!format || strcmp(format, FORMAT) || json_integer_value(json_object_get(file, "version")) != VERSION)
        rc = df_err_set(err, DF_EFORMAT, "%s: no report of `diffarm bench gpu` of version %d", path, VERSION);
    if (!rc) rc = check_list(path, file, "measured", err);
    if (!rc) rc = check_list(path, file, "modelled", err);
    if (!rc) rc = check_setting(path, file, setting, err);
    if (rc)
        json_decref(file);
    else
        *out = file;
    return rc;
}

static df_code new_file(json_t **out, const json_t *setting, df_err *err) {
    *out = json_pack("{s:s, s:i, s:O, s:[], s:[]}", "format", FORMAT, "version", VERSION, "setting", setting,
                     "measured", "modelled");
    return *out ? DF_OK : df_err_set(err, DF_ENOMEM, "a report");
}

df_code df_gpu_record_open(df_gpu_record *out, const char *path, const df_gpu_setting *setting, df_err *err) {
    char json[PATH_MAX + 8];
    json_t *wanted = json_of_setting(setting);
    *out = (df_gpu_record) { .setting = *setting };
    df_code rc = wanted ? DF_OK : df_err_set(err, DF_ENOMEM, "a report");
    if (!rc && path && strlen(path) >= sizeof out->path)
        rc = df_err_set(err, DF_ELIMIT, "%.100s...: path too long", path);
    if (!rc && path) {
        memcpy(out->path, path, strlen(path) + 1);
        snprintf(json, sizeof json, "%s.json", path);
        rc = read_file(&out->file, json, wanted, err);
    }
    if (rc == DF_ENOTFOUND || (!rc && !path)) rc = new_file(&out->file, wanted, err);
    json_decref(wanted);
    return rc;
}

void df_gpu_record_close(df_gpu_record *r) {
    json_decref(r->file);
    r->file = NULL;
}

df_code df_gpu_record_write(const df_gpu_record *r, df_err *err) {
    char path[PATH_MAX + 8];
    df_buf text = { 0 };
    if (!r->path[0]) return DF_OK;
    char *json = json_dumps(r->file, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    df_gpu_report(&text, r->file, true);
    df_code rc = json && !text.failed ? DF_OK : df_err_set(err, DF_ENOMEM, "%s: a report", r->path);
    snprintf(path, sizeof path, "%s.json", r->path);
    if (!rc) rc = df_file_write(path, json, strlen(json), err);
    snprintf(path, sizeof path, "%s.md", r->path);
    if (!rc) rc = df_file_write(path, text.data, text.len, err);
    free(json);
    df_buf_free(&text);
    return rc;
}
