#include "worker/request.h"

#include <string.h>

#include "engine/image/resize.h"

static df_code take_names(df_request *rq, const df_model *m, const Diffarm__Row *row, const Diffarm__JobSpec *job,
                          df_err *err) {
    int noise = df_noise_kind_of(job->noise);
    if (!df_task_named(&rq->task, row->task))
        return df_err_set(err, DF_EUNSUPPORTED, "task '%s': not known to this worker", row->task);
    if (noise < 0) return df_err_set(err, DF_EUNSUPPORTED, "noise '%s': not known to this worker", job->noise);
    rq->noise = (df_noise_kind)noise;
    if (row->scheduler[0]) return df_scheduler_named(&rq->scheduler, row->scheduler, df_model_scheduler_path(m), err);
    rq->scheduler = *df_model_scheduler(m);
    return DF_OK;
}

static df_code take_image(df_row_request *rq, const df_model *m, df_inputs *inputs, const Diffarm__Row *row,
                          df_err *err) {
    const df_image *whole;
    int factor = rq->is.task == DF_TASK_UPSCALE ? df_model_info_of(m)->vae_factor : 1;
    df_code rc = df_inputs_picture(inputs, row->image, &whole, err);
    if (!rc) rc = df_image_cover(&rq->image, whole, rq->is.width / factor, rq->is.height / factor, err);
    if (!rc) rq->is.image = &rq->image;
    return rc;
}

static df_code take_mask(df_row_request *rq, df_inputs *inputs, const Diffarm__Row *row, df_err *err) {
    const df_image *whole;
    df_image grey = { 0 };
    df_code rc = df_inputs_picture(inputs, row->mask, &whole, err);
    if (!rc) rc = df_image_luminance(&grey, whole, err);
    if (!rc) rc = df_image_cover(&rq->mask, &grey, rq->is.width, rq->is.height, err);
    if (!rc) rq->is.mask = &rq->mask;
    df_image_clear(&grey);
    return rc;
}

df_code df_row_request_open(df_row_request *rq, const df_model *model, df_inputs *inputs, const Diffarm__Row *row,
                            const Diffarm__JobSpec *job, df_err *err) {
    *rq = (df_row_request) { .is = { .prompt = row->prompt,
                                     .negative = row->negative,
                                     .syntax = { .weights = job->prompt_weights, .chunks = job->long_prompts },
                                     .seed = row->seed,
                                     .width = (int)row->width,
                                     .height = (int)row->height,
                                     .steps = (int)row->steps,
                                     .guidance = row->guidance,
                                     .guidance_rescale = row->guidance_rescale,
                                     .eta = row->eta,
                                     .strength = row->strength,
                                     .class_label = (int)row->class_label,
                                     .noise_level = (int)row->noise_level } };
    df_code rc = take_names(&rq->is, model, row, job, err);
    if (!rc && row->image) rc = take_image(rq, model, inputs, row, err);
    if (!rc && row->mask) rc = take_mask(rq, inputs, row, err);
    if (rc) df_row_request_close(rq);
    return rc;
}

void df_row_request_close(df_row_request *rq) {
    df_image_clear(&rq->image);
    df_image_clear(&rq->mask);
}
