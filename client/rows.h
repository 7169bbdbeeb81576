/* Rows: the pictures that a manifest, or a list of prompts, asks for, with every default filled in.
 *
 *   df_rows_each(&src, &problems, take_row, ctx, &n, &err);     calls take_row for each picture, in order
 *
 * A line with count n gives n rows with seeds seed..seed+n-1; if it has a name and n > 1, their names are NAME-0000,
 * NAME-0001, ... (as many digits as n - 1 needs, at least four). A line without a seed gets one from the job's seed and
 * its number (df_seed_of_line). Prompts of the command line count as lines 1, 2, ...; there an explicit --seed is used
 * as it is. Rows are the same on every pass: what they mean never depends on when or where they are resolved. */
#ifndef DF_CLIENT_ROWS_H
#define DF_CLIENT_ROWS_H

#include "client/input_files.h"
#include "client/manifest.h"
#include "engine/models/model.h"
#include "farm.pb-c.h"

/* What lines leave open: `line` holds the values, its `given` those that an option set (a seed there is the job's). The
 * model's own size, DF_DEFAULT_STEPS and so on are filled in without being given. */
typedef struct df_row_defaults {
    df_line line;
    const df_model *model; /* borrowed */
    df_input_files *files; /* borrowed */
    df_prompt_syntax syntax; /* of all prompts; weights that cannot be are problems of their line */
    const df_input_file *int8_scales; /* of the whole job, borrowed; NULL: none */
} df_row_defaults;

/* What a line may ask for, and int8 scales. */
enum { DF_ROW_ADAPTERS = DF_MAX_ADAPTERS + 1 };

typedef struct df_row_source {
    df_manifest *manifest; /* borrowed; NULL: prompts */
    const char *const *prompts; /* none, and no manifest: one row without text */
    int n_prompts;
    df_row_defaults defaults;
} df_row_source;

/* The row and its texts are borrowed for the call. An error ends the walk. */
typedef df_code (*df_row_fn)(void *ctx, const Diffarm__Row *row, df_err *err);

/* Bad lines go to problems and give no rows. */
df_code df_rows_each(const df_row_source *src, df_problems *problems, df_row_fn fn, void *ctx, uint64_t *n_rows,
                     df_err *err);

/* 32 bits, well mixed: the upper half of splitmix64's output for state job_seed + line * 0x9e3779b97f4a7c15. */
int64_t df_seed_of_line(int64_t job_seed, uint64_t line);

#endif
