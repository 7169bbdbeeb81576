/* A pipeline: the programs of a model spread over the ranks of a communicator, with several micro-batches in flight.
 *
 * A program is one component at one latent size (the U-Net at 64x64, the decoder at 64x64, the text encoder), cut by a
 * plan that every rank makes for itself from the same inputs; costs that rank 0 has measured are sent to all. A slot is
 * a place for one micro-batch on every rank; slots run concurrently, each at its own program and step. Rank 0 drives:
 *
 *   df_pipeline_open(&p, comm, model, &cfg, &err);                       on every rank
 *   rank > 0:  df_pipeline_serve(p, &err);                               until rank 0 closes
 *   rank 0:    df_pipeline_load(p, DF_UNET, h, w, &program, &err);       on all ranks; weights packed, kernels prepared
 *              in = df_pipeline_input(p, slot, program, "sample", n);    fill
 *              df_pipeline_start(p, slot, program, n, &err);             command goes out, slot is busy
 *              while (df_pipeline_advance(p, timeout_us, &slot, &err) == DF_OK && slot >= 0)
 *                  out = df_pipeline_output(p, slot, program, "out", n); slot is free again
 *              df_pipeline_close(&p);                                    stops the other ranks
 *
 * With two halves (halves.h) ranks 0..n/2-1 and n/2..n-1 each hold the whole model, and a micro-batch has rows in both.
 * Each rank runs whatever segment is ready, oldest command first; receives are posted straight into the slot's memory.
 * No barrier, no collective, nothing allocated per step.
 * Order: on every channel (an edge of a program) messages go in the order of the commands on both sides, because
 * commands of one program never overtake each other within a segment. A transport without tags can use that.
 * Errors: a rank whose kernel fails keeps the data flowing (with bytes nobody will look at) and reports with the
 * command's end, so that nothing hangs; df_pipeline_advance then returns that rank's error and the slot is free again.
 * After any other error the pipeline is of no more use; closing it ends the other ranks.
 * Same bytes for every number of ranks: the graph is fused before it is cut and kernels keep rows independent. */
#ifndef DF_CLUSTER_PIPELINE_H
#define DF_CLUSTER_PIPELINE_H

#include "cluster/comm.h"
#include "cluster/cost_book.h"
#include "cluster/halves.h"
#include "cluster/hop.h"
#include "cluster/plan.h"
#include "cluster/trace.h"
#include "engine/backend/backend.h"
#include "engine/exec/stage.h"
#include "engine/models/model.h"

typedef struct df_pipeline df_pipeline;

typedef struct df_pipeline_cfg {
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int max_rows; /* rows of a micro-batch as the model sees them: twice the images under guidance */
    int max_pictures; /* of a micro-batch: rows of autoencoders; 0: max_rows */
    int n_slots; /* micro-batches in flight */
    int n_halves; /* 2: of an even number of ranks; 0, 1: all ranks are one pipeline */
    /* Packed weights are kept in packed_dir (engine/weights/packed.h) for models of the same key: text that says what
     * the model's weights are, to the byte. Either NULL: they are not. Both borrowed, outlive the pipeline. */
    const char *packed_dir, *model_key;
    df_stage_tap_fn denoiser_tap; /* sees what each of the denoiser's nodes on this rank gives; NULL: none */
    void *tap_ctx;
    df_trace *trace; /* borrowed; NULL: none */
    /* Asked by each rank when it has loaded a denoiser's program: an error is that of the load. NULL: not asked. What
     * takes long to find out about a model may be found out while it is loaded and prompts are encoded. */
    df_code (*confirm)(void *confirm_ctx, df_err *err);
    void *confirm_ctx;
    /* Rank 0: called whenever it has looked at what the others say, `now` when they begin something long; it may ask
     * df_pipeline_where. NULL: nobody watches. */
    void (*watch)(void *watch_ctx, const df_pipeline *p, bool now);
    void *watch_ctx;
    /* While a micro-batch is on a rank it is heard between two nodes, and while it waits. Rank 0 gives up one that was
     * not for so long (0: a minute), but never before 20 times the longest pause that any rank has made in a pass of
     * that program; until a pass has ended at least after a minute (0: ten minutes). The same where nothing moves
     * although all are heard. */
    int64_t stall_timeout_ms;
    int64_t load_timeout_ms; /* the same while ranks load a program; 0: half an hour */
    df_costs_cfg costs; /* rank 0's count; zeros: modelled */
    const df_hops *hops; /* between the ranks, the same on all; borrowed. NULL: nothing to pay */
    /* Rank 0: after so many passes of a denoiser, it is cut anew if what ranks took says that another cut is faster by
     * more than 2 %: loading it again then waits until it does not run. At most twice. 0: never. */
    int recut_after;
    void (*on_recut)(void *on_recut_ctx, const double *speed,
                     int n_stages); /* of each stage's ranks; NULL: nobody asks */
    void *on_recut_ctx;
} df_pipeline_cfg;

/* comm is borrowed; model is borrowed. */
df_code df_pipeline_open(df_pipeline **out, df_comm *comm, const df_model *model, const df_pipeline_cfg *cfg,
                         df_err *err);
void df_pipeline_close(df_pipeline **p);
/* Rank 0: what is in flight ends, and the other ranks return from df_pipeline_serve; programs stay loaded. All ranks
 * resume before rank 0 goes on and the others serve again; nothing of a resting pipeline is on the wire. */
df_code df_pipeline_rest(df_pipeline *p, df_err *err);
df_code df_pipeline_resume(df_pipeline *p, df_err *err);
df_code df_pipeline_serve(df_pipeline *p, df_err *err);

/* A program number for a component and its size, loading it on all ranks if it is new. When too many sizes are loaded
 * the one used longest ago is dropped (never one that runs). DF_ELIMIT: later, when what runs has ended. */
df_code df_pipeline_load_of(df_pipeline *p, df_component c, const df_graph_size *size, int *program, df_err *err);
df_code df_pipeline_load(df_pipeline *p, df_component c, int latent_h, int latent_w, int *program, df_err *err);
/* Each program has its number while it is loaded; a later load may give the number to another. */
const df_graph *df_pipeline_graph(const df_pipeline *p, int program);

bool df_pipeline_is_broken(const df_pipeline *p); /* every further call returns the same error */
int df_pipeline_ranks(const df_pipeline *p);
int df_pipeline_halves(const df_pipeline *p); /* 1 or 2 */
int df_pipeline_slots(const df_pipeline *p);
int df_pipeline_recuts(const df_pipeline *p); /* how often a denoiser was cut anew */
int df_pipeline_max_rows(const df_pipeline *p);
int df_pipeline_max_pictures(const df_pipeline *p);
df_dtype df_pipeline_dtype(const df_pipeline *p); /* of activations */
void df_pipeline_backend(const df_pipeline *p, const df_backend **backend, df_backend_cfg *cfg); /* of this rank */
df_trace *df_pipeline_trace(const df_pipeline *p); /* NULL: none */
/* Rank 0: learns the costs that the plan up to component `last` takes (model_plan.h), as loading that would; and what
 * is known. Without any, and where they cannot be measured, they are modelled. */
void df_pipeline_learn_costs(df_pipeline *p, df_component last, const df_graph_size *size);
const df_cost_book *df_pipeline_costs(const df_pipeline *p);
/* Rank 0: where a rank is, as far as is known: "stage 1 of unet 16x16, step 4, command 57", "load, command 3", "idle";
 * into out[out_bytes], returns out. */
char *df_pipeline_where(const df_pipeline *p, int rank, char *out, size_t out_bytes);
/* What this rank holds, all programs together. */
df_stage_memory df_pipeline_memory(const df_pipeline *p);

/* A slot that is not busy, or -1. */
int df_pipeline_free_slot(const df_pipeline *p);
/* Dense [n_rows][row] of a half, in the type that df_value_held_as names for the pipeline's dtype; NULL if no such
 * port.
 */
void *df_pipeline_half_input(df_pipeline *p, int slot, int program, int half, const char *port, int64_t n_rows);
const void *df_pipeline_half_output(df_pipeline *p, int slot, int program, int half, const char *port, int64_t n_rows);
/* The first half's. */
void *df_pipeline_input(df_pipeline *p, int slot, int program, const char *port, int64_t n_rows);
const void *df_pipeline_output(df_pipeline *p, int slot, int program, const char *port, int64_t n_rows);
/* At which steps the rows of the slot's next micro-batch are, from least to greatest: traces and errors tell. */
void df_pipeline_set_steps(df_pipeline *p, int slot, int first, int last);
/* n_rows: of each half; the first has one at least. */
df_code df_pipeline_start_halves(df_pipeline *p, int slot, int program, const int64_t n_rows[DF_MOST_HALVES],
                                 df_err *err);
df_code df_pipeline_start(df_pipeline *p, int slot, int program, int64_t n_rows, df_err *err); /* all in the first */
/* Does what work there is on rank 0, for at most one segment; *slot is a slot whose program has ended, else -1. With an
 * error and *slot >= 0 that command alone has failed. */
df_code df_pipeline_advance(df_pipeline *p, int64_t timeout_us, int *slot, df_err *err);

#endif
