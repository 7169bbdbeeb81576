/* A job, validated and ready to be sent: model, settings, rows.
 *
 *   df_draft_prepare(&job, &request, &problems, &err);     opens the model, walks all rows once; nothing is started
 *   df_rows_each(&job->rows, ...)                        the rows again, when they are sent
 *   df_draft_free(&job);
 *
 * manifest_sha256 is over settings that can change a picture (model, dtype, noise, format) and every resolved row, but
 * over no line number, path or micro-batch: the same pictures have the same hash, and nothing else has. */
#ifndef DF_CLIENT_DRAFT_H
#define DF_CLIENT_DRAFT_H

#include "base/arena.h"
#include "base/sha256.h"
#include "client/options.h"
#include "client/rows.h"
#include "engine/models/model.h"

typedef struct df_draft_request {
    const char *manifest; /* path, "-", or NULL */
    const char *const *prompts;
    int n_prompts;
    const char *model;
    const char *config_dir; /* of a model in one file, else NULL */
    bool no_t5;
    df_prompt_syntax syntax;
    const char *out;
    const char *inputs_dir; /* files that lines name lie below it; NULL: below the manifest's folder */
    bool lenient; /* bad lines are skipped and stay in problems */
    const df_render_options *options; /* borrowed */
} df_draft_request;

typedef struct df_draft {
    Diffarm__JobSpec spec; /* job_id is empty: the sender fills it in */
    df_row_source rows;
    uint64_t n_rows;
    uint64_t total_pixels, total_steps; /* over all rows, for estimates */
    int max_width, max_height;
    df_model *model;
    df_input_files *files; /* that rows name */
    bool upload; /* their content goes along when the job is sent */
    df_input_file int8_scales; /* path NULL: the job has none */
    df_arena *texts; /* of spec */
} df_draft;

/* DF_EINVAL when problems were found (they hold what). */
df_code df_draft_prepare(df_draft **out, const df_draft_request *request, df_problems *problems, df_err *err);
void df_draft_free(df_draft **job);

/* manifest_sha256 in the making: `begin` takes the spec, `row` each row in order; df_sha256_end gives it. */
df_sha256 *df_draft_hash_begin(const Diffarm__JobSpec *spec);
df_code df_draft_hash_row(df_sha256 *hash, const Diffarm__Row *row, df_err *err);

#endif
