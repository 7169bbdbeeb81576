#include "client/draft.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/model_check.h"
#include "client/prompt_limit.h"
#include "cluster/row_text.h"
#include "engine/adapters/int8_scales.h"
#include "engine/backend/backend.h"

/* Length, then bytes: no two sequences of messages give the same stream. */
static void hash_packed(df_sha256 *hash, const ProtobufCMessage *msg, uint8_t *space) {
    size_t n = protobuf_c_message_pack(msg, space);
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)n >> 8 * i);
    df_sha256_add(hash, length, sizeof length);
    df_sha256_add(hash, space, n);
}

static df_code hash_message(df_sha256 *hash, const ProtobufCMessage *msg, df_err *err) {
    uint8_t small[4096], *space = small;
    size_t n = protobuf_c_message_get_packed_size(msg);
    if (n > sizeof small && !(space = malloc(n))) return df_err_set(err, DF_ENOMEM, "hash of %zu bytes", n);
    hash_packed(hash, msg, space);
    if (space != small) free(space);
    return DF_OK;
}

df_sha256 *df_draft_hash_begin(const Diffarm__JobSpec *spec) {
    Diffarm__JobSpec what = DIFFARM__JOB_SPEC__INIT;
    what.model_sha256 = spec->model_sha256;
    what.dtype = spec->dtype;
    what.noise = spec->noise;
    what.format = spec->format;
    what.no_t5 = spec->no_t5;
    what.long_prompts = spec->long_prompts;
    what.prompt_weights = spec->prompt_weights;
    what.fast_conv = spec->fast_conv;
    what.backend = spec->backend;
    df_sha256 *hash = df_sha256_new();
    if (hash && hash_message(hash, &what.base, NULL)) df_sha256_end(&hash, (char[DF_SHA256_HEX_BYTES]) { 0 });
    return hash;
}

/* Of a file that a row needs the content counts, not the place. */
static Diffarm__Input *content_of(Diffarm__Input *out, const Diffarm__Input *in) {
    if (!in) return NULL;
    *out = *in;
    out->path = (char *)"";
    return out;
}

typedef struct adapters {
    Diffarm__Adapter at[DF_ROW_ADAPTERS], *list[DF_ROW_ADAPTERS];
    Diffarm__Input file[DF_ROW_ADAPTERS];
} adapters;

static Diffarm__Adapter **contents_of(adapters *out, const Diffarm__Row *row) {
    for (size_t i = 0; i < row->n_adapters; i++) {
        out->at[i] = *row->adapters[i];
        out->at[i].file = content_of(&out->file[i], row->adapters[i]->file);
        out->list[i] = &out->at[i];
    }
    return out->list;
}

df_code df_draft_hash_row(df_sha256 *hash, const Diffarm__Row *row, df_err *err) {
    Diffarm__Row what = *row;
    Diffarm__Input image, mask;
    what.line = 0;
    what.image = content_of(&image, row->image);
    what.mask = content_of(&mask, row->mask);
    adapters of_row;
    what.adapters = contents_of(&of_row, row);
    return hash_message(hash, &what.base, err);
}

typedef struct first_pass {
    df_draft *job;
    df_sha256 *hash;
    df_prompt_limit limit;
} first_pass;

static df_code take_row(void *ctx, const Diffarm__Row *row, df_err *err) {
    first_pass *f = ctx;
    df_draft *job = f->job;
    job->total_pixels += (uint64_t)row->width * row->height;
    job->total_steps += row->steps;
    if ((int)row->width > job->max_width) job->max_width = (int)row->width;
    if ((int)row->height > job->max_height) job->max_height = (int)row->height;
    df_code rc = df_prompt_limit_check(&f->limit, row, stderr, err);
    return rc ? rc : df_draft_hash_row(f->hash, row, err);
}

static df_code walk_once(df_draft *job, const df_draft_request *rq, df_problems *problems, df_err *err) {
    uint64_t before = problems->n;
    char hex[DF_SHA256_HEX_BYTES];
    first_pass f = { .job = job,
                     .hash = df_draft_hash_begin(&job->spec),
                     .limit = { .model = job->model, .syntax = rq->syntax } };
    if (!f.hash) return df_err_set(err, DF_ENOMEM, "hash of the manifest");
    df_code rc = df_rows_each(&job->rows, problems, take_row, &f, &job->n_rows, err);
    df_sha256_end(&f.hash, hex);
    df_prompt_limit_end(&f.limit, stderr);
    if (rc) return rc;
    job->spec.manifest_sha256 = df_arena_strdup(job->texts, hex);
    if (!job->spec.manifest_sha256) return df_err_set(err, DF_ENOMEM, "a job");
    if (problems->n > before && !rq->lenient) return df_err_set(err, DF_EINVAL, "nothing was started");
    if (!job->n_rows) return df_err_set(err, DF_EINVAL, "%s: no pictures in it", job->spec.title);
    return DF_OK;
}

/* Absolute, so that it means the same to coordinator and workers; it need not exist. */
static char *absolute(df_arena *a, const char *path) {
    if (*path == '/') return df_arena_strdup(a, path);
    char *here = getcwd(NULL, 0), *out = here ? df_arena_printf(a, "%s/%s", here, path) : NULL;
    free(here);
    return out;
}

static char *last_part(df_arena *a, const char *path) {
    char *copy = df_arena_strdup(a, path);
    if (!copy) return NULL;
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--) copy[n - 1] = '\0';
    char *slash = strrchr(copy, '/');
    return slash && slash[1] ? slash + 1 : copy;
}

static df_code fill_spec(df_draft *job, const df_draft_request *rq, df_err *err) {
    Diffarm__JobSpec *s = &job->spec;
    df_arena *a = job->texts;
    char *real = realpath(rq->model, NULL), hex[DF_SHA256_HEX_BYTES];
    df_code rc = df_model_sha256(job->model, hex, err);
    if (!rc) {
        const df_render_options *o = rq->options;
        s->job_id = (char *)"";
        s->title = df_arena_strdup(a, job->rows.manifest ? df_manifest_title(job->rows.manifest) : "prompts");
        s->out_dir = absolute(a, rq->out);
        s->model_path = real ? df_arena_strdup(a, real) : absolute(a, rq->model);
        s->model_name = s->model_path ? last_part(a, s->model_path) : NULL;
        s->model_sha256 = df_arena_strdup(a, hex);
        s->no_t5 = rq->no_t5;
        s->long_prompts = rq->syntax.chunks;
        s->prompt_weights = rq->syntax.weights;
        s->fast_conv = o->fast_conv;
        s->shared_sink = o->shared_sink;
        s->model_config = rq->config_dir ? absolute(a, rq->config_dir) : (char *)"";
        s->dtype = (char *)o->dtype;
        s->backend = strcmp(o->backend, "cpu") ? (char *)o->backend : (char *)"";
        s->noise = (char *)o->noise;
        s->format = (char *)o->format;
        s->micro_batch = (uint32_t)o->micro_batch;
        bool whole = s->title && s->out_dir && s->model_path && s->model_name && s->model_sha256 && s->model_config;
        if (!whole) rc = df_err_set(err, DF_ENOMEM, "a job");
    }
    free(real);
    return rc;
}

/* Files that lines name lie below the folder of the manifest, or the one that was given. */
static df_code open_files(df_draft *job, const df_draft_request *rq, df_err *err) {
    const char *slash = rq->manifest ? strrchr(rq->manifest, '/') : NULL;
    char *folder = rq->inputs_dir ? df_arena_strdup(job->texts, rq->inputs_dir)
                   : slash        ? df_arena_printf(job->texts, "%.*s", (int)(slash - rq->manifest), rq->manifest)
                                  : df_arena_strdup(job->texts, ".");
    char *whole = folder ? absolute(job->texts, *folder ? folder : "/") : NULL;
    job->files = whole ? df_input_files_new(whole) : NULL;
    return job->files ? DF_OK : df_err_set(err, DF_ENOMEM, "a job");
}

static bool place_adapters(df_line_adapters *list, df_arena *a) {
    bool whole = true;
    for (int i = 0; i < list->n; i++) whole = (list->at[i].file = absolute(a, list->at[i].file)) && whole;
    return whole;
}

/* Files that options name lie where the command is given, whatever the manifest's folder. */
static bool place_files(df_line *line, df_arena *a) {
    bool whole = true;
    if (line->given & DF_GIVEN_IMAGE) whole = (line->image = absolute(a, line->image));
    if (line->given & DF_GIVEN_MASK) whole = (line->mask = absolute(a, line->mask)) && whole;
    return place_adapters(&line->lora, a) && place_adapters(&line->embedding, a) && whole;
}

/* "FILE:WEIGHT" may be the name of a file as well. */
static bool trust_lora(df_input_files *files, const char *text, df_arena *a) {
    df_adapter_use use;
    char *copy = df_arena_strdup(a, text);
    return copy && df_input_files_trust(files, text) &&
           (!df_adapter_parse(copy, &use) || df_input_files_trust(files, use.path));
}

/* Whoever gives an option knows the file; whoever gives a manifest may have it from a stranger. */
static bool trust_files(df_input_files *files, const df_line *line, df_arena *a) {
    bool whole = true;
    if (line->given & DF_GIVEN_IMAGE) whole = df_input_files_trust(files, line->image);
    if (line->given & DF_GIVEN_MASK) whole = df_input_files_trust(files, line->mask) && whole;
    for (int i = 0; i < line->lora.n; i++) whole = trust_lora(files, line->lora.at[i].file, a) && whole;
    for (int i = 0; i < line->embedding.n; i++)
        whole = df_input_files_trust(files, line->embedding.at[i].file) && whole;
    return whole;
}

static df_code check_arithmetic(const df_render_options *o, df_err *err) {
    df_arithmetic how = { 0 };
    df_arithmetic_of(o->dtype, &how);
    if (o->fast_conv && how.dtype != DF_BF16)
        return df_err_set(err, DF_EINVAL,
                          "--fast-conv is for --dtype bf16 and int8: in %s convolutions are fast anyway", o->dtype);
    if (o->int8_scales && !how.int8)
        return df_err_set(err, DF_EINVAL, "--int8-scales is for --dtype int8, not %s", o->dtype);
    return DF_OK;
}

/* The same for every row of the job. */
static df_code take_int8_scales(df_draft *job, const df_draft_request *rq, df_err *err) {
    df_arithmetic how = { 0 };
    char found[PATH_MAX];
    df_input_file *file = &job->int8_scales;
    df_int8_scales *scales = NULL;
    df_arithmetic_of(job->spec.dtype, &how);
    if (!how.int8) return DF_OK;
    df_code rc = df_int8_scales_find(found, sizeof found, rq->model, rq->options->int8_scales, err);
    if (!rc && !(file->path = absolute(job->texts, found))) rc = df_err_set(err, DF_ENOMEM, "a job");
    const df_adapter_use use = { .kind = DF_ADAPTER_INT8_SCALES, .path = file->path };
    if (!rc) rc = df_int8_scales_open(&scales, file->path, err);
    if (!rc) rc = df_int8_scales_check_model(scales, job->spec.model_sha256, err);
    if (!rc) rc = df_model_check_adapter(job->model, &use, err);
    if (!rc) rc = df_sha256_file(file->path, file->sha256, err);
    if (!rc) job->rows.defaults.int8_scales = file;
    df_int8_scales_close(&scales);
    return rc;
}

static df_line defaults_of(const df_render_options *o, const df_model_info *info) {
    df_line line = o->asked;
    bool sized = o->width > 0;
    line.prompt = "";
    line.negative = o->negative;
    line.scheduler = o->scheduler;
    line.width = sized ? o->width : info->default_width;
    line.height = sized ? o->height : info->default_height;
    line.steps = o->steps;
    line.count = o->count;
    line.seed = o->seed;
    line.guidance = o->guidance;
    line.given |=
        (sized ? DF_GIVEN_SIZE : 0u) | (o->seed_given ? DF_GIVEN_SEED : 0u) | (*o->negative ? DF_GIVEN_NEGATIVE : 0u);
    return line;
}

static df_code fill_rows(df_draft *job, const df_draft_request *rq, df_err *err) {
    df_code rc = open_files(job, rq, err);
    if (rc) return rc;
    df_line line = defaults_of(rq->options, df_model_info_of(job->model));
    if (!place_files(&line, job->texts) || !trust_files(job->files, &line, job->texts))
        return df_err_set(err, DF_ENOMEM, "a job");
    job->rows.prompts = rq->prompts;
    job->rows.n_prompts = rq->n_prompts;
    job->rows.defaults =
        (df_row_defaults) { .line = line, .model = job->model, .files = job->files, .syntax = rq->syntax };
    return rq->manifest ? df_manifest_open(&job->rows.manifest, rq->manifest, err) : DF_OK;
}

df_code df_draft_prepare(df_draft **out, const df_draft_request *rq, df_problems *problems, df_err *err) {
    df_code rc;
    df_draft *job = calloc(1, sizeof *job);
    if (!job) return df_err_set(err, DF_ENOMEM, "a job");
    diffarm__job_spec__init(&job->spec);
    if (!(job->texts = df_arena_new())) {
        rc = df_err_set(err, DF_ENOMEM, "a job");
        goto fail;
    }
    if ((rc = check_arithmetic(rq->options, err))) goto fail;
    const df_model_options how = { .config_dir = rq->config_dir, .no_t5 = rq->no_t5 };
    if ((rc = df_model_open_with(&job->model, rq->model, &how, err))) goto fail;
    if ((rc = df_model_check(job->model, err))) goto fail;
    if ((rc = df_row_text_check(job->model, &rq->syntax, err))) goto fail;
    if ((rc = fill_rows(job, rq, err))) goto fail;
    if ((rc = fill_spec(job, rq, err))) goto fail;
    if ((rc = take_int8_scales(job, rq, err))) goto fail;
    if ((rc = walk_once(job, rq, problems, err))) goto fail;
    *out = job;
    return DF_OK;
fail:
    df_draft_free(&job);
    return rc;
}

void df_draft_free(df_draft **job) {
    if (!*job) return;
    df_manifest_close(&(*job)->rows.manifest);
    df_model_close(&(*job)->model);
    df_input_files_free(&(*job)->files);
    df_arena_free(&(*job)->texts);
    free(*job);
    *job = NULL;
}
