#include "worker/png_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/version.h"

/* manifest name, name in the web interfaces */
static const char *const samplers[][2] = {
    { "ddpm", "DDPM" },
    { "ddim", "DDIM" },
    { "pndm", "PLMS" },
    { "lms", "LMS" },
    { "euler", "Euler" },
    { "euler_a", "Euler a" },
    { "heun", "Heun" },
    { "dpmpp_2m", "DPM++ 2M" },
    { "dpmpp_2m_karras", "DPM++ 2M Karras" },
    { "dpmpp_sde", "DPM++ SDE" },
    { "unipc", "UniPC" },
    { "lcm", "LCM" },
};

static const char *sampler_of(const char *scheduler) {
    for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++)
        if (!strcmp(samplers[i][0], scheduler)) return samplers[i][1];
    return scheduler;
}

void df_print_real(df_buf *out, double x) {
    char text[400];
    for (int decimals = 1; decimals <= 17; decimals++) {
        snprintf(text, sizeof text, "%.*f", decimals, x);
        if (strtod(text, NULL) == x) break;
    }
    if (strtod(text, NULL) != x) snprintf(text, sizeof text, "%.17g", x); /* very small ones */
    df_buf_puts(out, text);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* " <lora:style:0.8>" behind the prompt, as the web interfaces ask for them. */
static void put_lora_marks(df_buf *out, const Diffarm__Row *row) {
    static const char ending[] = ".safetensors";
    for (size_t i = 0; i < row->n_adapters; i++) {
        const Diffarm__Adapter *a = row->adapters[i];
        if (a->kind != DIFFARM__ADAPTER__KIND__LORA) continue;
        const char *name = file_name(a->file->path);
        size_t n = strlen(name), tail = sizeof ending - 1;
        if (n > tail && !strcmp(name + n - tail, ending)) n -= tail;
        df_buf_printf(out, " <lora:%.*s:", (int)n, name);
        df_print_real(out, a->weight);
        df_buf_puts(out, ">");
    }
}

void df_png_parameters(df_buf *out, const Diffarm__Row *row, const Diffarm__JobSpec *job, const char *scheduler) {
    df_buf_puts(out, row->prompt);
    put_lora_marks(out, row);
    df_buf_puts(out, "\n");
    if (row->negative[0]) df_buf_printf(out, "Negative prompt: %s\n", row->negative);
    df_buf_printf(out, "Steps: %" PRIu32 ", Sampler: %s, CFG scale: ", row->steps, sampler_of(scheduler));
    df_print_real(out, row->guidance);
    if (row->strength > 0) {
        df_buf_puts(out, ", Denoising strength: ");
        df_print_real(out, row->strength);
    }
    df_buf_printf(
        out, ", Seed: %" PRIu64 ", Size: %" PRIu32 "x%" PRIu32 ", Model hash: %.10s, Model: %s, Version: " DF_SOFTWARE,
        row->seed, row->width, row->height, job->model_sha256, job->model_name);
}

/* JSON string; UTF-8 goes through as it is. */
static void put_string(df_buf *out, const char *text) {
    df_buf_puts(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            df_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            df_buf_puts(out, "\\n");
        else if (c < 0x20)
            df_buf_printf(out, "\\u%04x", c);
        else
            df_buf_add(out, text, 1);
    }
    df_buf_puts(out, "\"");
}

static void put_field(df_buf *out, const char *key, const char *text) {
    df_buf_printf(out, ", \"%s\": ", key);
    put_string(out, text);
}

static void put_true(df_buf *out, const char *key, bool on) {
    if (on) df_buf_printf(out, ", \"%s\": true", key);
}

static void put_real(df_buf *out, const char *key, double x) {
    if (x == 0) return;
    df_buf_printf(out, ", \"%s\": ", key);
    df_print_real(out, x);
}

static void put_adapters(df_buf *out, const char *key, const Diffarm__Row *row, Diffarm__Adapter__Kind kind) {
    int n = 0;
    for (size_t i = 0; i < row->n_adapters; i++) {
        const Diffarm__Adapter *a = row->adapters[i];
        if (a->kind != kind) continue;
        if (n++)
            df_buf_puts(out, ", {\"file\": ");
        else
            df_buf_printf(out, ", \"%s\": [{\"file\": ", key);
        put_string(out, file_name(a->file->path));
        put_field(out, "sha256", a->file->sha256);
        if (kind == DIFFARM__ADAPTER__KIND__LORA) {
            df_buf_puts(out, ", \"weight\": ");
            df_print_real(out, a->weight);
        } else if (kind == DIFFARM__ADAPTER__KIND__EMBEDDING) {
            put_field(out, "name", a->name);
        }
        df_buf_puts(out, "}");
    }
    if (n) df_buf_puts(out, "]");
}

/* What the task has beside text; the content of its files, not their place. Zeros are left out. */
static void put_task(df_buf *out, const Diffarm__Row *row) {
    if (row->image) put_field(out, "image_sha256", row->image->sha256);
    if (row->mask) put_field(out, "mask_sha256", row->mask->sha256);
    put_real(out, "strength", row->strength);
    if (!strcmp(row->task, "class")) df_buf_printf(out, ", \"class\": %" PRIu32, row->class_label);
    if (row->noise_level) df_buf_printf(out, ", \"noise_level\": %" PRIu32, row->noise_level);
    put_real(out, "guidance_rescale", row->guidance_rescale);
    put_real(out, "eta", row->eta);
    put_adapters(out, "lora", row, DIFFARM__ADAPTER__KIND__LORA);
    put_adapters(out, "embedding", row, DIFFARM__ADAPTER__KIND__EMBEDDING);
    put_adapters(out, "int8_scales", row, DIFFARM__ADAPTER__KIND__INT8_SCALES);
}

void df_png_provenance(df_buf *out, const Diffarm__Row *row, const Diffarm__JobSpec *job, const char *scheduler,
                       const char *backend, bool made_in_f32) {
    df_buf_puts(out, "{\"prompt\": ");
    put_string(out, row->prompt);
    put_field(out, "negative", row->negative);
    df_buf_printf(
        out, ", \"seed\": %" PRIu64 ", \"size\": \"%" PRIu32 "x%" PRIu32 "\", \"steps\": %" PRIu32 ", \"guidance\": ",
        row->seed, row->width, row->height, row->steps);
    df_print_real(out, row->guidance);
    put_field(out, "scheduler", scheduler);
    put_field(out, "task", row->task);
    put_task(out, row);
    df_buf_printf(out, ", \"row\": %" PRIu64, row->row);
    put_field(out, "name", row->name);
    put_field(out, "model", job->model_name);
    put_field(out, "model_sha256", job->model_sha256);
    put_field(out, "dtype", job->dtype);
    put_field(out, "noise", job->noise);
    put_true(out, "no_t5", job->no_t5);
    put_true(out, "long_prompts", job->long_prompts);
    put_true(out, "prompt_weights", job->prompt_weights);
    put_true(out, "fast_conv", job->fast_conv);
    put_true(out, "made_in_f32", made_in_f32);
    put_field(out, "backend", backend);
    put_field(out, "software", DF_SOFTWARE);
    df_buf_puts(out, "}");
}
