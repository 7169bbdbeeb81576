#include "coordinator/simulate/truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/row.h"
#include "coordinator/simulate/png.h"

#define MODEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MANIFEST "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static void make_row(df_sim_row *r, int job, uint64_t row, df_sim_random *random) {
    *r = (df_sim_row) { .side = df_sim_chance(random, 0.7) ? 8 : 12, .steps = df_sim_chance(random, 0.7) ? 4 : 8 };
    uint64_t number = (uint64_t)job * 1000 + row;
    r->shows = row % 7 == 6 ? row - 3 : row;
    r->png_bytes = df_sim_png(r->png, r->side, (uint64_t)job * 1000 + r->shows);
    df_sha256_of(r->png, r->png_bytes, r->png_sha256);
    df_sim_png(r->damaged, r->side, number + 1000000);
    snprintf(r->prompt, sizeof r->prompt, "prompt %" PRIu64, number);
    if (df_sim_chance(random, 0.2)) snprintf(r->name, sizeof r->name, "set-%" PRIu64 "/n%" PRIu64, row % 3, row);
}

void df_sim_job_make(df_sim_job *job, int number, df_sim_random *random) {
    *job = (df_sim_job) { .format = df_sim_chance(random, 0.25) ? "tar" : "png" };
    snprintf(job->id, sizeof job->id, "%016x", number + 1);
    snprintf(job->out_dir, sizeof job->out_dir, "/data/new/out-%d", number);
    job->n_rows = (uint64_t)df_sim_between(random, 1, df_sim_chance(random, 0.2) ? DF_SIM_MAX_ROWS : 12);
    job->is_shared = job->n_rows % 3 == 1;
    job->murderer = -1;
    for (uint64_t i = 0; i < job->n_rows; i++) make_row(&job->rows[i], number, i, random);
}

void df_sim_job_spec(const df_sim_job *job, Diffarm__JobSpec *spec) {
    diffarm__job_spec__init(spec);
    spec->job_id = (char *)job->id;
    spec->title = (char *)"simulated.jsonl";
    spec->out_dir = (char *)job->out_dir;
    spec->model_path = (char *)"/models/a";
    spec->model_name = (char *)"a";
    spec->model_sha256 = (char *)MODEL;
    spec->dtype = (char *)"f32";
    spec->noise = (char *)"torch-cpu";
    spec->format = (char *)job->format;
    spec->shared_sink = job->is_shared;
    spec->priority = job->priority;
    spec->manifest_sha256 = (char *)MANIFEST;
}

void df_sim_job_row(const df_sim_job *job, uint64_t row, Diffarm__Row *out) {
    const df_sim_row *r = &job->rows[row];
    diffarm__row__init(out);
    out->row = row;
    out->line = row + 1;
    out->prompt = (char *)r->prompt;
    out->name = (char *)r->name;
    out->seed = row;
    out->width = out->height = r->side;
    out->steps = r->steps;
    out->guidance = 7.5;
    out->task = (char *)"txt2img";
}

uint64_t df_sim_row_pixels(const df_sim_row *row) {
    return row->shows << 8 | row->side; /* never 0 */
}

void df_sim_job_path(const df_sim_job *job, uint64_t row, char *out, size_t bytes) {
    char path[DF_ROW_PATH_BYTES];
    snprintf(out, bytes, "%s/%s", job->out_dir, df_row_path(path, row, job->rows[row].name));
}
