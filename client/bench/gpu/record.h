/* What a GPU bench has measured: REPORT.json, one entry a measurement, and REPORT.md, made of it.
 *
 *   df_gpu_record_open(&r, "h100", &setting, &err);    what an earlier run has measured is there
 *   df_gpu_record_take(&r, suite, &item);              has it been?
 *   df_gpu_record_put(&r, suite, &item, &err);         kept, and written
 *   df_gpu_record_close(&r);
 *
 * Entries of other models and sizes stay; a file of another device, type or program is refused. Its fields are told in
 * docs/gpu.md. */
#ifndef DF_CLIENT_BENCH_GPU_RECORD_H
#define DF_CLIENT_BENCH_GPU_RECORD_H

#include <jansson.h>
#include <limits.h>

#include "base/buf.h"
#include "client/bench/gpu/suite.h"

/* What must be the same for all entries. */
typedef struct df_gpu_setting {
    const char *backend, *device, *dtype, *software;
    const char *type; /* "H100 SXM"; "": not in the table */
    df_gpu_peak peak; /* zeros: not known */
} df_gpu_setting;

typedef struct df_gpu_record {
    json_t *file;
    df_gpu_setting setting; /* borrowed */
    char path[PATH_MAX]; /* without its ending; "": nothing is written */
} df_gpu_record;

/* path: without ending; NULL: nothing is read or written. DF_EEXIST: it has measurements of another setting.
 * DF_EFORMAT: place and what is wrong. */
df_code df_gpu_record_open(df_gpu_record *out, const char *path, const df_gpu_setting *setting, df_err *err);
void df_gpu_record_close(df_gpu_record *r);

bool df_gpu_record_take(const df_gpu_record *r, const df_suite *s, df_gpu_item *item); /* fills in item->seconds */
df_code df_gpu_record_put(df_gpu_record *r, const df_suite *s, const df_gpu_item *item, df_err *err);

/* What is to be expected of the types of GPUs that are listed, by their rooflines; of each model of the suite. */
df_code df_gpu_record_expect(df_gpu_record *r, const df_suite *s, int micro_batch, df_err *err);

df_code df_gpu_record_write(const df_gpu_record *r, df_err *err); /* both files */

#endif
