#include "client/bench/scale/outcome.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PICTURES = 100000000, HEAD_BYTES = 1 << 20 };

/* A picture: who made it, and when. */
typedef struct made {
    char worker[64];
    double from, to; /* seconds */
} made;

typedef struct album {
    made *at;
    int64_t n, room, n_failed;
} album;

/* "2026-11-23T22:54:01.250Z" */
static bool parse_stamp(const char *text, double *seconds) {
    struct tm tm = { 0 };
    int ms, end = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &ms, &end) != 7 ||
        !end || text[end])
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *seconds = (double)timegm(&tm) + ms / 1000.0;
    return true;
}

static bool add_made(album *a, const made *m) {
    if (a->n == a->room) {
        int64_t room = a->room ? 2 * a->room : 256;
        made *grown = room <= MOST_PICTURES ? realloc(a->at, (size_t)room * sizeof *grown) : NULL;
        if (!grown) return false;
        a->at = grown;
        a->room = room;
    }
    a->at[a->n++] = *m;
    return true;
}

static df_code take_line(album *a, const char *text, const char *path, int64_t line, df_err *err) {
    json_t *o = json_loads(text, 0, NULL);
    const char *state = json_string_value(json_object_get(o, "state"));
    const char *worker = json_string_value(json_object_get(o, "worker"));
    const char *stamp = json_string_value(json_object_get(o, "finished"));
    const json_t *seconds = json_object_get(o, "seconds");
    made m = { .from = 0 };
    df_code rc = DF_OK;
    if (state && !strcmp(state, "failed"))
        a->n_failed++;
    else if (!state || !worker || !stamp || !json_is_number(seconds) || !(json_number_value(seconds) >= 0) ||
             !parse_stamp(stamp, &m.to))
        rc = df_err_set(err, DF_EFORMAT, "%s:%lld: no picture with state, worker, seconds and finished", path,
                        (long long)line);
    else {
        snprintf(m.worker, sizeof m.worker, "%s", worker);
        m.from = m.to - json_number_value(seconds);
        if (!add_made(a, &m)) rc = df_err_set(err, DF_ENOMEM, "%s: %lld pictures", path, (long long)a->n);
    }
    json_decref(o);
    return rc;
}

static df_code read_lines(album *a, const char *path, df_err *err) {
    char *text = NULL;
    size_t bytes = 0;
    df_code rc = DF_OK;
    FILE *f = fopen(path, "re");
    if (!f) return df_err_errno(err, errno, "%s", path);
    for (int64_t line = 1; !rc && getline(&text, &bytes, f) > 0; line++) rc = take_line(a, text, path, line, err);
    if (!rc && ferror(f)) rc = df_err_set(err, DF_EIO, "%s: cannot be read", path);
    free(text);
    fclose(f);
    return rc;
}

static int by_worker(const void *a, const void *b) {
    return strcmp(((const made *)a)->worker, ((const made *)b)->worker);
}

/* When a worker was active. */
typedef struct activity {
    double from, to;
} activity;

/* Takes the pictures of the worker at `i`; returns where the next one's are. */
static int64_t next_worker(const album *a, int64_t i, activity *is) {
    int64_t first = i;
    *is = (activity) { a->at[i].from, a->at[i].to };
    for (; i < a->n && !by_worker(&a->at[i], &a->at[first]); i++) {
        is->from = fmin(is->from, a->at[i].from);
        is->to = fmax(is->to, a->at[i].to);
    }
    return i;
}

static double rate_between(const album *a, double from, double to) {
    double pictures = 0;
    for (int64_t i = 0; i < a->n; i++) {
        double both = fmin(a->at[i].to, to) - fmax(a->at[i].from, from), length = a->at[i].to - a->at[i].from;
        if (both > 0 && length > 0) pictures += both / length;
    }
    return pictures / (to - from);
}

static void sum_up(df_outcome *o, album *a, int workers) {
    activity all = { INFINITY, -INFINITY }, common = { -INFINITY, INFINITY }, one;
    double active = 0;
    qsort(a->at, (size_t)a->n, sizeof *a->at, by_worker);
    for (int64_t i = 0; i < a->n; o->n_workers++) {
        i = next_worker(a, i, &one);
        all = (activity) { fmin(all.from, one.from), fmax(all.to, one.to) };
        common = (activity) { fmax(common.from, one.from), fmin(common.to, one.to) };
        active += one.to - one.from;
    }
    o->seconds = all.to - all.from;
    o->active = fmin(1, active / (o->seconds * (o->n_workers > workers ? o->n_workers : workers)));
    if (o->n_workers >= workers && common.to > common.from) o->steady_rate = rate_between(a, common.from, common.to);
}

df_code df_outcome_read(df_outcome *out, const char *path, int workers, df_err *err) {
    album a = { 0 };
    df_outcome o = { 0 };
    df_code rc = read_lines(&a, path, err);
    o.n_done = a.n;
    o.n_failed = a.n_failed;
    if (!rc && !a.n) rc = df_err_set(err, DF_EFORMAT, "%s: holds no picture that was made", path);
    if (!rc) sum_up(&o, &a, workers);
    if (!rc && !(o.seconds > 0)) rc = df_err_set(err, DF_EFORMAT, "%s: all pictures took no time", path);
    if (!rc) *out = o;
    free(a.at);
    return rc;
}

/* traces */

static void add_rank(df_trace_sum *sum, const json_t *rank) {
    static const struct {
        const char *kind; /* of spans */
        df_scale_share share;
    } kinds[] = { { "compute", DF_SCALE_COMPUTE }, { "sample", DF_SCALE_SAMPLE }, { "send", DF_SCALE_SEND },
                  { "receive", DF_SCALE_SEND },    { "wait", DF_SCALE_WAIT },     { "load", DF_SCALE_OTHER },
                  { "other", DF_SCALE_OTHER } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        sum->share[kinds[i].share] += json_number_value(json_object_get(rank, kinds[i].kind));
    sum->n_ranks++;
}

/* A trace may have a hundred MB; its head is cut off before the events, and closed. NULL: there is no such head. */
static json_t *head_of(FILE *f) {
    char *text = malloc(HEAD_BYTES + 2);
    if (!text) return NULL;
    text[fread(text, 1, HEAD_BYTES, f)] = '\0';
    char *end = strstr(text, ",\n\"traceEvents\"");
    if (end) memcpy(end, "}", 2);
    json_t *head = end ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return head;
}

df_code df_trace_sum_add(df_trace_sum *sum, const char *path, df_err *err) {
    FILE *f = fopen(path, "re");
    if (!f) return df_err_errno(err, errno, "%s", path);
    json_t *head = head_of(f);
    fclose(f);
    const json_t *summary = json_object_get(head, "diffarm"), *ranks = json_object_get(summary, "ranks");
    const char *of = json_string_value(json_object_get(summary, "shares_of"));
    df_code rc = json_is_array(ranks) && of ? DF_OK : df_err_set(err, DF_ENOTFOUND, "%s: has no summary yet", path);
    for (size_t i = 0; !rc && i < json_array_size(ranks) && !strcmp(of, "steady state"); i++)
        add_rank(sum, json_array_get(ranks, i));
    json_decref(head);
    return rc;
}

void df_outcome_run(const df_outcome *o, const df_trace_sum *sum, df_scale_run *run) {
    double rest = 1;
    run->seconds = o->seconds;
    run->steady_rate = o->steady_rate;
    run->traced = sum->n_ranks > 0;
    if (!run->traced) return;
    for (int k = 0; k < DF_SCALE_SHARES; k++) rest -= sum->share[k] / sum->n_ranks;
    for (int k = 0; k < DF_SCALE_SHARES; k++) run->share[k] = o->active * sum->share[k] / sum->n_ranks;
    run->share[DF_SCALE_OTHER] += o->active * fmax(rest, 0);
    run->share[DF_SCALE_IDLE] = 1 - o->active;
}
