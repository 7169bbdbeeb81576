#include "client/bench/scale/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/bench/scale/run.h"
#include "client/exit_code.h"
#include "client/job_options.h"
#include "engine/backend/backend.h"
#include "worker/version.h"

enum { MOST_RENDER_OPTIONS = 1000 };

static df_code join(char *out, size_t out_bytes, char *const *words, int n, df_err *err) {
    size_t length = 0;
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        int wrote = snprintf(out + length, out_bytes - length, "%s%s", i ? " " : "", words[i]);
        length += (size_t)wrote;
        if (length >= out_bytes) return df_err_set(err, DF_ELIMIT, "render options: up to %zu bytes", out_bytes - 1);
    }
    return DF_OK;
}

static int usage(const char *text) {
    fprintf(stderr, "diffarm: error: %s\n", text);
    return DF_EXIT_USAGE;
}

/* As the command line of `submit` would be parsed. */
static int parse_job(df_job_options *job, const df_scale_options *o, const char *manifest) {
    char *argv[MOST_RENDER_OPTIONS + 8] = {
        (char *)"diffarm bench scale --", (char *)manifest, (char *)"-m", (char *)o->model, (char *)"-o", (char *)o->out
    };
    int argc = 6;
    if (o->n_render > MOST_RENDER_OPTIONS) return usage("more than 1000 render options");
    for (int i = 0; i < o->n_render; i++) argv[argc++] = o->render[i];
    df_job_options_init(job);
    df_options_parse(&df_job_argp, argc, argv, job);
    if (job->render.workers || job->render.pipeline || job->dry_run)
        return usage("--workers, --pipeline and --dry-run go before --: they are options of `bench scale`");
    if (job->render.count != 1) return usage("--count is not for a scaling test: --pictures says how many there are");
    return DF_EXIT_OK;
}

static df_code setting_of(df_scale_setting *s, const df_scale_options *o, const df_job_options *job,
                          const df_draft *draft, df_err *err) {
    *s = (df_scale_setting) { .weak = o->weak,
                              .slurm = o->slurm,
                              .pictures = o->pictures,
                              .threads = o->threads,
                              .width = draft->max_width,
                              .height = draft->max_height,
                              .steps = (int)job->render.steps };
    snprintf(s->model, sizeof s->model, "%s", draft->spec.model_name);
    snprintf(s->model_sha256, sizeof s->model_sha256, "%s", draft->spec.model_sha256);
    snprintf(s->dtype, sizeof s->dtype, "%s", draft->spec.dtype);
    snprintf(s->software, sizeof s->software, "%s", DF_SOFTWARE);
    return join(s->options, sizeof s->options, o->render, o->n_render, err);
}

static void foretell_of(df_foretell *f, const df_scale_options *o, const df_job_options *job, const df_draft *draft) {
    const df_model_info *info = df_model_info_of(draft->model);
    df_arithmetic arithmetic = { .dtype = DF_F32 };
    df_arithmetic_of(job->render.dtype, &arithmetic); /* the options have looked */
    *f = (df_foretell) { .width = draft->max_width,
                         .height = draft->max_height,
                         .dtype = arithmetic.dtype,
                         .steps = (int)job->render.steps,
                         .micro_batch = job->render.micro_batch,
                         .unguided = !(job->render.guidance > 1) || !(info->max_tokens || info->n_classes),
                         .pictures = o->pictures,
                         .weak = o->weak };
}

static int check_draft(const df_scale_options *o, const char *manifest, df_scale_setting *setting,
                       df_foretell *foretell) {
    static df_job_options job; /* large */
    df_err err;
    int code = parse_job(&job, o, manifest);
    df_draft *draft = code ? NULL : df_draft_from_options(&job, &code);
    if (!draft) return code;
    foretell_of(foretell, o, &job, draft);
    if (setting_of(setting, o, &job, draft, &err)) code = df_exit_with(&err);
    df_draft_free(&draft);
    return code;
}

/* The largest manifest's first lines stand for all: they differ in numbers alone. */
static int check_with_manifest(const df_scale_options *o, df_scale_setting *setting, df_foretell *foretell,
                               bool prompts) {
    enum { SOME = 16 };
    char dir[] = "/tmp/diffarm-scale-XXXXXX", path[64];
    df_err err = { 0 };
    if (!mkdtemp(dir)) return usage("/tmp: no folder can be made");
    snprintf(path, sizeof path, "%s/manifest.jsonl", dir);
    int code = df_scale_manifest_write(path, SOME, prompts, &err) ? df_exit_with(&err)
                                                                  : check_draft(o, path, setting, foretell);
    df_file_remove_tree(dir, NULL);
    return code;
}

int df_scale_check(const df_scale_options *o, df_scale_setting *setting, df_foretell *foretell, df_model **model,
                   bool *prompts) {
    const df_model_options how = { .tokenizer_optional = true }; /* no text is read with this one */
    df_err err;
    if (df_model_open_with(model, o->model, &how, &err)) return df_exit_with(&err);
    *prompts = df_model_info_of(*model)->max_tokens > 0;
    int code = check_with_manifest(o, setting, foretell, *prompts);
    foretell->model = *model;
    if (code) df_model_close(model);
    return code;
}
