/* diffarm slurm submit: a farm as batch jobs. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/exit_code.h"
#include "client/job_options.h"
#include "client/slurm/farm_folder.h"
#include "client/slurm/options.h"
#include "client/slurm/output.h"
#include "client/slurm/wait.h"

static void usage(FILE *to) {
    fputs("Usage: diffarm slurm submit MANIFEST -m MODEL -o OUT --nodes N --time T [OPTIONS] [-- RENDER OPTIONS]\n\n"
          "  submit       render a manifest as batch jobs\n\n"
          "`diffarm slurm submit --help' tells its options; docs/slurm.md the rest.\n",
          to);
}

/* A typing error costs a second here, and would cost a night in the queue: everything is checked as `submit` does. */
static int check_job(const df_slurm_options *o) {
    static df_job_options job; /* large */
    char *argv[DF_SLURM_MAX_RENDER_OPTIONS + 8] = { (char *)"diffarm slurm submit --",
                                                    (char *)o->manifest,
                                                    (char *)"-m",
                                                    (char *)o->model,
                                                    (char *)"-o",
                                                    (char *)o->out };
    int argc = 6, code = DF_EXIT_OK;
    if (o->n_render > DF_SLURM_MAX_RENDER_OPTIONS) {
        fprintf(stderr, "diffarm: error: more than %d render options\n", DF_SLURM_MAX_RENDER_OPTIONS);
        return DF_EXIT_USAGE;
    }
    for (int i = 0; i < o->n_render; i++) argv[argc++] = o->render[i];
    df_job_options_init(&job);
    df_options_parse(&df_job_argp, argc, argv, &job);
    if (job.render.workers || job.render.pipeline || job.dry_run) {
        fprintf(stderr,
                "diffarm: error: --workers, --pipeline and --dry-run go before --, as options of `slurm submit`: "
                "--nodes, --pipeline, --dry-run\n");
        return DF_EXIT_USAGE;
    }
    df_draft *draft = df_draft_from_options(&job, &code);
    df_draft_free(&draft);
    return code;
}

static df_code launch(const char *dir, bool dry, char *out, size_t out_bytes, df_err *err) {
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/launch", dir);
    const char *argv[] = { "bash", path, dir, NULL }, *env[] = { "DRY_RUN=1", NULL };
    return df_output_of(argv, dry ? env : NULL, out, out_bytes, err);
}

/* What would be submitted and run. The scripts look at the site's values as well, and at what is asked of its nodes. */
static df_code dry_run(const char *farm, const df_slurm_options *o, char *out, size_t out_bytes, df_err *err) {
    char dir[] = "/tmp/diffarm-dry-run-XXXXXX";
    if (!mkdtemp(dir)) return df_err_set(err, DF_EIO, "%s: cannot be made", dir);
    df_code rc = df_farm_folder_write(dir, farm, o, err);
    if (!rc) rc = launch(dir, true, out, out_bytes, err);
    df_file_remove_tree(dir, NULL);
    return rc;
}

static void print(const char *text) {
    fputs(text, stdout);
    fflush(stdout);
}

static int submit_and_wait(const char *farm, const df_slurm_options *o) {
    df_err err;
    char jobs[4096] = "";
    int code = DF_EXIT_OK;
    df_code rc = df_farm_folder_write(farm, farm, o, &err);
    if (!rc) rc = launch(farm, false, jobs, sizeof jobs, &err);
    print(jobs);
    if (rc) return df_exit_with(&err);
    if (!o->wait) return DF_EXIT_OK;
    rc = df_slurm_wait(farm, jobs, &code, &err);
    if (rc == DF_ECANCELLED) {
        fprintf(stderr, "diffarm: the farm goes on; %s/exit_code appears when the data set is whole\n", farm);
        return DF_EXIT_SOME_FAILED;
    }
    return rc ? df_exit_with(&err) : code;
}

/* Absolute, for it stands in scripts that run elsewhere. */
static df_code farm_path(const df_slurm_options *o, char out[PATH_MAX], df_err *err) {
    char given[PATH_MAX], here[PATH_MAX];
    size_t length = strlen(o->out);
    while (length > 1 && o->out[length - 1] == '/') length--;
    if (o->farm)
        snprintf(given, sizeof given, "%s", o->farm);
    else
        snprintf(given, sizeof given, "%.*s.farm", (int)length, o->out);
    if (!realpath(".", here)) return df_err_set(err, DF_EIO, "the current folder cannot be read");
    int n = *given == '/' ? snprintf(out, PATH_MAX, "%s", given) : snprintf(out, PATH_MAX, "%s/%s", here, given);
    return n < PATH_MAX ? DF_OK : df_err_set(err, DF_ELIMIT, "%s: path too long", given);
}

static int submit(int argc, char **argv) {
    df_err err;
    df_slurm_options o;
    char farm[PATH_MAX], plan[1 << 16] = "";
    df_slurm_options_parse(&o, argc, argv);
    int code = check_job(&o);
    if (code) return code;
    if (farm_path(&o, farm, &err)) return df_exit_with(&err);
    if (dry_run(farm, &o, plan, sizeof plan, &err)) return df_exit_with(&err);
    if (!o.dry_run) return submit_and_wait(farm, &o);
    print(plan);
    return DF_EXIT_OK;
}

int df_cmd_slurm(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "submit")) {
        argv[1] = (char *)"diffarm slurm submit";
        return submit(argc - 1, argv + 1);
    }
    bool asked = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "-h"));
    if (argc > 1 && !asked) fprintf(stderr, "diffarm slurm: '%s': `submit' must come first\n\n", argv[1]);
    usage(asked ? stdout : stderr);
    return asked ? DF_EXIT_OK : DF_EXIT_USAGE;
}
