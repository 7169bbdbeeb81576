/* A denoiser that is cut anew, on rank 0: once ranks have shown how fast they are, the plan may do better. Nothing is
 * asked of the ranks but what each command took, which its end tells. */
#include <stdlib.h>
#include <string.h>

#include "cluster/pipeline_impl.h"

enum { MOST_RECUTS = 2 }; /* what is left then is noise */
#define LEAST_GAIN 1.02 /* packing the weights again is worth no less */

static bool watches(const df_program *q) {
    return q->pace && !q->is_settled && !q->wants_recut;
}

/* In the plan's seconds: of the slowest stage, as the program is cut, at these speeds. */
static double slowest_now(const df_program *q, int depth, const double *speed) {
    double slowest = 0;
    for (int i = 0; i < depth; i++)
        if (q->planned[i] / speed[i] > slowest) slowest = q->planned[i] / speed[i];
    return slowest;
}

static double slowest_of(const df_plan *plan) {
    double slowest = 0;
    for (int i = 0; i < plan->n_stages; i++)
        if (plan->stage[i].seconds > slowest) slowest = plan->stage[i].seconds;
    return slowest;
}

/* Would another cut be faster at these speeds? */
static bool is_worth_it(const df_pipeline *p, const df_program *q, const double *speed) {
    df_program_cfg cfg = p->cfg;
    df_model_plan *plan = NULL;
    cfg.speed = speed;
    if (df_program_plan(&plan, &cfg, q->component, &q->size, NULL)) return false;
    double gain = slowest_now(q, plan->n_ranks, speed) / slowest_of(plan->component[q->component].plan);
    df_model_plan_free(&plan);
    return gain > LEAST_GAIN;
}

static void decide(df_pipeline *p, df_program *q) {
    for (int i = 0; i < df_program_depth(&p->cfg); i++) p->next_speed[i] = p->cfg.speed ? p->cfg.speed[i] : 1;
    df_rank_pace_speeds(q->pace, q->planned, p->next_speed);
    q->wants_recut = p->n_recuts < MOST_RECUTS && is_worth_it(p, q, p->next_speed);
    q->is_settled = !q->wants_recut;
}

void df_recut_note(df_pipeline *p, const df_slot *s, int rank, int64_t compute_ns) {
    df_program *q = s->program;
    int depth = df_program_depth(&p->cfg), half = rank / depth;
    if (!watches(q)) return;
    df_rank_pace_note(q->pace, half, rank % depth, (double)compute_ns * 1e-9 / (double)s->command.n_rows[half]);
    if (df_rank_pace_passes(q->pace) >= p->recut_after) decide(p, q);
}

void df_recut_begin(df_pipeline *p) {
    memcpy(p->speed, p->next_speed, (size_t)df_program_depth(&p->cfg) * sizeof *p->speed);
    p->cfg.speed = p->speed;
    p->n_recuts++;
    if (p->on_recut) p->on_recut(p->on_recut_ctx, p->speed, df_program_depth(&p->cfg));
}

int df_pipeline_recuts(const df_pipeline *p) {
    return p->n_recuts;
}
