/* The plan of a whole model: every component on the same ranks, and what that makes of each rank.
 *
 *   df_model_plan_new(&p, model, &size, &terms, DF_COMPONENT_COUNT, &err);
 *   p->component[DF_DENOISER].cut ...     p->busy_seconds[rank], p->memory_bytes[rank]
 *   df_model_plan_free(&p);
 *
 * The denoiser is planned first: it runs many times for a picture. The others run once, and are laid where its stages
 * leave gaps: a rank counts what it does already for a picture, so that the lightest ranks take most, or all, of them.
 * First the decoder, then the text encoders, last the encoder of pictures, which not every picture needs.
 * A rank that opens a program makes the same plan with the same terms: what is printed is what runs. It depends on
 * nothing else, so that all ranks make the same. Pictures do not depend on it. Threads: pure functions.
 * What the denoiser makes of a prompt once for all steps (kept.h) is counted once for a picture. */
#ifndef DF_CLUSTER_MODEL_PLAN_H
#define DF_CLUSTER_MODEL_PLAN_H

#include "cluster/cost_book.h"
#include "cluster/hop.h"
#include "cluster/plan.h"
#include "engine/backend/backend.h"
#include "engine/models/model.h"

#define DF_PLAN_STEPS 25 /* of a picture, where nobody says otherwise */
#define DF_PLAN_ROWS 2 /* of the denoiser for a step of a picture: guidance */

typedef struct df_plan_terms {
    int n_ranks;
    const df_backend *backend; /* that packs the weights; NULL: each once, in the type */
    df_backend_cfg backend_cfg; /* its dtype is that of weights and of what crosses */
    int steps, rows_per_step; /* of a picture; 0: DF_PLAN_STEPS, DF_PLAN_ROWS */
    const double *speed; /* [n_ranks] of each rank against the others; NULL: equal */
    const df_hops *hops; /* NULL: nothing to pay */
    int64_t device_bytes; /* of memory a rank has; 0: any */
    int max_rows, n_slots; /* with device_bytes: rows of the denoiser's micro-batch, micro-batches in flight */
    const df_cost_book *costs; /* measured ones; NULL, or not of the size: modelled */
} df_plan_terms;

typedef struct df_component_plan {
    df_graph *graph; /* NULL: not planned */
    df_cost cost;
    df_plan *plan;
    df_cut *cut;
    double rows_per_picture;
    int64_t *activation_bytes; /* [n_ranks] of all rows in n_slots slots, kernels' own scratch apart */
} df_component_plan;

typedef struct df_model_plan {
    int n_ranks;
    bool measured; /* the denoiser's costs; those of the others are modelled, at the same pace */
    df_component_plan component[DF_COMPONENT_COUNT];
    double *busy_seconds; /* [n_ranks] for a picture, encoder of pictures apart */
    double *receive_seconds; /* [n_ranks] the same, of what arrives */
    int64_t *memory_bytes; /* [n_ranks] encoder of pictures apart */
} df_model_plan;

/* size: of the picture. `last`: nothing behind this component in the order above; DF_COMPONENT_COUNT: all of them. A
 * text encoder's place does not depend on the size of the picture: the model's own size counts there. A component that
 * has no graph of such a size is left out, unless it is `last`.
 * Errors: DF_ELIMIT if it has no room on the ranks, with the component and what takes the room. */
df_code df_model_plan_new(df_model_plan **out, const df_model *model, const df_graph_size *size,
                          const df_plan_terms *terms, df_component last, df_err *err);
void df_model_plan_free(df_model_plan **p);

/* Sizes of the denoiser whose costs such a plan asks for, one or two: for a cost book to know them before. */
int df_model_plan_sizes(df_graph_size out[2], const df_model *model, const df_graph_size *size, df_component last);

/* What bounds the pace: seconds of the busiest rank or slowest link for a picture. */
double df_model_plan_pace(const df_model_plan *p);
/* Of a rank's time at that pace, the share it computes, over all ranks. */
double df_model_plan_efficiency(const df_model_plan *p);

#endif
