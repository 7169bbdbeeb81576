/* What a scaling test has measured: one file, OUT/scale.json, comparable across clusters.
 *
 *   df_scale_record_read(&r, path, &err);  or fill in r.machine and r.setting
 *   p = df_scale_record_point(&r, 4, 1, &err);  p->run[p->n_runs++] = run;
 *   df_scale_report_write(&r, &analysis, path, &err);     (report.h) after every run: a test goes on where it broke off
 *   df_scale_record_free(&r);
 *
 * The file's fields are told in docs/scaling.md. What follows from the runs (medians, fits) stands in it for readers,
 * and is worked out anew when it is read. */
#ifndef DF_CLIENT_BENCH_SCALE_RECORD_H
#define DF_CLIENT_BENCH_SCALE_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

enum { DF_SCALE_MOST_RUNS = 99, DF_SCALE_MOST_POINTS = 1024, DF_SCALE_MOST_WORKERS = 100000, DF_SCALE_MOST_DEPTH = 64 };

/* What the ranks' time of a run went into; shares of ranks x seconds, their sum is 1. */
typedef enum df_scale_share {
    DF_SCALE_COMPUTE,
    DF_SCALE_SAMPLE, /* rank 0 of a pipeline: inputs, sampler steps, pictures */
    DF_SCALE_SEND, /* messages between ranks: posted, and found complete */
    DF_SCALE_WAIT, /* for another rank, or for work, among pictures */
    DF_SCALE_IDLE, /* before a worker's first picture, and after its last one */
    DF_SCALE_OTHER, /* loading of programs, the worker's own business */
    DF_SCALE_SHARES
} df_scale_share;

const char *df_scale_share_name(df_scale_share s); /* "compute" */

typedef struct df_scale_run {
    double seconds; /* from the first picture's first kernel to the last one's commit */
    double steady_rate; /* pictures a second while all workers were busy; 0: they never were */
    double wall_seconds; /* of the whole command: start, loading, queue and end included */
    double others_share; /* of the machine's processors, that other programs took meanwhile; negative: not known */
    bool traced; /* share[] is known */
    double share[DF_SCALE_SHARES];
} df_scale_run;

typedef struct df_scale_point {
    int workers, depth; /* pipelines, ranks of each */
    int64_t pictures; /* of one run */
    bool oversubscribed; /* more threads than the machine has cores */
    int n_runs;
    df_scale_run run[DF_SCALE_MOST_RUNS];
    char failure[512]; /* of its last run; "": none */
} df_scale_point;

typedef struct df_scale_machine {
    char name[128]; /* as the user calls it */
    char cpu[128], system[128];
    int cores; /* 0: not known, as under Slurm */
    int64_t memory_bytes;
} df_scale_machine;

/* What must be the same in all runs of a record. */
typedef struct df_scale_setting {
    bool weak; /* pictures for each rank; else in all */
    bool slurm; /* each point as jobs of Slurm; else on this machine */
    int64_t pictures;
    int threads; /* of a rank; 0: as the site's values say */
    char model[128], model_sha256[DF_SHA256_HEX_BYTES], dtype[16];
    int width, height, steps;
    char options[2048]; /* of `render`, as they were given */
    char software[64];
} df_scale_setting;

typedef struct df_scale_record {
    df_scale_machine machine;
    df_scale_setting setting;
    df_scale_point *points; /* [n_points] by depth, then workers */
    int n_points;
} df_scale_record;

void df_scale_record_free(df_scale_record *r);

/* The point, made if there is none; NULL when out of memory or over the limit. Pointers to others do not stay valid. */
df_scale_point *df_scale_record_point(df_scale_record *r, int workers, int depth, df_err *err);

/* DF_EEXIST with what differs, unless runs of both may stand in one record. */
df_code df_scale_record_same(const df_scale_record *r, const df_scale_machine *m, const df_scale_setting *s,
                             const char *path, df_err *err);

/* DF_ENOTFOUND; DF_EFORMAT with path, place, value and what is possible. */
df_code df_scale_record_read(df_scale_record *out, const char *path, df_err *err);

/* The file's content; NULL when out of memory. */
json_t *df_scale_record_json(const df_scale_record *r);

#endif
