/* A program: one component of a model at one size, as one rank holds it. Every rank makes the same graph, plan and cut
 * from the same inputs; `fingerprint` says whether they agree. */
#ifndef DF_CLUSTER_PROGRAM_H
#define DF_CLUSTER_PROGRAM_H

#include "cluster/cost_book.h"
#include "cluster/crossing.h"
#include "cluster/halves.h"
#include "cluster/hop.h"
#include "cluster/model_plan.h"
#include "cluster/portal.h"
#include "cluster/rank_pace.h"
#include "engine/exec/stage.h"
#include "engine/models/model.h"

enum { DF_PROGRAM_MAX_EDGES = 1024 };

typedef struct df_program {
    df_component component;
    df_graph_size size;
    int max_rows; /* that run together in a half: an autoencoder has one for each picture */
    df_graph *graph;
    df_cut *cut; /* of the ranks of a half */
    df_crossing *crossings; /* [n_crossings] of all ranks */
    int n_crossings;
    df_portal *portal; /* rank 0, where there is another half; else NULL */
    df_stage *stage; /* this rank's */
    int *local; /* [n_local] segments of this rank, in run order */
    int n_local;
    double *planned; /* [depth] seconds of each stage for a row, at speed 1 */
    df_rank_pace *pace; /* rank 0, of a denoiser that may be cut anew (pipeline_recut.c); else NULL */
    bool wants_recut, is_settled;
    uint64_t fingerprint;
    /* Between two chances to hear a rank while a pass runs: of this rank, on rank 0 of any other. */
    int64_t longest_pause_ms;
    bool has_run; /* rank 0: a pass has ended */
    int64_t last_used; /* command number */
} df_program;

typedef struct df_program_cfg {
    const df_model *model;
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int rank, n_ranks, n_halves, max_rows, max_pictures, n_slots; /* of df_pipeline_cfg; none is 0 */
    const char *packed_dir, *model_key; /* of df_pipeline_cfg */
    df_stage_tap_fn denoiser_tap; /* of the denoiser's stage on this rank; NULL: none */
    void *tap_ctx;
    const df_cost_book *costs; /* what the cut follows from, the same on all ranks; borrowed */
    const df_hops *hops; /* NULL: nothing to pay */
    const double *speed; /* [depth] of each stage's ranks, the same on all; borrowed. NULL: equal */
    bool edges_on_device; /* the transport moves values between the devices of the ranks (comm.h, compute_on) */
} df_program_cfg;

/* The plan that a program is cut by. */
df_code df_program_plan(df_model_plan **out, const df_program_cfg *cfg, df_component c, const df_graph_size *size,
                        df_err *err);

df_code df_program_open(df_program **out, const df_program_cfg *cfg, df_component c, const df_graph_size *size,
                        df_err *err);
void df_program_close(df_program **p);

static inline int df_program_depth(const df_program_cfg *cfg) {
    return cfg->n_ranks / cfg->n_halves;
}

/* "unet 16x16" into out[out_bytes]; returns out. */
char *df_program_name(const df_program *p, char *out, size_t out_bytes);

#endif
