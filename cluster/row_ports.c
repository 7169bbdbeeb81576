#include <string.h>

#include "base/clock.h"
#include "cluster/row.h"
#include "cluster/text_context.h"
#include "engine/activations.h"

static void *row_at(void *base, int64_t row, size_t bytes) {
    return (char *)base + (size_t)row * bytes;
}

static size_t plane_of(const df_row *row) {
    return (size_t)row->latent_h * (size_t)row->latent_w;
}

static void begin(df_row *row) {
    if (!row->started_ns) row->started_ns = df_clock_ns();
}

/* A prompt's bytes, or zeros. */
static void put_pooled(void *to, const df_row_text *text, size_t bytes) {
    if (text)
        memcpy(to, df_row_text_pooled(text), bytes);
    else
        memset(to, 0, bytes);
}

static void put_states(void *to, df_row_text *text, size_t bytes) {
    if (text)
        df_row_text_write_states(text, to);
    else
        memset(to, 0, bytes);
}

/* SDXL is told the size of the picture that it shall look like, where that was cropped, and its own; as diffusers does
 * by default, all are this picture's. */
static void put_time_ids(const df_row *row, double *to) {
    int factor = df_model_info_of(row->model)->vae_factor;
    double height = row->latent_h * factor, width = row->latent_w * factor;
    memcpy(to, (double[]) { height, width, 0, 0, height, width }, DF_ROW_TIME_IDS * sizeof *to);
}

/* An upscaler's class is its noise level; the last of a model that is guided by class is that of no class. */
static int class_of(const df_row *row, bool uncond) {
    if (df_model_low_res_scheduler(row->model)) return row->noise_level;
    return uncond ? df_model_info_of(row->model)->n_classes - 1 : row->class_label;
}

static void write_conditions(const df_row *row, const df_row_ports *ports, int64_t at, bool uncond, df_dtype dtype) {
    df_row_text *t = uncond ? row->uncond : row->cond;
    int chunks = row->cond ? df_row_text_chunks(row->cond) : 1;
    size_t text = (size_t)chunks * df_text_context_bytes(row->model, dtype),
           pooled = df_text_pooled_bytes(row->model, dtype);
    if (ports->text) put_states(row_at(ports->text, at, text), t, text);
    if (ports->pooled) put_pooled(row_at(ports->pooled, at, pooled), t, pooled);
    if (ports->time_ids) put_time_ids(row, ports->time_ids + at * DF_ROW_TIME_IDS);
    if (ports->class_labels) ports->class_labels[at] = class_of(row, uncond);
}

void df_row_begin_step(df_row *row) {
    begin(row);
    df_walk_write_sample(row->walk, row->work);
}

void df_row_write_input(df_row *row, int k, const df_row_ports *ports, int64_t at, df_dtype dtype) {
    size_t C = (size_t)df_model_info_of(row->model)->input_channels, plane = plane_of(row);
    df_activations_write(row_at(ports->sample, at, C * plane * df_dtype_bytes(dtype)), row->work, C, plane, dtype);
    ports->timestep[at] = (double)df_walk_timestep(row->walk);
    write_conditions(row, ports, at, row->n_model_rows == 2 && k == 0, dtype);
}

df_code df_row_take_output(df_row *row, const void *const out[], df_dtype dtype, df_err *err) {
    size_t C = (size_t)df_model_facts(row->model, DF_DENOISER)->denoiser.out_channels, plane = plane_of(row);
    float *first = row->work, *second = row->work + C * plane;
    bool guided = row->n_model_rows == 2;
    df_activations_read(first, out[0], C, plane, dtype);
    if (guided) df_activations_read(second, out[1], C, plane, dtype);
    df_walk_guide(row->walk, guided ? second : first, guided ? first : NULL);
    df_code rc = df_walk_step(row->walk, err);
    if (!rc) df_walk_blend(row->walk);
    return rc;
}

void df_row_write_picture(df_row *row, void *image, df_dtype dtype) {
    size_t factor = (size_t)df_model_info_of(row->model)->vae_factor;
    begin(row);
    df_activations_write(image, df_walk_picture(row->walk), 3, factor * factor * plane_of(row), dtype);
}

df_code df_row_take_moments(df_row *row, const void *moments, df_dtype dtype, df_err *err) {
    size_t C = 2 * (size_t)df_model_info_of(row->model)->latent_channels;
    df_activations_read(row->work, moments, C, plane_of(row), dtype);
    return df_walk_take_moments(row->walk, row->work, err);
}

void df_row_write_latents(df_row *row, void *z, df_dtype dtype) {
    size_t C = (size_t)df_model_info_of(row->model)->latent_channels;
    df_walk_write_z(row->walk, row->work);
    df_activations_write(z, row->work, C, plane_of(row), dtype);
}

const float *df_row_latents_as_picture(df_row *row) {
    size_t C = (size_t)df_model_info_of(row->model)->latent_channels;
    df_activations_write(row->work, df_walk_latents(row->walk), C, plane_of(row), DF_F32);
    return row->work;
}
