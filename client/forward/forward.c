/* `diffarm forward`: a picture on its way to noise. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/size.h"
#include "client/commands.h"
#include "client/eval/scheduler.h"
#include "client/exit_code.h"
#include "client/forward/codec.h"
#include "client/forward/report.h"
#include "client/forward/source.h"
#include "client/forward/strip.h"

typedef struct forward {
    const df_forward_options *options;
    df_model *model;
    df_scheduler scheduler;
    df_eval_runner *runner;
    df_codec codec;
    df_image source;
    df_forward_level levels[DF_FORWARD_MAX_STEPS];
    float *clean; /* [codec.n] */
    float *noised; /* [steps][codec.n] */
    uint8_t *pictures; /* [steps][height][width][3] */
} forward;

static void progress(const forward *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void progress(const forward *f, const char *fmt, ...) {
    if (f->options->output == DF_OUTPUT_QUIET) return;
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/* All that can be refused is refused before the first network runs. */
static df_code prepare(forward *f, df_err *err) {
    const df_forward_options *o = f->options;
    df_eval_options how = { .backend = &df_backend_cpu, .backend_cfg = { .dtype = DF_F32, .threads = o->threads } };
    df_model_options parts = { .config_dir = o->config_dir, .tokenizer_optional = true }; /* no text is read */
    df_code rc;
    if ((rc = df_model_open_with(&f->model, o->model, &parts, err))) return rc;
    if ((rc = df_eval_scheduler_of(&f->scheduler, f->model, o->scheduler, err))) return rc;
    if ((rc = df_forward_levels(f->levels, &f->scheduler, o->steps, err))) return rc;
    if ((rc = df_source_read(&f->source, o->image, df_model_info_of(f->model)->size_multiple, err))) return rc;
    if ((rc = df_strip_check(o->steps, f->source.width, err))) return rc;
    if ((rc = df_eval_runner_open(&f->runner, f->model, &how, err))) return rc;
    return df_codec_open(&f->codec, f->model, f->runner, f->source.width, f->source.height, err);
}

static df_code reserve(forward *f, df_err *err) {
    size_t bytes, steps = (size_t)f->options->steps, n = f->codec.n;
    bool fits = df_size_mul(&bytes, (size_t)f->source.width * (size_t)f->source.height * 3, steps);
    f->clean = calloc(n, sizeof *f->clean);
    f->noised = calloc(steps * n, sizeof *f->noised);
    f->pictures = fits ? malloc(bytes) : NULL;
    if (f->clean && f->noised && f->pictures) return DF_OK;
    return df_err_set(err, DF_ENOMEM, "%zu pictures of %dx%d", steps, f->source.width, f->source.height);
}

/* The draw lands where the last level will be, which is noised last. */
static df_code noise_levels(forward *f, df_err *err) {
    int last = f->options->steps - 1;
    float *epsilon = f->noised + (size_t)last * f->codec.n;
    df_noise *z = df_noise_new(f->options->noise, (uint64_t)f->options->seed);
    if (!z) return df_err_set(err, DF_ENOMEM, "noise");
    df_noise_normal(z, epsilon, f->codec.n);
    df_noise_free(&z);
    for (int i = 0; i <= last; i++)
        df_forward_noise(&f->levels[i], f->clean, epsilon, f->noised + (size_t)i * f->codec.n, f->codec.n);
    return DF_OK;
}

static df_code draw(forward *f, df_err *err) {
    const df_forward_options *o = f->options;
    df_code rc = reserve(f, err);
    if (rc) return rc;
    progress(f, "encoding %s, %dx%d pixels", o->image, f->source.width, f->source.height);
    if ((rc = df_codec_encode(&f->codec, f->source.pixels, f->clean, err))) return rc;
    if ((rc = noise_levels(f, err))) return rc;
    progress(f, "decoding %d noise levels", o->steps);
    if ((rc = df_codec_decode(&f->codec, o->steps, f->noised, f->pictures, err))) return rc;
    rc = df_strip_write(o->out, f->pictures, o->steps, f->source.width, f->source.height, err);
    return rc ? rc : df_forward_report(o, &f->scheduler, f->levels, f->source.width, f->source.height, err);
}

static void forward_free(forward *f) {
    df_eval_runner_close(&f->runner);
    df_model_close(&f->model);
    free(f->source.pixels);
    free(f->clean);
    free(f->noised);
    free(f->pictures);
}

/* Under a launcher the other ranks serve the first. */
static df_code run(forward *f, df_err *err) {
    df_code rc = prepare(f, err);
    if (rc) return rc;
    return df_eval_runner_leads(f->runner) ? draw(f, err) : df_eval_runner_serve(f->runner, err);
}

int df_cmd_forward(int argc, char **argv) {
    df_forward_options o;
    df_err err = { 0 };
    df_forward_options_parse(&o, argc, argv);
    forward f = { .options = &o };
    df_code rc = run(&f, &err);
    forward_free(&f);
    if (!rc) return DF_EXIT_OK;
    fprintf(stderr, "%s: %s\n", argv[0], err.text);
    return df_exit_of_run(rc);
}
