#include "client/bench/gpu/gpu.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/backend_choice.h"
#include "client/bench/gpu/device.h"
#include "client/bench/gpu/progress.h"
#include "client/bench/gpu/record.h"
#include "client/bench/gpu/report.h"
#include "client/bench/gpu/timing.h"
#include "client/exit_code.h"
#include "client/report.h"
#include "worker/version.h"

typedef struct bench {
    const df_gpu_options *o;
    df_suite *suite;
    df_gpu_record record;
    df_gpu_device device;
    df_timing_cfg timing;
    df_gpu_progress progress;
    int at; /* the item in progress, */
    int nth, n; /* of those that were not there already */
    int n_failed;
    double done_seconds[DF_GPU_PARTS], done_work[DF_GPU_PARTS]; /* what this run has measured, for the ETA */
} bench;

/* progress */

/* What time is counted by: operations take about as long whatever they are, all else as its arithmetic. */
static double work_of(const df_gpu_item *i) {
    return i->part == DF_GPU_OPS ? 1 : i->flops;
}

/* Negative: a part that is to come was not measured yet, and is not known. */
static double seconds_left(const bench *b) {
    double left = 0;
    for (int k = 0; k < b->suite->n_items; k++) {
        const df_gpu_item *i = &b->suite->item[k];
        if (i->seconds > 0 || i->failure[0]) continue;
        if (!(b->done_work[i->part] > 0)) return -1;
        left += work_of(i) * b->done_seconds[i->part] / b->done_work[i->part];
    }
    return left;
}

static void tell_item(void *ctx, const char *what) {
    bench *b = ctx;
    char eta[48] = "", left[32], line[512];
    const df_gpu_item *i = &b->suite->item[b->at];
    double seconds = seconds_left(b);
    if (seconds >= 0) snprintf(eta, sizeof eta, ", ETA %s", df_report_duration(left, sizeof left, seconds));
    snprintf(line, sizeof line, "diffarm: [%d/%d%s] %s %s%s%s%s%s%s%s", b->nth, b->n, eta,
             b->suite->model[i->model].name, df_gpu_part_name(i->part), i->component[0] ? " " : "", i->component,
             i->name[0] ? ": " : "", i->name, what[0] ? ": " : "", what);
    df_gpu_progress_show(&b->progress, line);
}

/* measuring */

static df_code measure(bench *b, df_gpu_item *i, df_err *err) {
    df_err why = { 0 };
    int64_t began = df_clock_ns();
    tell_item(b, "");
    df_code rc = df_time_item(b->suite, i, &b->timing, &why);
    if (rc == DF_ECANCELLED) return df_err_set(err, rc, "%s", why.text);
    if (rc) {
        df_gpu_progress_end(&b->progress);
        snprintf(i->failure, sizeof i->failure, "%.*s", (int)sizeof i->failure - 1, why.text);
        fprintf(stderr, "diffarm: error: %s %s %s: %s\n", b->suite->model[i->model].name, i->component, i->name,
                why.text);
        b->n_failed++;
        return DF_OK;
    }
    b->done_seconds[i->part] += (double)(df_clock_ns() - began) * 1e-9;
    b->done_work[i->part] += work_of(i);
    return df_gpu_record_put(&b->record, b->suite, i, err);
}

static df_code measure_all(bench *b, df_err *err) {
    df_code rc = DF_OK;
    for (int k = 0; k < b->suite->n_items; k++) b->n += !df_gpu_record_take(&b->record, b->suite, &b->suite->item[k]);
    if (b->n < b->suite->n_items && b->o->output != DF_OUTPUT_QUIET)
        fprintf(stderr, "diffarm: %d of %d measurements are in %s.json already\n", b->suite->n_items - b->n,
                b->suite->n_items, b->o->report);
    for (int k = 0; k < b->suite->n_items && !rc; k++) {
        df_gpu_item *i = &b->suite->item[k];
        if (i->seconds > 0) continue;
        b->at = k;
        b->nth++;
        rc = measure(b, i, err);
    }
    df_gpu_progress_end(&b->progress);
    return rc;
}

/* telling */

static df_code tell(const bench *b, df_err *err) {
    df_buf text = { 0 };
    if (b->o->output == DF_OUTPUT_JSON) df_report_print_json(json_incref(b->record.file));
    if (b->o->output != DF_OUTPUT_TEXT) return DF_OK;
    df_gpu_report(&text, b->record.file, false);
    df_code rc = text.failed ? df_err_set(err, DF_ENOMEM, "a report") : DF_OK;
    if (!rc && text.len) fputs(text.data, stdout);
    if (!rc && b->record.path[0]) printf("\n%s.json\n%s.md\n", b->record.path, b->record.path);
    df_buf_free(&text);
    return rc;
}

static int ended(const bench *b, df_code rc, const df_err *err) {
    if (rc == DF_ECANCELLED)
        fprintf(stderr, "diffarm: interrupted; the same command goes on with the %d measurements that are missing\n",
                b->n - b->nth + 1);
    else if (rc)
        return df_exit_with(err);
    return rc || b->n_failed ? DF_EXIT_SOME_FAILED : DF_EXIT_OK;
}

static df_code open_record(bench *b, df_err *err) {
    const df_gpu_type *type = df_gpu_type_of(b->device.name);
    const df_gpu_setting setting = { .backend = b->o->backend,
                                     .device = b->device.name,
                                     .dtype = b->o->dtype_name,
                                     .software = DF_SOFTWARE,
                                     .type = type ? type->name : "",
                                     .peak = df_gpu_peak_is_known(&b->o->peak) ? b->o->peak
                                             : type                            ? type->peak
                                                                               : (df_gpu_peak) { 0 } };
    df_code rc = df_gpu_record_open(&b->record, b->o->dry_run ? NULL : b->o->report, &setting, err);
    return rc ? rc : df_gpu_record_expect(&b->record, b->suite, b->o->micro_batch, err);
}

static void tell_plan(const bench *b) {
    int n[DF_GPU_PARTS] = { 0 };
    for (int k = 0; k < b->suite->n_items; k++) n[b->suite->item[k].part]++;
    fprintf(stderr, "diffarm: would measure pictures of %d models, steps of %d, and %d operations\n",
            n[DF_GPU_PICTURES], n[DF_GPU_STEP], n[DF_GPU_OPS]);
}

static int run(bench *b) {
    df_err err;
    df_code rc = df_suite_open(&b->suite, b->o, &err);
    if (!rc) rc = open_record(b, &err);
    if (rc) return df_exit_with(&err);
    if (b->o->dry_run) {
        tell_plan(b);
        return tell(b, &err) ? df_exit_with(&err) : DF_EXIT_OK;
    }
    b->timing.stop = df_stop_on_signals();
    rc = df_gpu_record_write(&b->record, &err); /* a place where nothing can be written is found now */
    if (!rc) rc = measure_all(b, &err);
    int code = ended(b, rc, &err);
    if (!code || rc == DF_OK || rc == DF_ECANCELLED)
        if (tell(b, &err)) code = df_exit_with(&err);
    return code;
}

int df_bench_gpu(int argc, char **argv) {
    static df_gpu_options o; /* large */
    df_err err;
    df_gpu_options_parse(&o, argc, argv);
    bench b = { .o = &o, .progress = df_gpu_progress_to(o.output == DF_OUTPUT_QUIET ? NULL : stderr) };
    if (!o.dry_run && df_gpu_device_open(&b.device, &o, &err)) {
        return df_exit_without_backend(o.backend, &err);
    }
    b.timing = (df_timing_cfg) { .backend = b.device.backend,
                                 .backend_cfg = o.backend_cfg,
                                 .pictures = o.pictures,
                                 .tell = tell_item,
                                 .tell_ctx = &b };
    int code = run(&b);
    df_gpu_record_close(&b.record);
    df_suite_close(&b.suite);
    return code;
}
