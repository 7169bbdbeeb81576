/* diffarm render: a farm of its own, for one job, until it is done. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cores.h"
#include "client/backend_choice.h"
#include "client/costs_options.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/job_options.h"
#include "client/plan_report.h"
#include "client/render/farm.h"
#include "client/render/out_state.h"
#include "client/report.h"
#include "client/send.h"
#include "client/split_options.h"
#include "cluster/model_plan.h"
#include "engine/backend/backend.h"
#include "worker/advice.h"
#include "worker/defaults.h"

#define STALL_MS 1500 /* a job that cannot write for so long is given up, to be resumed */

enum { OPT_THREADS = 0x6000, OPT_CONTACT_SHEET, OPT_PACKED_CACHE, OPT_TRACE, OPT_LAUNCHER };

typedef struct render_options {
    df_job_options job;
    int threads;
    df_launcher launcher;
    const char *contact_sheet, *packed_dir, *trace;
    df_costs_options costs;
    df_split_options split;
} render_options;

static error_t parse(int key, char *arg, struct argp_state *state) {
    render_options *o = state->input;
    int launcher;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->job;
        state->child_inputs[1] = &o->costs;
        state->child_inputs[2] = &o->split;
        return 0;
    case OPT_THREADS: o->threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_TRACE: o->trace = arg; return 0;
    case OPT_LAUNCHER:
        if ((launcher = df_launcher_of(arg)) < 0)
            argp_error(state, "--launcher must be auto, mpirun or srun, not '%s'", arg);
        o->launcher = (df_launcher)launcher;
        return 0;
    case OPT_CONTACT_SHEET: o->contact_sheet = arg; return 0;
    case OPT_PACKED_CACHE: o->packed_dir = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "contact-sheet", OPT_CONTACT_SHEET, "FILE", 0, "Also write one PNG of all pictures", 0 },
    { "threads", OPT_THREADS, "T", 0, "Threads of each rank (its share of the cores)", 2 },
    { "trace", OPT_TRACE, "FILE", 0,
      "What every rank of the first worker did when, as a Chrome trace (Perfetto opens it); of others FILE-2, ...", 2 },
    { "launcher", OPT_LAUNCHER, "NAME", 0,
      "What starts the ranks of a pipeline: mpirun, srun (on a node of an allocation), or auto (auto)", 2 },
    { "packed-cache", OPT_PACKED_CACHE, "DIR", 0, "Keep packed weights there, and start from them the next time", 2 },
    { 0 },
};
static const struct argp_child children[] = {
    { &df_job_argp, 0, NULL, 0 }, { &df_costs_argp, 0, NULL, 0 }, { &df_split_argp, 0, NULL, 0 }, { 0 }
};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "MANIFEST\n-p PROMPT...",
    .doc =
        "Renders a manifest, or prompts, with a farm on this machine: a coordinator and workers that are started, "
        "watched over and stopped. The whole manifest is checked before anything starts.\vInterrupted or killed, the "
        "same command goes on where it stopped.",
    .children = children,
};

/* One render in progress. */
typedef struct render {
    const render_options *o;
    df_draft *job;
    df_farm_host *farm;
    df_link *link;
    df_progress progress;
    const volatile sig_atomic_t *stop;
    df_out_kind kind;
    int64_t began_ms, stalled_since;
    uint64_t n_done;
} render;

/* while it runs */

/* The state "stalled" is about OUT: the coordinator would try for ever, but here nobody else can make room. */
static df_code check_stall(render *r, const Diffarm__JobStatus *j, df_err *err) {
    int64_t now = df_clock_ms();
    if (!j->problem[0]) {
        r->stalled_since = 0;
        return DF_OK;
    }
    if (!r->stalled_since) r->stalled_since = now;
    return now - r->stalled_since < STALL_MS ? DF_OK : df_err_set(err, DF_ENOSPACE, "%s", j->problem);
}

static df_code on_status(void *ctx, const Diffarm__JobStatus *j, df_err *err) {
    render *r = ctx;
    if (*r->stop) return df_err_set(err, DF_ECANCELLED, "interrupted");
    df_code rc = df_farm_host_poll(r->farm, err);
    if (rc || !j) return rc;
    r->n_done = j->n_done;
    return check_stall(r, j, err);
}

static df_code while_sending(void *ctx, int64_t waited_ms, df_err *err) {
    (void)waited_ms;
    return on_status(ctx, NULL, err);
}

static int threads_of(const render_options *o) {
    return o->threads ? o->threads : df_cores_each(o->job.render.workers * o->job.render.pipeline);
}

static df_code start(render *r, df_err *err) {
    const df_render_options *o = &r->o->job.render;
    char state_dir[PATH_MAX];
    df_code rc = df_out_begin(r->job->spec.out_dir, r->job->spec.manifest_sha256, err);
    if (!rc) rc = df_out_state_dir(r->job->spec.out_dir, state_dir, err);
    if (rc) return rc;
    const df_farm_cfg cfg = { .state_dir = state_dir,
                              .n_workers = o->workers,
                              .pipeline = o->pipeline,
                              .split = r->o->split.split,
                              .aim = r->o->split.aim,
                              .threads = threads_of(r->o),
                              .micro_batch = o->micro_batch,
                              .launcher = r->o->launcher,
                              .backend = r->o->job.render.backend,
                              .packed_dir = r->o->packed_dir,
                              .costs = df_costs_options_cfg(&r->o->costs),
                              .trace = r->o->trace };
    if ((rc = df_farm_host_start(&r->farm, &cfg, err))) return rc;
    return df_link_open(&r->link, df_farm_host_endpoint(r->farm), err);
}

/* The job's id follows from its content: sent again to the state of an interrupted run, it is the same job. */
static df_code send_job(render *r, df_err *err) {
    char id[DF_JOB_ID_BYTES];
    snprintf(id, sizeof id, "%.16s", r->job->spec.manifest_sha256);
    r->job->spec.job_id = df_arena_strdup(r->job->texts, id);
    if (!r->job->spec.job_id) return df_err_set(err, DF_ENOMEM, "a job");
    df_link_stop_flag(r->link, r->stop);
    df_link_on_wait(r->link, while_sending, r);
    return df_send_job(r->link, r->job, -1, err);
}

/* how it ends */

static int contact_sheet(const render *r) {
    df_err err;
    if (!r->o->contact_sheet || !df_out_contact_sheet(r->job->spec.out_dir, r->o->contact_sheet, &err))
        return DF_EXIT_OK;
    fprintf(stderr, "diffarm: error: %s\n", err.text);
    return DF_EXIT_SOME_FAILED;
}

static void summary(const render *r, uint64_t n_done, uint64_t n_failed, const char *how) {
    const char *out = r->job->spec.out_dir;
    if (r->o->job.output == DF_OUTPUT_JSON)
        df_report_print_json(json_pack("{s:s, s:I, s:I, s:I, s:s, s:s}", "out", out, "images",
                                       (json_int_t)(n_done + n_failed), "done", (json_int_t)n_done, "failed",
                                       (json_int_t)n_failed, "manifest_sha256", r->job->spec.manifest_sha256, "state",
                                       how));
    if (r->o->job.output != DF_OUTPUT_TEXT) return;
    char took[32] = "", duration[32];
    if (r->began_ms)
        snprintf(took, sizeof took, " (%s)",
                 df_report_duration(duration, sizeof duration, (double)(df_clock_ms() - r->began_ms) / 1000));
    printf("%s: %" PRIu64 " pictures in %s, listed in metadata.jsonl%s\n", how, n_done, out, took);
    if (n_failed) printf("%" PRIu64 " failed: see %s/failures.jsonl\n", n_failed, out);
    if (r->o->contact_sheet && n_done) printf("all on one: %s\n", r->o->contact_sheet);
}

static int ended(render *r, const Diffarm__JobStatus *j) {
    df_err err;
    if (j->n_failed) {
        fprintf(stderr, "diffarm: %" PRIu64 " of %" PRIu64 " pictures failed:\n", j->n_failed, j->n_rows);
        df_report_failures_text(stderr, j);
    }
    df_link_close(&r->link);
    df_farm_host_stop(&r->farm, true);
    if (df_out_tidy(r->job->spec.out_dir, &err)) fprintf(stderr, "diffarm: warning: %s\n", err.text);
    int code = j->n_done ? contact_sheet(r) : DF_EXIT_OK;
    summary(r, j->n_done, j->n_failed, j->state);
    return df_job_succeeded(j) ? code : DF_EXIT_SOME_FAILED;
}

static int complete(render *r) {
    df_err err;
    const char *out = r->job->spec.out_dir;
    if (df_out_tidy(out, &err)) fprintf(stderr, "diffarm: warning: %s\n", err.text);
    uint64_t n_done = df_out_count_lines(out, "metadata.jsonl"), n_failed = df_out_count_lines(out, "failures.jsonl");
    int code = n_done ? contact_sheet(r) : DF_EXIT_OK;
    summary(r, n_done, n_failed, "already complete");
    return n_failed ? DF_EXIT_SOME_FAILED : code;
}

/* The job was refused: OUT is as it was before. */
static void undo(const render *r) {
    if (r->kind != DF_OUT_NEW) return;
    df_out_tidy(r->job->spec.out_dir, NULL);
    rmdir(r->job->spec.out_dir); /* if it is empty */
}

/* Stopped by the user, by a full disk, or because the farm cannot be kept up. What is done stays, and is not done
 * again. */
static int broken_off(render *r, df_code rc, const df_err *err, bool sent) {
    bool can_resume = sent || rc == DF_ECANCELLED;
    df_progress_end(&r->progress);
    df_link_close(&r->link);
    df_farm_host_stop(&r->farm, false);
    if (rc != DF_ECANCELLED) fprintf(stderr, "diffarm: error: %s\n", err->text);
    if (can_resume)
        fprintf(stderr,
                "diffarm: stopped with %" PRIu64 " of %" PRIu64 " pictures done; the same command goes on from "
                "there\n",
                r->n_done, r->job->n_rows);
    else
        undo(r);
    if (rc == DF_ECANCELLED || rc == DF_ENOSPACE) return DF_EXIT_SOME_FAILED;
    return sent ? DF_EXIT_NO_FARM : df_exit_of(rc);
}

static int run(render *r) {
    df_err err;
    bool sent = false;
    df_wire_in answer;
    const Diffarm__JobStatus *status;
    const df_follow_cfg follow = { .progress = &r->progress, .on_status = on_status, .ctx = r };
    df_code rc = start(r, &err);
    if (!rc) rc = send_job(r, &err);
    sent = !rc;
    if (!rc) rc = df_follow_job(r->link, r->job->spec.job_id, &follow, &answer, &status, &err);
    if (rc) return broken_off(r, rc, &err, sent);
    int code = ended(r, status);
    df_wire_in_free(&answer);
    return code;
}

static int look_and_run(const render_options *o, df_draft *job) {
    df_err err;
    render r = { .o = o, .job = job, .progress = df_progress_to(stderr, o->job.output == DF_OUTPUT_QUIET) };
    if (df_out_look(job->spec.out_dir, job->spec.manifest_sha256, &r.kind, &err)) return df_exit_with(&err);
    if (r.kind == DF_OUT_COMPLETE) return complete(&r);
    r.stop = df_stop_on_signals();
    r.began_ms = df_clock_ms();
    return run(&r);
}

/* What workers have measured before; they will warn of a file that is not sound. */
static void look_up(df_cost_book *known, const render_options *o, const df_advice_question *q) {
    const df_model_info *info = df_model_info_of(q->model);
    const df_graph_size size = { .latent_h = q->height / info->vae_factor, .latent_w = q->width / info->vae_factor };
    df_costs_terms terms = { .cfg = df_costs_options_cfg(&o->costs),
                             .backend = q->backend,
                             .backend_cfg = q->backend_cfg,
                             .max_rows = DF_PLAN_ROWS * q->micro_batch };
    df_graph_size sizes[2];
    if (terms.cfg.mode != DF_COSTS_MODELLED) terms.cfg.mode = DF_COSTS_KNOWN;
    int n = df_model_plan_sizes(sizes, q->model, &size, DF_COMPONENT_COUNT);
    for (int i = 0; i < n; i++) df_cost_book_learn(known, q->model, &sizes[i], &terms, NULL);
}

static void advise(const render_options *o, const df_backend *backend, df_arithmetic arithmetic, const df_draft *job) {
    char why[256];
    const df_render_options *r = &o->job.render;
    int n_ranks = r->workers * r->pipeline;
    df_cost_book known = { 0 };
    const df_advice_question q = {
        .model = job->model,
        .width = job->max_width,
        .height = job->max_height,
        .backend = backend,
        .backend_cfg = { .dtype = arithmetic.dtype,
                         .threads = threads_of(o),
                         .int8 = arithmetic.int8,
                         .fast_conv = job->spec.fast_conv },
        .micro_batch = df_worker_micro_batch(r->micro_batch, df_model_info_of(job->model)),
        .n_ranks = n_ranks,
        .costs = &known,
        .depth = r->pipeline,
        .rank_bytes = df_advice_rank_bytes(n_ranks),
        .split = o->split.split,
        .aim = o->split.aim,
    };
    if (r->pipeline > 1) look_up(&known, o, &q);
    if (df_advice_slower(&q, why, sizeof why))
        fprintf(stderr, "diffarm: warning: --workers %d --pipeline %d: %s\n", r->workers, r->pipeline, why);
    df_cost_book_free(&known);
}

int df_cmd_render(int argc, char **argv) {
    static render_options o; /* large */
    int code = DF_EXIT_OK;
    df_err err;
    df_job_options_init(&o.job);
    df_costs_options_init(&o.costs, DF_COSTS_MEASURED);
    df_options_parse(&argp, argc, argv, &o);
    df_arithmetic arithmetic;
    if (!df_arithmetic_of(o.job.render.dtype, &arithmetic)) return DF_EXIT_USAGE; /* the options have looked */
    const df_backend *backend = NULL;
    df_code rc = df_backend_choose(&backend, o.job.render.backend, 0, &err);
    if (!rc) rc = df_backend_can_do(backend, arithmetic, &err);
    if (rc) return df_exit_without_backend(o.job.render.backend, &err);
    if (!o.job.render.workers) o.job.render.workers = 1;
    if (!o.job.render.pipeline) o.job.render.pipeline = o.split.split == DF_SPLIT_CFG ? 2 : 1;
    if (!df_split_check(&o.split, o.job.render.pipeline)) return DF_EXIT_USAGE;
    df_draft *job = df_draft_from_options(&o.job, &code);
    if (!job) return code;
    advise(&o, backend, arithmetic, job);
    code = o.job.dry_run ? df_plan_report(job, &o.job, o.split.split == DF_SPLIT_CFG ? 2 : 1) : look_and_run(&o, job);
    df_draft_free(&job);
    return code;
}
