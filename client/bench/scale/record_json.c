#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/bench/scale/record.h"

#define FORMAT "diffarm scale"
enum { VERSION = 1, MOST_BYTES = 64 << 20 };

/* Where a value stands, for errors: "scale.json: points[3].runs[0]". */
typedef struct place {
    const char *path;
    char text[64];
} place;

/* reading */

static df_code refuse(const place *at, const char *key, const char *what, df_err *err) {
    return df_err_set(err, DF_EFORMAT, "%s: %s%s%s %s", at->path, at->text, at->text[0] ? "." : "", key, what);
}

static place inside(const place *at, const char *key, size_t i) {
    place in = { .path = at->path };
    snprintf(in.text, sizeof in.text, "%.30s%s%.20s[%zu]", at->text, at->text[0] ? "." : "", key, i);
    return in;
}

static df_code get_text(const json_t *o, const place *at, const char *key, char *out, size_t out_bytes, df_err *err) {
    const char *text = json_string_value(json_object_get(o, key));
    if (!text) return refuse(at, key, "is missing, or no text", err);
    if (strlen(text) >= out_bytes) return refuse(at, key, "is too long", err);
    memcpy(out, text, strlen(text) + 1);
    return DF_OK;
}

static df_code get_whole(const json_t *o, const place *at, const char *key, int64_t least, int64_t most, int64_t *out,
                         df_err *err) {
    const json_t *v = json_object_get(o, key);
    char range[96];
    snprintf(range, sizeof range, "is missing, or no whole number from %lld to %lld", (long long)least,
             (long long)most);
    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= least && *out <= most ? DF_OK : refuse(at, key, range, err);
}

static df_code get_int(const json_t *o, const place *at, const char *key, int least, int most, int *out, df_err *err) {
    int64_t n = 0;
    df_code rc = get_whole(o, at, key, least, most, &n, err);
    *out = (int)n;
    return rc;
}

static df_code get_number(const json_t *o, const place *at, const char *key, double most, double *out, df_err *err) {
    const json_t *v = json_object_get(o, key);
    char range[96];
    snprintf(range, sizeof range, "is missing, or no number from 0 to %g", most);
    *out = json_number_value(v);
    return json_is_number(v) && *out >= 0 && *out <= most ? DF_OK : refuse(at, key, range, err);
}

static df_code get_choice(const json_t *o, const place *at, const char *key, const char *no, const char *yes, bool *out,
                          df_err *err) {
    const char *text = json_string_value(json_object_get(o, key));
    char what[64];
    snprintf(what, sizeof what, "must be \"%s\" or \"%s\"", no, yes);
    *out = text && !strcmp(text, yes);
    return *out || (text && !strcmp(text, no)) ? DF_OK : refuse(at, key, what, err);
}

static df_code read_machine(df_scale_machine *m, const json_t *file, const char *path, df_err *err) {
    const place at = { path, "machine" };
    const json_t *o = json_object_get(file, "machine");
    df_code rc = get_text(o, &at, "name", m->name, sizeof m->name, err);
    if (!rc) rc = get_text(o, &at, "cpu", m->cpu, sizeof m->cpu, err);
    if (!rc) rc = get_text(o, &at, "system", m->system, sizeof m->system, err);
    if (!rc) rc = get_int(o, &at, "cores", 0, 1 << 20, &m->cores, err);
    return rc ? rc : get_whole(o, &at, "memory_bytes", 0, INT64_MAX, &m->memory_bytes, err);
}

static df_code read_setting(df_scale_setting *s, const json_t *file, const char *path, df_err *err) {
    const place at = { path, "setting" };
    const json_t *o = json_object_get(file, "setting");
    df_code rc = get_choice(o, &at, "scaling", "strong", "weak", &s->weak, err);
    if (!rc) rc = get_choice(o, &at, "launcher", "local", "slurm", &s->slurm, err);
    if (!rc) rc = get_whole(o, &at, "pictures", 1, INT64_C(1) << 40, &s->pictures, err);
    if (!rc) rc = get_int(o, &at, "threads", 0, 1024, &s->threads, err);
    if (!rc) rc = get_text(o, &at, "model", s->model, sizeof s->model, err);
    if (!rc) rc = get_text(o, &at, "model_sha256", s->model_sha256, sizeof s->model_sha256, err);
    if (!rc) rc = get_text(o, &at, "dtype", s->dtype, sizeof s->dtype, err);
    if (!rc) rc = get_int(o, &at, "width", 1, 1 << 16, &s->width, err);
    if (!rc) rc = get_int(o, &at, "height", 1, 1 << 16, &s->height, err);
    if (!rc) rc = get_int(o, &at, "steps", 1, 1 << 16, &s->steps, err);
    if (!rc) rc = get_text(o, &at, "options", s->options, sizeof s->options, err);
    return rc ? rc : get_text(o, &at, "software", s->software, sizeof s->software, err);
}

static df_code read_run(df_scale_run *r, const json_t *o, const place *at, df_err *err) {
    const json_t *shares = json_object_get(o, "shares"), *others = json_object_get(o, "others_share");
    place in = *at;
    df_code rc = get_number(o, at, "seconds", 1e9, &r->seconds, err);
    if (!rc && !(r->seconds > 0)) rc = refuse(at, "seconds", "is 0: a run takes time", err);
    if (!rc) rc = get_number(o, at, "steady_pictures_per_second", 1e9, &r->steady_rate, err);
    if (!rc) rc = get_number(o, at, "wall_seconds", 1e9, &r->wall_seconds, err);
    r->others_share = -1;
    if (!rc && others && !json_is_null(others)) rc = get_number(o, at, "others_share", 1, &r->others_share, err);
    r->traced = shares && !json_is_null(shares);
    snprintf(in.text, sizeof in.text, "%.50s.shares", at->text);
    for (int k = 0; k < DF_SCALE_SHARES && !rc && r->traced; k++)
        rc = get_number(shares, &in, df_scale_share_name((df_scale_share)k), 1 + 1e-6, &r->share[k], err);
    return rc;
}

static df_code read_runs(df_scale_point *p, const json_t *o, const place *at, df_err *err) {
    const json_t *runs = json_object_get(o, "runs");
    df_code rc = json_is_array(runs) && json_array_size(runs) <= DF_SCALE_MOST_RUNS
                     ? DF_OK
                     : refuse(at, "runs", "is no list of up to 99 runs", err);
    for (size_t i = 0; !rc && i < json_array_size(runs); i++) {
        place in = inside(at, "runs", i);
        rc = read_run(&p->run[p->n_runs++], json_array_get(runs, i), &in, err);
    }
    return rc;
}

static df_code read_point(df_scale_record *r, const json_t *o, const place *at, df_err *err) {
    int workers = 0, depth = 0, before = r->n_points;
    df_code rc = get_int(o, at, "workers", 1, DF_SCALE_MOST_WORKERS, &workers, err);
    if (!rc) rc = get_int(o, at, "pipeline", 1, DF_SCALE_MOST_DEPTH, &depth, err);
    if (rc) return rc;
    df_scale_point *p = df_scale_record_point(r, workers, depth, err);
    if (!p) return DF_ELIMIT;
    if (r->n_points == before) return refuse(at, "workers", "and pipeline come a second time", err);
    rc = get_whole(o, at, "pictures", 1, INT64_C(1) << 40, &p->pictures, err);
    p->oversubscribed = json_is_true(json_object_get(o, "oversubscribed"));
    if (!rc && json_object_get(o, "failure")) rc = get_text(o, at, "failure", p->failure, sizeof p->failure, err);
    return rc ? rc : read_runs(p, o, at, err);
}

static df_code read_all(df_scale_record *r, const json_t *file, const char *path, df_err *err) {
    const place top = { .path = path };
    const json_t *points = json_object_get(file, "points");
    const char *format = json_string_value(json_object_get(file, "format"));
    int version = 0;
    if (!format || strcmp(format, FORMAT)) return refuse(&top, "format", "is not \"" FORMAT "\"", err);
    df_code rc = get_int(file, &top, "version", VERSION, VERSION, &version, err);
    if (!rc) rc = read_machine(&r->machine, file, path, err);
    if (!rc) rc = read_setting(&r->setting, file, path, err);
    if (!rc && !json_is_array(points)) rc = refuse(&top, "points", "is missing, or no list", err);
    for (size_t i = 0; !rc && i < json_array_size(points); i++) {
        place at = inside(&top, "points", i);
        rc = read_point(r, json_array_get(points, i), &at, err);
    }
    return rc;
}

df_code df_scale_record_read(df_scale_record *out, const char *path, df_err *err) {
    df_scale_record r = { 0 };
    json_error_t where;
    char *text;
    size_t bytes;
    df_code rc = df_file_read(path, MOST_BYTES, &text, &bytes, err);
    if (rc) return rc;
    json_t *file = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    free(text);
    if (!file) return df_err_set(err, DF_EFORMAT, "%s: line %d: %s", path, where.line, where.text);
    rc = read_all(&r, file, path, err);
    json_decref(file);
    if (rc)
        df_scale_record_free(&r);
    else
        *out = r;
    return rc;
}

/* writing */

static json_t *json_of_run(const df_scale_run *r) {
    json_t *shares = r->traced ? json_object() : json_null();
    for (int k = 0; k < DF_SCALE_SHARES && r->traced; k++)
        json_object_set_new(shares, df_scale_share_name((df_scale_share)k), json_real(r->share[k]));
    json_t *others = r->others_share < 0 ? json_null() : json_real(r->others_share);
    return json_pack("{s:f, s:f, s:f, s:o, s:o}", "seconds", r->seconds, "steady_pictures_per_second", r->steady_rate,
                     "wall_seconds", r->wall_seconds, "others_share", others, "shares", shares);
}

static json_t *json_of_point(const df_scale_point *p) {
    json_t *runs = json_array();
    for (int i = 0; i < p->n_runs; i++) json_array_append_new(runs, json_of_run(&p->run[i]));
    json_t *o = json_pack("{s:i, s:i, s:I, s:b, s:o}", "workers", p->workers, "pipeline", p->depth, "pictures",
                          (json_int_t)p->pictures, "oversubscribed", p->oversubscribed, "runs", runs);
    if (p->failure[0]) json_object_set_new(o, "failure", json_string(p->failure));
    return o;
}

json_t *df_scale_record_json(const df_scale_record *r) {
    const df_scale_machine *m = &r->machine;
    const df_scale_setting *s = &r->setting;
    json_t *points = json_array();
    for (int i = 0; i < r->n_points; i++) json_array_append_new(points, json_of_point(&r->points[i]));
    json_t *machine = json_pack("{s:s, s:s, s:s, s:i, s:I}", "name", m->name, "cpu", m->cpu, "system", m->system,
                                "cores", m->cores, "memory_bytes", (json_int_t)m->memory_bytes);
    json_t *setting = json_pack("{s:s, s:s, s:I, s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s}", "scaling",
                                s->weak ? "weak" : "strong", "launcher", s->slurm ? "slurm" : "local", "pictures",
                                (json_int_t)s->pictures, "threads", s->threads, "model", s->model, "model_sha256",
                                s->model_sha256, "dtype", s->dtype, "width", s->width, "height", s->height, "steps",
                                s->steps, "options", s->options, "software", s->software);
    return json_pack("{s:s, s:i, s:o, s:o, s:o}", "format", FORMAT, "version", VERSION, "machine", machine, "setting",
                     setting, "points", points);
}
