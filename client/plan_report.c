#include "client/plan_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "client/exit_code.h"
#include "client/report.h"
#include "cluster/halves.h"
#include "cluster/model_plan.h"
#include "coordinator/tar_shard.h"
#include "engine/backend/backend.h"
#include "worker/defaults.h"

#define MIB (1024.0 * 1024.0)
#define SAMPLE_BYTES 4096 /* what a picture takes in a shard beside its own: heads, padding, KEY.json, KEY.txt */
#define METADATA_BYTES 900 /* of one picture in metadata.jsonl and runs.jsonl, about */

typedef struct rank_need {
    double weights, activations; /* bytes */
    double share; /* of the U-Net's arithmetic */
} rank_need;

typedef struct needs {
    int n_ranks, n_halves, n_slots, n_rows; /* n_rows: of a micro-batch */
    df_backend_cfg cfg; /* weights and activations are of its dtype */
    rank_need *rank;
} needs;

static void add_component(needs *n, const df_model_plan *plan, df_component c) {
    const df_component_plan *of = &plan->component[c];
    for (int r = 0; of->plan && r < n->n_ranks; r++) {
        int stage = r % plan->n_ranks;
        n->rank[r].weights += (double)of->plan->stage[stage].weight_bytes;
        n->rank[r].activations += (double)of->activation_bytes[stage];
        if (c == DF_DENOISER) n->rank[r].share = of->plan->stage[stage].share;
    }
}

/* As the ranks will plan it. */
static df_code find_needs(needs *n, const df_draft *job, df_err *err) {
    int f = df_model_info_of(job->model)->vae_factor;
    const df_graph_size size = { .latent_h = job->max_height / f, .latent_w = job->max_width / f };
    const df_backend *backend = df_backend_find(job->spec.backend); /* NULL: "", "any" */
    const df_plan_terms terms = { .n_ranks = n->n_ranks / n->n_halves,
                                  .backend = backend ? backend : &df_backend_cpu,
                                  .backend_cfg = n->cfg,
                                  .max_rows = (int)df_halves_most(n->n_halves, n->n_rows),
                                  .n_slots = n->n_slots };
    df_model_plan *plan = NULL;
    df_code rc = df_model_plan_new(&plan, job->model, &size, &terms, DF_COMPONENT_COUNT, err);
    for (df_component c = 0; !rc && c < DF_COMPONENT_COUNT; c++)
        if (c != DF_VAE_ENCODER) add_component(n, plan, c);
    df_model_plan_free(&plan);
    return rc;
}

static double free_bytes_at(const char *out_dir) {
    char *path = strdup(out_dir);
    struct statvfs fs;
    double bytes = -1;
    while (path && *path) { /* OUT may not be there yet: its nearest parent tells */
        if (!statvfs(path, &fs)) {
            bytes = (double)fs.f_bavail * (double)fs.f_frsize;
            break;
        }
        char *slash = strrchr(path, '/');
        if (!slash || slash == path) break;
        *slash = '\0';
    }
    free(path);
    return bytes;
}

static void print_text(const df_draft *job, const needs *n, int n_workers, double disk, double free_bytes) {
    const Diffarm__JobSpec *s = &job->spec;
    printf("pictures  %" PRIu64 ", %.1f steps each, up to %dx%d\n", job->n_rows,
           (double)job->total_steps / (double)job->n_rows, job->max_width, job->max_height);
    printf("model     %s (%s)\n", s->model_path, s->model_sha256);
    printf("plan      %d worker%s of %d rank%s%s, %d pictures together, %d in flight\n", n_workers,
           n_workers == 1 ? "" : "s", n->n_ranks, n->n_ranks == 1 ? "" : "s", n->n_halves > 1 ? " in two halves" : "",
           n->n_rows / 2, n->n_rows / 2 * n->n_slots);
    for (int i = 0; i < n->n_ranks; i++)
        printf("  rank %d  %.1f %% of the U-Net, weights %.1f MiB, activations %.1f MiB\n", i, 100 * n->rank[i].share,
               n->rank[i].weights / MIB, n->rank[i].activations / MIB);
    printf("disk      at most %.1f MiB in %s", disk / MIB, s->out_dir);
    if (free_bytes >= 0) printf(" (%.0f MiB free)", free_bytes / MIB);
    printf("\ntime      not known before the first pictures; `diffarm watch` shows it then\n");
}

static void print_json(const df_draft *job, const needs *n, int n_workers, double disk, double free_bytes) {
    json_t *ranks = json_array();
    for (int i = 0; i < n->n_ranks; i++)
        json_array_append_new(ranks, json_pack("{s:f, s:I, s:I}", "unet_share", n->rank[i].share, "weight_bytes",
                                               (json_int_t)n->rank[i].weights, "activation_bytes",
                                               (json_int_t)n->rank[i].activations));
    df_report_print_json(json_pack("{s:I, s:I, s:s, s:s, s:s, s:i, s:o, s:I, s:I}", "images", (json_int_t)job->n_rows,
                                   "steps", (json_int_t)job->total_steps, "model", job->spec.model_path, "model_sha256",
                                   job->spec.model_sha256, "manifest_sha256", job->spec.manifest_sha256, "workers",
                                   n_workers, "ranks", ranks, "disk_bytes", (json_int_t)disk, "disk_free_bytes",
                                   (json_int_t)free_bytes));
}

static double disk_bytes(const df_draft *job) {
    double rows = (double)job->n_rows, pictures = 3.0 * (double)job->total_pixels, lists = METADATA_BYTES * rows;
    if (strcmp(job->spec.format, "tar") != 0) return pictures + lists;
    /* While a shard is packed, its pictures are there twice. */
    double in_one_shard = rows > DF_TAR_SHARD_ROWS ? pictures / rows * DF_TAR_SHARD_ROWS : pictures;
    return pictures + in_one_shard + lists + SAMPLE_BYTES * rows;
}

int df_plan_report(const df_draft *job, const df_job_options *o, int n_halves) {
    df_err err;
    df_code rc = DF_OK;
    df_arithmetic arithmetic = { 0 };
    df_arithmetic_of(job->spec.dtype, &arithmetic); /* the options have looked */
    int P = o->render.pipeline ? o->render.pipeline : 1, workers = o->render.workers ? o->render.workers : 1;
    needs n = {
        .n_ranks = P,
        .n_halves = n_halves,
        .n_slots = df_worker_slots(P, n_halves),
        .n_rows = 2 * df_worker_micro_batch(o->render.micro_batch, df_model_info_of(job->model)),
        .cfg = { .dtype = arithmetic.dtype, .threads = 1, .int8 = arithmetic.int8, .fast_conv = job->spec.fast_conv }
    };
    n.rank = calloc((size_t)P, sizeof *n.rank);
    if (!n.rank) rc = df_err_set(&err, DF_ENOMEM, "a plan");
    if (!rc) rc = find_needs(&n, job, &err);
    double disk = disk_bytes(job);
    double free_bytes = free_bytes_at(job->spec.out_dir);
    if (!rc && o->output == DF_OUTPUT_JSON) print_json(job, &n, workers, disk, free_bytes);
    if (!rc && o->output == DF_OUTPUT_TEXT) print_text(job, &n, workers, disk, free_bytes);
    free(n.rank);
    return rc ? df_exit_with(&err) : DF_EXIT_OK;
}
