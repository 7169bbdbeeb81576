#include "client/bench/scale/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *df_scale_share_name(df_scale_share s) {
    static const char *const names[DF_SCALE_SHARES] = { "compute", "sample", "send", "wait", "idle", "other" };
    return names[s];
}

void df_scale_record_free(df_scale_record *r) {
    free(r->points);
    *r = (df_scale_record) { 0 };
}

static int order(const df_scale_point *p, int workers, int depth) {
    return p->depth != depth ? p->depth - depth : p->workers - workers;
}

df_scale_point *df_scale_record_point(df_scale_record *r, int workers, int depth, df_err *err) {
    int at = 0;
    while (at < r->n_points && order(&r->points[at], workers, depth) < 0) at++;
    if (at < r->n_points && !order(&r->points[at], workers, depth)) return &r->points[at];
    df_scale_point *grown = NULL;
    if (r->n_points < DF_SCALE_MOST_POINTS) grown = realloc(r->points, (size_t)(r->n_points + 1) * sizeof *grown);
    if (!grown) {
        df_err_set(err, DF_ELIMIT, "%d points: up to %d are possible", r->n_points + 1, DF_SCALE_MOST_POINTS);
        return NULL;
    }
    r->points = grown;
    memmove(grown + at + 1, grown + at, (size_t)(r->n_points - at) * sizeof *grown);
    r->n_points++;
    grown[at] = (df_scale_point) { .workers = workers, .depth = depth };
    return &grown[at];
}

static df_code differs(const char *path, const char *what, const char *has, const char *wants, df_err *err) {
    return df_err_set(err, DF_EEXIST, "%s: has runs with %s '%s', these are with '%s'; choose another folder (-o)",
                      path, what, has, wants);
}

static df_code same_number(const char *path, const char *what, int64_t has, int64_t wants, df_err *err) {
    char a[32], b[32];
    snprintf(a, sizeof a, "%lld", (long long)has);
    snprintf(b, sizeof b, "%lld", (long long)wants);
    return has == wants ? DF_OK : differs(path, what, a, b, err);
}

df_code df_scale_record_same(const df_scale_record *r, const df_scale_machine *m, const df_scale_setting *s,
                             const char *path, df_err *err) {
    const df_scale_setting *t = &r->setting;
    const struct {
        const char *what, *has, *wants;
    } texts[] = {
        { "the machine", r->machine.name, m->name },
        { "the processor", r->machine.cpu, m->cpu },
        { "the model", t->model, s->model },
        { "the model's SHA-256", t->model_sha256, s->model_sha256 },
        { "the dtype", t->dtype, s->dtype },
        { "the render options", t->options, s->options },
        { "the version", t->software, s->software },
        { "the kind of scaling", t->weak ? "weak" : "strong", s->weak ? "weak" : "strong" },
        { "the launcher", t->slurm ? "slurm" : "local", s->slurm ? "slurm" : "local" },
    };
    const struct {
        const char *what;
        int64_t has, wants;
    } numbers[] = {
        { "cores", r->machine.cores, m->cores }, { "pictures", t->pictures, s->pictures },
        { "threads", t->threads, s->threads },   { "a width of", t->width, s->width },
        { "a height of", t->height, s->height }, { "steps", t->steps, s->steps },
    };
    df_code rc = DF_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !rc; i++)
        if (strcmp(texts[i].has, texts[i].wants)) rc = differs(path, texts[i].what, texts[i].has, texts[i].wants, err);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !rc; i++)
        rc = same_number(path, numbers[i].what, numbers[i].has, numbers[i].wants, err);
    return rc;
}
