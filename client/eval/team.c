#include "client/eval/team.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    df_comm *comm; /* owned; closed by the thread once it runs */
    const df_model *model;
    df_pipeline_cfg cfg;
    pthread_t thread;
    bool running;
} member;

struct df_eval_team {
    df_comm *comm; /* the caller's */
    member *members; /* ranks 1.. of this process */
    int n_members;
};

static df_code open_mpi(df_eval_team *t, int ranks, int launched, df_err *err) {
    if (ranks && ranks != launched)
        return df_err_set(err, DF_EINVAL, "--pipeline %d, but the launcher started %d ranks", ranks, launched);
    return df_comm_mpi_open(&t->comm, err);
}

static df_code open_threads(df_eval_team *t, int ranks, df_err *err) {
    df_comm **comms = calloc((size_t)ranks, sizeof(df_comm *));
    t->members = calloc((size_t)ranks, sizeof *t->members);
    df_code rc =
        comms && t->members ? df_comm_threads_open(comms, ranks, err) : df_err_set(err, DF_ENOMEM, "%d ranks", ranks);
    if (!rc) {
        t->comm = comms[0];
        t->n_members = ranks - 1;
        for (int r = 1; r < ranks; r++) t->members[r - 1].comm = comms[r];
    }
    free(comms);
    return rc;
}

df_code df_eval_team_open(df_eval_team **out, int ranks, df_err *err) {
    int rank, launched;
    df_code rc;
    df_eval_team *t = calloc(1, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "ranks");
    if (df_comm_mpi_launched(&rank, &launched) && launched > 1)
        rc = open_mpi(t, ranks, launched, err);
    else if (ranks > 1)
        rc = open_threads(t, ranks, err);
    else
        rc = df_comm_self_open(&t->comm, err);
    if (rc)
        df_eval_team_close(&t);
    else
        *out = t;
    return rc;
}

static void close_comm(df_comm **c) {
    if (*c) (*c)->ops->close(c);
}

void df_eval_team_close(df_eval_team **team) {
    df_eval_team *t = *team;
    if (!t) return;
    close_comm(&t->comm); /* first: threads that still wait for rank 0 after an error give up then */
    for (int i = 0; i < t->n_members; i++) {
        if (t->members[i].running) pthread_join(t->members[i].thread, NULL);
        close_comm(&t->members[i].comm);
    }
    free(t->members);
    free(t);
    *team = NULL;
}

df_comm *df_eval_team_comm(df_eval_team *t) {
    return t->comm;
}

/* What goes wrong here reaches rank 0 through the pipeline: as a status, or because this end is gone. */
static void *serve(void *arg) {
    member *m = arg;
    df_pipeline *p = NULL;
    df_err err;
    if (!df_pipeline_open(&p, m->comm, m->model, &m->cfg, &err)) df_pipeline_serve(p, &err);
    df_pipeline_close(&p);
    close_comm(&m->comm);
    return NULL;
}

df_code df_eval_team_start(df_eval_team *t, const df_model *model, const df_pipeline_cfg *cfg, df_err *err) {
    for (int i = 0; i < t->n_members; i++) {
        member *m = &t->members[i];
        m->model = model;
        m->cfg = *cfg;
        int rc = pthread_create(&m->thread, NULL, serve, m);
        if (rc) return df_err_errno(err, rc, "thread of rank %d", i + 1);
        m->running = true;
    }
    return DF_OK;
}
