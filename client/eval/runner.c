#include "client/eval/runner.h"

#include <limits.h>
#include <stdlib.h>

#include "base/cores.h"
#include "base/size.h"
#include "client/eval/rows.h"
#include "client/eval/team.h"

enum { MAX_ROWS = 4, MAX_SLOTS = 64, TICK_US = 1000 };

/* Rows first..first+n of the task, on their way through a slot. */
typedef struct batch {
    int64_t first, n;
} batch;

struct df_eval_runner {
    df_eval_team *team;
    df_pipeline *pipeline;
    batch batches[MAX_SLOTS + 1];
};

static df_backend_cfg backend_cfg(const df_eval_options *o, const df_comm *comm) {
    df_backend_cfg cfg = o->backend_cfg;
    if (!cfg.threads) cfg.threads = df_cores_each(comm->shares); /* ranks on the same cores would fight for them */
    return cfg;
}

df_code df_eval_runner_open(df_eval_runner **out, const df_model *model, const df_eval_options *o, df_err *err) {
    df_eval_runner *r = calloc(1, sizeof *r);
    df_code rc;
    if (!r) return df_err_set(err, DF_ENOMEM, "runner");
    if ((rc = df_eval_team_open(&r->team, o->pipeline, err))) goto fail;
    df_comm *comm = df_eval_team_comm(r->team);
    df_pipeline_cfg cfg = {
        .backend = o->backend,
        .backend_cfg = backend_cfg(o, comm),
        .max_rows = MAX_ROWS,
        .n_slots = comm->size < MAX_SLOTS ? comm->size : MAX_SLOTS, /* a micro-batch for each rank */
    };
    if ((rc = df_eval_team_start(r->team, model, &cfg, err))) goto fail;
    if ((rc = df_pipeline_open(&r->pipeline, comm, model, &cfg, err))) goto fail;
    *out = r;
    return DF_OK;
fail:
    df_eval_runner_close(&r);
    return rc;
}

void df_eval_runner_close(df_eval_runner **runner) {
    df_eval_runner *r = *runner;
    if (!r) return;
    df_pipeline_close(&r->pipeline);
    df_eval_team_close(&r->team);
    free(r);
    *runner = NULL;
}

bool df_eval_runner_leads(const df_eval_runner *r) {
    return df_eval_team_comm(r->team)->rank == 0;
}

df_code df_eval_runner_serve(df_eval_runner *r, df_err *err) {
    return df_pipeline_serve(r->pipeline, err);
}

df_code df_eval_runner_load(df_eval_runner *r, df_component c, int64_t latent_h, int64_t latent_w, int *program,
                            df_err *err) {
    int h = latent_h < INT_MAX ? (int)latent_h : INT_MAX, w = latent_w < INT_MAX ? (int)latent_w : INT_MAX;
    return df_pipeline_load(r->pipeline, c, h, w, program, err);
}

const df_graph *df_eval_runner_graph(const df_eval_runner *r, int program) {
    return df_pipeline_graph(r->pipeline, program);
}

/* What one call of df_eval_runner_run has to do. */
typedef struct task {
    int program;
    int64_t n, next, done; /* rows */
    const df_eval_port *in, *out;
    int n_in, n_out;
} task;

/* Where the batch begins among all rows; an element is a float or an int32_t. */
static void *rows_at(const df_eval_port *port, const df_value *v, const batch *b) {
    return (char *)port->rows + (size_t)(b->first * df_shape_elements(v->shape)) * sizeof(float);
}

static df_code start(df_eval_runner *r, task *t, int slot, df_err *err) {
    const df_graph *g = df_pipeline_graph(r->pipeline, t->program);
    batch *b = &r->batches[slot];
    *b = (batch) { .first = t->next, .n = t->n - t->next < MAX_ROWS ? t->n - t->next : MAX_ROWS };
    for (int i = 0; i < t->n_in; i++) {
        void *to = df_pipeline_input(r->pipeline, slot, t->program, t->in[i].name, b->n);
        if (!to) return df_err_set(err, DF_EINTERNAL, "%s has no input '%s'", g->name, t->in[i].name);
        const df_value *v = &g->values[df_graph_find_input(g, t->in[i].name)];
        df_rows_in(to, rows_at(&t->in[i], v, b), v, b->n, df_pipeline_dtype(r->pipeline));
    }
    t->next += b->n;
    return df_pipeline_start(r->pipeline, slot, t->program, b->n, err);
}

static df_code collect(df_eval_runner *r, task *t, int slot, df_err *err) {
    const df_graph *g = df_pipeline_graph(r->pipeline, t->program);
    const batch *b = &r->batches[slot];
    for (int i = 0; i < t->n_out; i++) {
        const void *from = df_pipeline_output(r->pipeline, slot, t->program, t->out[i].name, b->n);
        if (!from) return df_err_set(err, DF_EINTERNAL, "%s has no output '%s'", g->name, t->out[i].name);
        const df_value *v = &g->values[df_graph_find_output(g, t->out[i].name)];
        df_rows_out(rows_at(&t->out[i], v, b), from, v, b->n, df_pipeline_dtype(r->pipeline));
    }
    t->done += b->n;
    return DF_OK;
}

df_code df_eval_runner_run(df_eval_runner *r, int program, int64_t n, const df_eval_port *in, int n_in,
                           const df_eval_port *out, int n_out, df_err *err) {
    task t = { .program = program, .n = n, .in = in, .n_in = n_in, .out = out, .n_out = n_out };
    df_code rc = DF_OK;
    while (t.done < n && !rc) {
        int slot = t.next < n ? df_pipeline_free_slot(r->pipeline) : -1;
        if (slot >= 0) {
            rc = start(r, &t, slot, err);
            continue;
        }
        rc = df_pipeline_advance(r->pipeline, TICK_US, &slot, err);
        if (!rc && slot >= 0) rc = collect(r, &t, slot, err);
    }
    return rc;
}
