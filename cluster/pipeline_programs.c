/* Programs of a pipeline: loading on all ranks, and which to drop. */
#include "cluster/pipeline_impl.h"

static int find_program(const df_pipeline *p, df_component c, const df_graph_size *size) {
    for (int i = 0; i < DF_MAX_PROGRAMS; i++) {
        const df_program *q = p->programs[i];
        if (q && q->component == c && df_graph_size_equal(&q->size, size)) return i;
    }
    return -1;
}

static bool is_running(const df_pipeline *p, int program) {
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].state != DF_SLOT_FREE && p->slots[i].program == p->programs[program]) return true;
    return false;
}

/* An empty place, else that of the program used longest ago that does not run; -1 if all run. */
static int place_for_program(const df_pipeline *p) {
    int oldest = -1;
    for (int i = 0; i < DF_MAX_PROGRAMS; i++) {
        if (!p->programs[i]) return i;
        if (is_running(p, i)) continue;
        if (oldest < 0 || p->programs[i]->last_used < p->programs[oldest]->last_used) oldest = i;
    }
    return oldest;
}

static df_code unload(df_pipeline *p, int place, df_err *err) {
    df_program_close(&p->programs[place]);
    df_code rc = df_rank0_command(p, &(df_command) { .op = DF_COMMAND_UNLOAD, .program = place }, err);
    return rc ? rc : df_rank0_wait(p, 0, err);
}

df_code df_pipeline_open_program(df_pipeline *p, const df_command *c, df_err *err) {
    df_program **q = &p->programs[c->program];
    df_program_close(q);
    df_code rc = df_program_open(q, &p->cfg, (df_component)c->component, &c->size, err);
    if (rc) return rc;
    df_stage_set_on_node((*q)->stage, df_sign_of_node, p);
    /* Of each slot: all crossings, a command to each rank or a status; costs; a sign of life, and what listens. */
    int most = p->n_slots * ((*q)->n_crossings + p->n_ranks) + 3 * p->n_ranks + 3;
    rc = p->comm->ops->reserve(p->comm, most, err);
    if (!rc && p->confirm && c->component == DF_DENOISER) rc = p->confirm(p->confirm_ctx, err);
    if (rc) df_program_close(q);
    return rc;
}

/* All ranks load at the same time. If one cannot, all drop the program again. */
static df_code load(df_pipeline *p, df_component c, const df_graph_size *size, int place, df_err *err) {
    df_command command = { .op = DF_COMMAND_LOAD, .program = place, .component = (int32_t)c, .size = *size };
    df_err why = { 0 };
    df_costs_announce(p, &command);
    df_code rc = df_rank0_command(p, &command, err);
    if (!rc && (rc = df_costs_send(p, &command, err))) df_pipeline_break(p, err);
    if (rc) return rc;
    int64_t start = df_pipeline_now(p);
    df_pipeline_open_program(p, &command, &why);
    df_pipeline_trace_other(p, DF_SPAN_LOAD, start);
    df_program *q = p->programs[place];
    if ((rc = df_rank0_wait(p, q ? q->fingerprint : 0, err))) return rc;
    if (!why.code) why = p->reply.failure;
    if (why.code) return (rc = unload(p, place, err)) ? rc : df_err_set(err, why.code, "%s", why.text);
    q->last_used = p->n_commands;
    /* Without memory for it, it stays as it is cut. */
    if (p->recut_after && c == DF_DENOISER && df_program_depth(&p->cfg) > 1)
        q->pace = df_rank_pace_new(df_program_depth(&p->cfg));
    return DF_OK;
}

df_code df_pipeline_return_broken(const df_pipeline *p, df_err *err) {
    return df_err_set(err, p->broken.code, "%s", p->broken.text);
}

df_code df_pipeline_load(df_pipeline *p, df_component c, int latent_h, int latent_w, int *program, df_err *err) {
    df_graph_size size = { .latent_h = latent_h, .latent_w = latent_w };
    if (c < DF_DENOISER) size = (df_graph_size) { .tokens = latent_h };
    return df_pipeline_load_of(p, c, &size, program, err);
}

df_code df_pipeline_load_of(df_pipeline *p, df_component c, const df_graph_size *size, int *program, df_err *err) {
    df_err mine;
    if (!err) err = &mine;
    if (p->broken.code) return df_pipeline_return_broken(p, err);
    int found = find_program(p, c, size);
    if (found >= 0 && p->programs[found]->wants_recut) {
        if (is_running(p, found))
            return df_err_set(err, DF_ELIMIT, "%s is cut anew when it has run", df_component_name(c));
        df_recut_begin(p);
        df_code rc = unload(p, found, err);
        if (!rc) rc = load(p, c, size, found, err);
        if (rc) return rc;
    }
    if (found < 0) {
        found = place_for_program(p);
        if (found < 0)
            return df_err_set(err, DF_ELIMIT, "%d programs (components and sizes) run at once, no room for another",
                              DF_MAX_PROGRAMS);
        df_code rc = load(p, c, size, found, err);
        if (rc) return rc;
    }
    *program = found;
    return DF_OK;
}

const df_graph *df_pipeline_graph(const df_pipeline *p, int program) {
    if (program < 0 || program >= DF_MAX_PROGRAMS || !p->programs[program]) return NULL;
    return p->programs[program]->graph;
}
