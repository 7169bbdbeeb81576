#include "client/bench/pipeline.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/bench/median.h"
#include "client/bench/pipeline_options.h"
#include "client/bench/steady.h"
#include "client/commands.h"
#include "client/exit_code.h"
#include "cluster/channels.h"
#include "cluster/timeline.h"
#include "worker/launch.h"

/* One rank's parts. */
typedef struct bench {
    const df_bench_pipeline_options *o;
    df_comm *comm, *self;
    df_model *model;
    df_trace *trace;
    df_steady *replica, *pipeline;
} bench;

static df_code open_replica(bench *b, const df_steady_cfg *cfg, df_err *err) {
    df_steady_cfg alone = *cfg;
    alone.n_slots = 1;
    alone.n_halves = 1;
    df_code rc = df_comm_self_open(&b->self, err);
    return rc ? rc : df_steady_open(&b->replica, b->self, b->model, &alone, err);
}

static df_code open_all(bench *b, df_err *err) {
    const df_bench_pipeline_options *o = b->o;
    df_code rc = df_model_open(&b->model, o->model, err);
    if (!rc && o->trace && !(rc = df_trace_open(&b->trace, 0, err))) rc = df_trace_meet(b->trace, b->comm, err);
    df_costs_cfg costs = df_costs_options_cfg(&o->costs);
    costs.warn = df_costs_warn;
    const df_steady_cfg cfg = { .backend = df_backend_find("cpu"),
                                .backend_cfg = o->backend_cfg,
                                .micro_batch = o->micro_batch,
                                .n_slots = o->slots,
                                .n_halves = o->n_halves,
                                .width = o->width,
                                .height = o->height,
                                .costs = costs,
                                .trace = b->trace };
    if (!rc && !o->trace) rc = open_replica(b, &cfg, err);
    return rc ? rc : df_steady_open(&b->pipeline, b->comm, b->model, &cfg, err);
}

static void close_all(bench *b) {
    df_steady_close(&b->replica);
    df_steady_close(&b->pipeline);
    if (b->self) b->self->ops->close(&b->self);
    df_trace_close(&b->trace);
    df_model_close(&b->model);
}

/* Sum over the ranks on rank 0; nobody returns before all have come. */
static df_code sum_up(df_comm *c, double *x, df_err *err) {
    df_code rc = DF_OK;
    double sum = *x;
    for (int r = 1; !c->rank && !rc && r < c->size; r++) {
        double theirs = 0;
        rc = df_comm_recv_now(c, r, DF_CHANNEL_SESSION, &theirs, sizeof theirs, err);
        sum += theirs;
    }
    for (int r = 1; !c->rank && !rc && r < c->size; r++)
        rc = df_comm_send_now(c, r, DF_CHANNEL_SESSION, &sum, sizeof sum, err);
    if (c->rank) rc = df_comm_send_now(c, 0, DF_CHANNEL_SESSION, x, sizeof *x, err);
    if (c->rank && !rc) rc = df_comm_recv_now(c, 0, DF_CHANNEL_SESSION, &sum, sizeof sum, err);
    *x = sum;
    return rc;
}

static df_code run_replicas(bench *b, double *rate, df_err *err) {
    int64_t batch = b->o->micro_batch;
    double together = 0;
    df_code rc = sum_up(b->comm, &together, err);
    if (!rc) rc = df_steady_run(b->replica, batch, batch * b->o->passes, rate, err);
    return rc ? rc : sum_up(b->comm, rate, err);
}

static df_code run_pipeline(bench *b, double *rate, df_err *err) {
    int64_t batch = b->o->micro_batch;
    if (b->comm->rank) return df_steady_serve(b->pipeline, err);
    return df_steady_run(b->pipeline, batch * b->o->slots, batch * b->o->passes * b->comm->size, rate, err);
}

static void tell_run(const bench *b, int run, double replicas, double pipeline) {
    if (b->comm->rank) return;
    if (b->o->output == DF_OUTPUT_JSON && b->o->trace) printf("{\"pipeline\":%.6g}\n", pipeline);
    if (b->o->output == DF_OUTPUT_JSON && !b->o->trace)
        printf("{\"replicas\":%.6g,\"pipeline\":%.6g,\"ratio\":%.4f}\n", replicas, pipeline, pipeline / replicas);
    if (b->o->output == DF_OUTPUT_TEXT) {
        printf("run %-3d pipeline %.4g steps/s", run + 1, pipeline);
        if (!b->o->trace) printf(", replicas %.4g steps/s, ratio %.3f", replicas, pipeline / replicas);
        puts("");
    }
    fflush(stdout);
}

static void tell_median(const bench *b, double *ratio) {
    if (b->comm->rank || b->o->trace) return;
    double median = df_median(ratio, b->o->runs);
    if (b->o->output == DF_OUTPUT_JSON) printf("{\"median_ratio\":%.4f}\n", median);
    if (b->o->output == DF_OUTPUT_TEXT) printf("median ratio %.3f, of %d ranks\n", median, b->comm->size);
}

static df_code run_all(bench *b, double *ratio, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; !rc && i < b->o->runs; i++) {
        double replicas = 1, pipeline = 1;
        if (b->replica) rc = run_replicas(b, &replicas, err);
        if (!rc) rc = run_pipeline(b, &pipeline, err);
        if (rc) return rc;
        ratio[i] = pipeline / replicas;
        tell_run(b, i, replicas, pipeline);
    }
    tell_median(b, ratio);
    return rc;
}

static df_code write_trace(bench *b, df_err *err) {
    df_timeline *line = NULL;
    df_code rc = df_timeline_gather(&line, b->trace, b->comm, err);
    if (rc || !line) return rc;
    rc = df_timeline_write(line, b->o->trace, err);
    if (!rc) df_timeline_print(line, stderr);
    df_timeline_free(&line);
    return rc;
}

static df_code run_rank(const df_bench_pipeline_options *o, df_comm *comm, df_err *err) {
    bench b = { .o = o, .comm = comm };
    double *ratio = calloc((size_t)o->runs, sizeof *ratio);
    df_code rc = ratio ? open_all(&b, err) : df_err_set(err, DF_ENOMEM, "%d runs", o->runs);
    if (!rc) rc = run_all(&b, ratio, err);
    if (!rc && b.trace) rc = write_trace(&b, err);
    close_all(&b);
    free(ratio);
    return rc;
}

/* Only comes back with an error. */
static df_code become_mpirun(int ranks, char **argv, df_err *err) {
    df_launch mpirun;
    const df_launch_cfg cfg = { .by = DF_LAUNCHER_MPIRUN, .n_ranks = ranks };
    df_code rc = df_launch_begin(&mpirun, &cfg, err);
    if (!rc) rc = df_launch_add(&mpirun, "bench", err);
    if (!rc) rc = df_launch_add(&mpirun, "pipeline", err);
    for (char **a = argv + 1; *a && !rc; a++) rc = df_launch_add(&mpirun, *a, err);
    if (rc) return rc;
    for (const char *const *e = mpirun.env; *e; e++) putenv((char *)(uintptr_t)*e);
    execvp(mpirun.argv[0], (char *const *)mpirun.argv);
    return df_err_set(err, DF_EUNREACHABLE, "mpirun: %s: is Open MPI installed?", strerror(errno));
}

static df_code open_comm(df_comm **comm, const df_bench_pipeline_options *o, char **argv, df_err *err) {
    int rank, size;
    bool launched = df_comm_mpi_launched(&rank, &size);
    if (launched && size != o->ranks)
        return df_err_set(err, DF_EINVAL, "--pipeline %d, but the launcher started %d ranks", o->ranks, size);
    if (launched) return df_comm_mpi_open(comm, err);
    return o->ranks > 1 ? become_mpirun(o->ranks, argv, err) : df_comm_self_open(comm, err);
}

int df_bench_pipeline(int argc, char **argv) {
    df_bench_pipeline_options o;
    df_comm *comm = NULL;
    df_err err = { 0 };
    df_bench_pipeline_options_parse(&o, argc, argv);
    df_code rc = open_comm(&comm, &o, argv, &err);
    if (!rc) rc = run_rank(&o, comm, &err);
    if (rc) fprintf(stderr, "diffarm: error: bench pipeline: %s\n", err.text);
    if (rc && comm) _exit(df_exit_of_run(rc)); /* the other ranks may wait for us in vain: mpirun ends them */
    if (comm) comm->ops->close(&comm);
    return rc ? df_exit_of_run(rc) : DF_EXIT_OK;
}
