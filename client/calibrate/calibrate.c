/* diffarm calibrate -m MODEL: the int8 scales of its denoiser. */
#include <stdio.h>
#include <stdlib.h>

#include "client/calibrate/observer.h"
#include "client/calibrate/options.h"
#include "client/calibrate/progress.h"
#include "client/calibrate/prompts.h"
#include "client/commands.h"
#include "client/exit_code.h"
#include "client/report.h"
#include "cluster/renderer.h"

/* One picture at a time: what is seen does not depend on how pictures are grouped. */
enum { ROWS = 2, TICK_US = 1000 };

typedef struct calibration {
    const df_calibrate_options *o;
    df_calibrate_prompts prompts;
    df_model *model;
    df_observer *observer;
    df_comm *comm;
    df_pipeline *pipeline;
    df_renderer *renderer;
    df_calibrate_progress progress;
    int n_done; /* pictures */
    df_err failure; /* of a picture */
} calibration;

static void on_image(void *ctx, uint64_t id, const df_picture *picture) {
    (void)ctx, (void)id, (void)picture;
}

static void on_step(void *ctx, uint64_t id, int step, int n_steps) {
    calibration *c = ctx;
    (void)id;
    df_calibrate_progress_show(&c->progress, (int64_t)c->n_done * n_steps + step, (int64_t)c->prompts.n * n_steps);
}

static void on_failed(void *ctx, uint64_t id, const df_err *why) {
    (void)id;
    ((calibration *)ctx)->failure = *why;
}

static df_code open_model(calibration *c, df_err *err) {
    const df_model_options how = { .config_dir = c->o->config_dir, .no_t5 = c->o->no_t5 };
    df_code rc = df_model_open_with(&c->model, c->o->model, &how, err);
    return rc ? rc : df_renderer_check(c->model, err);
}

static df_code open_run(calibration *c, df_err *err) {
    const df_model_info *info = df_model_info_of(c->model);
    int width = c->o->width ? c->o->width : info->default_width;
    int height = c->o->height ? c->o->height : info->default_height;
    df_arithmetic how = { 0 };
    df_arithmetic_of(c->o->dtype, &how);
    if (width % info->size_multiple || height % info->size_multiple)
        return df_err_set(err, DF_EINVAL, "--size %dx%d: sides must be multiples of %d", width, height,
                          info->size_multiple);
    df_code rc =
        df_observer_open(&c->observer, c->model, height / info->vae_factor, width / info->vae_factor, how.dtype, err);
    const df_pipeline_cfg pipeline = { .backend =
                                           df_backend_find("cpu") ? df_backend_find("cpu") : &df_backend_reference,
                                       .backend_cfg = { .dtype = how.dtype, .threads = c->o->threads },
                                       .denoiser_tap = df_observer_tap,
                                       .tap_ctx = c->observer,
                                       .max_rows = ROWS,
                                       .n_slots = 1 };
    const df_renderer_cfg renderer = {
        .micro_batch = 1, .ctx = c, .on_image = on_image, .on_step = on_step, .on_failed = on_failed
    };
    if (!rc) rc = df_comm_self_open(&c->comm, err);
    if (!rc) rc = df_pipeline_open(&c->pipeline, c->comm, c->model, &pipeline, err);
    return rc ? rc : df_renderer_open(&c->renderer, c->pipeline, c->model, &renderer, err);
}

static void close_run(calibration *c) {
    df_renderer_close(&c->renderer);
    df_pipeline_close(&c->pipeline);
    if (c->comm) c->comm->ops->close(&c->comm);
}

static df_code draw(calibration *c, int i, df_err *err) {
    const df_model_info *info = df_model_info_of(c->model);
    df_request rq = { .task = df_model_default_task(c->model),
                      .prompt = info->max_tokens ? c->prompts.text[i] : "",
                      .negative = "",
                      .seed = (uint64_t)c->o->seed + (uint64_t)i,
                      .width = c->o->width ? c->o->width : info->default_width,
                      .height = c->o->height ? c->o->height : info->default_height,
                      .steps = c->o->steps,
                      .guidance = c->o->guidance,
                      .scheduler = *df_model_scheduler(c->model),
                      .class_label = rq.task == DF_TASK_CLASS && info->n_classes > 1 ? i % (info->n_classes - 1) : 0 };
    df_code rc = df_renderer_add(c->renderer, (uint64_t)i, &rq, err);
    while (!rc && df_renderer_busy(c->renderer)) rc = df_renderer_step(c->renderer, TICK_US, err);
    if (!rc && c->failure.code) rc = df_err_set(err, c->failure.code, "%s", c->failure.text);
    c->n_done++;
    return rc;
}

static df_code draw_all(calibration *c, df_err *err) {
    df_code rc = open_run(c, err);
    c->progress = df_calibrate_progress_begin(c->o->output == DF_OUTPUT_QUIET);
    for (int i = 0; i < c->prompts.n && !rc; i++) rc = draw(c, i, err);
    df_calibrate_progress_end(&c->progress);
    close_run(c);
    return rc;
}

static df_code write_scales(const calibration *c, df_err *err) {
    const df_model_info *info = df_model_info_of(c->model);
    char sha256[DF_SHA256_HEX_BYTES];
    df_code rc = df_model_sha256(c->model, sha256, err);
    const df_calibration_about about = { .model_sha256 = sha256,
                                         .n_prompts = c->prompts.n,
                                         .steps = c->o->steps,
                                         .width = c->o->width ? c->o->width : info->default_width,
                                         .height = c->o->height ? c->o->height : info->default_height };
    return rc ? rc : df_observer_write(c->observer, c->o->out, &about, err);
}

static void tell(const calibration *c) {
    df_calibration_result r = df_observer_result(c->observer);
    if (c->o->output == DF_OUTPUT_JSON)
        df_report_print_json(json_pack("{s:s, s:i, s:i, s:f, s:f}", "file", c->o->out, "layers", r.n_layers, "kept",
                                       r.n_kept, "worst_snr_db", r.worst_snr_db, "median_snr_db", r.median_snr_db));
    if (c->o->output == DF_OUTPUT_TEXT)
        printf("%s: %d layers in int8, %d kept; signal to noise %.1f dB in the middle, %.1f at worst\n", c->o->out,
               r.n_layers, r.n_kept, r.median_snr_db, r.worst_snr_db);
}

static df_code calibrate(calibration *c, df_err *err) {
    df_code rc = df_calibrate_prompts_read(&c->prompts, c->o->prompts, err);
    if (!rc) rc = open_model(c, err);
    if (!rc) rc = draw_all(c, err);
    if (!rc) rc = df_observer_measure(c->observer, c->o->min_snr_db, err);
    if (!rc && !df_observer_result(c->observer).n_layers)
        rc = df_err_set(err, DF_EUNSUPPORTED, "no layer has less noise than --min-snr %g allows", c->o->min_snr_db);
    if (!rc) rc = write_scales(c, err);
    if (!rc) tell(c);
    return rc;
}

int df_cmd_calibrate(int argc, char **argv) {
    df_calibrate_options o;
    df_err err = { 0 };
    df_calibrate_options_parse(&o, argc, argv);
    calibration c = { .o = &o };
    df_code rc = calibrate(&c, &err);
    df_observer_close(&c.observer);
    df_model_close(&c.model);
    df_calibrate_prompts_free(&c.prompts);
    if (!rc) return DF_EXIT_OK;
    fprintf(stderr, "diffarm: error: %s\n", err.text);
    return df_exit_of_run(rc);
}
