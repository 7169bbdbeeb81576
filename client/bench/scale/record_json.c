#include <string.h>

#include "client/bench/scale/record.h"
#include "client/json_fields.h"

#define FORMAT "diffarm scale"
enum { VERSION = 1 };

/* reading */

static df_code read_machine(df_scale_machine *m, const json_t *file, const char *path, df_err *err) {
    const df_json_place at = { path, "machine" };
    const json_t *o = json_object_get(file, "machine");
    df_code rc = df_json_text(o, &at, "name", m->name, sizeof m->name, err);
    if (!rc) rc = df_json_text(o, &at, "cpu", m->cpu, sizeof m->cpu, err);
    if (!rc) rc = df_json_text(o, &at, "system", m->system, sizeof m->system, err);
    if (!rc) rc = df_json_int(o, &at, "cores", 0, 1 << 20, &m->cores, err);
    return rc ? rc : df_json_whole(o, &at, "memory_bytes", 0, INT64_MAX, &m->memory_bytes, err);
}

static df_code read_setting(df_scale_setting *s, const json_t *file, const char *path, df_err *err) {
    const df_json_place at = { path, "setting" };
    const json_t *o = json_object_get(file, "setting");
    df_code rc = df_json_choice(o, &at, "scaling", "strong", "weak", &s->weak, err);
    if (!rc) rc = df_json_choice(o, &at, "launcher", "local", "slurm", &s->slurm, err);
    if (!rc) rc = df_json_whole(o, &at, "pictures", 1, INT64_C(1) << 40, &s->pictures, err);
    if (!rc) rc = df_json_int(o, &at, "threads", 0, 1024, &s->threads, err);
    if (!rc) rc = df_json_text(o, &at, "model", s->model, sizeof s->model, err);
    if (!rc) rc = df_json_text(o, &at, "model_sha256", s->model_sha256, sizeof s->model_sha256, err);
    if (!rc) rc = df_json_text(o, &at, "dtype", s->dtype, sizeof s->dtype, err);
    if (!rc) rc = df_json_int(o, &at, "width", 1, 1 << 16, &s->width, err);
    if (!rc) rc = df_json_int(o, &at, "height", 1, 1 << 16, &s->height, err);
    if (!rc) rc = df_json_int(o, &at, "steps", 1, 1 << 16, &s->steps, err);
    if (!rc) rc = df_json_text(o, &at, "options", s->options, sizeof s->options, err);
    return rc ? rc : df_json_text(o, &at, "software", s->software, sizeof s->software, err);
}

static df_code read_run(df_scale_run *r, const json_t *o, const df_json_place *at, df_err *err) {
    const json_t *shares = json_object_get(o, "shares"), *others = json_object_get(o, "others_share");
    const df_json_place in = df_json_member(at, "shares");
    df_code rc = df_json_number(o, at, "seconds", 0, 1e9, &r->seconds, err);
    if (!rc && !(r->seconds > 0)) rc = df_json_refuse(at, "seconds", "is 0: a run takes time", err);
    if (!rc) rc = df_json_number(o, at, "steady_pictures_per_second", 0, 1e9, &r->steady_rate, err);
    if (!rc) rc = df_json_number(o, at, "wall_seconds", 0, 1e9, &r->wall_seconds, err);
    r->others_share = -1;
    if (!rc && others && !json_is_null(others)) rc = df_json_number(o, at, "others_share", 0, 1, &r->others_share, err);
    r->traced = shares && !json_is_null(shares);
    for (int k = 0; k < DF_SCALE_SHARES && !rc && r->traced; k++)
        rc = df_json_number(shares, &in, df_scale_share_name((df_scale_share)k), 0, 1 + 1e-6, &r->share[k], err);
    return rc;
}

static df_code read_runs(df_scale_point *p, const json_t *o, const df_json_place *at, df_err *err) {
    const json_t *runs = json_object_get(o, "runs");
    df_code rc = json_is_array(runs) && json_array_size(runs) <= DF_SCALE_MOST_RUNS
                     ? DF_OK
                     : df_json_refuse(at, "runs", "is no list of up to 99 runs", err);
    for (size_t i = 0; !rc && i < json_array_size(runs); i++) {
        df_json_place in = df_json_item(at, "runs", i);
        rc = read_run(&p->run[p->n_runs++], json_array_get(runs, i), &in, err);
    }
    return rc;
}

static df_code read_point(df_scale_record *r, const json_t *o, const df_json_place *at, df_err *err) {
    int workers = 0, depth = 0, before = r->n_points;
    df_code rc = df_json_int(o, at, "workers", 1, DF_SCALE_MOST_WORKERS, &workers, err);
    if (!rc) rc = df_json_int(o, at, "pipeline", 1, DF_SCALE_MOST_DEPTH, &depth, err);
    if (rc) return rc;
    df_scale_point *p = df_scale_record_point(r, workers, depth, err);
    if (!p) return DF_ELIMIT;
    if (r->n_points == before) return df_json_refuse(at, "workers", "and pipeline come a second time", err);
    rc = df_json_whole(o, at, "pictures", 1, INT64_C(1) << 40, &p->pictures, err);
    p->oversubscribed = json_is_true(json_object_get(o, "oversubscribed"));
    if (!rc && json_object_get(o, "failure")) rc = df_json_text(o, at, "failure", p->failure, sizeof p->failure, err);
    return rc ? rc : read_runs(p, o, at, err);
}

static df_code read_all(df_scale_record *r, const json_t *file, const char *path, df_err *err) {
    const df_json_place top = { .path = path };
    const json_t *points = json_object_get(file, "points");
    const char *format = json_string_value(json_object_get(file, "format"));
    int version = 0;
    if (!format || strcmp(format, FORMAT)) return df_json_refuse(&top, "format", "is not \"" FORMAT "\"", err);
    df_code rc = df_json_int(file, &top, "version", VERSION, VERSION, &version, err);
    if (!rc) rc = read_machine(&r->machine, file, path, err);
    if (!rc) rc = read_setting(&r->setting, file, path, err);
    if (!rc && !json_is_array(points)) rc = df_json_refuse(&top, "points", "is missing, or no list", err);
    for (size_t i = 0; !rc && i < json_array_size(points); i++) {
        df_json_place at = df_json_item(&top, "points", i);
        rc = read_point(r, json_array_get(points, i), &at, err);
    }
    return rc;
}

df_code df_scale_record_read(df_scale_record *out, const char *path, df_err *err) {
    df_scale_record r = { 0 };
    json_t *file;
    df_code rc = df_json_read(&file, path, err);
    if (rc) return rc;
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
