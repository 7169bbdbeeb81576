/* The feeder: rows of leases into the renderer, pictures and failures out. Runs on rank 0, on the renderer's thread.
 *
 *   df_feeder_open(&f, &cfg, &err);
 *   df_feeder_lease(f, &lease);           any number may wait; they are worked on in the order they came
 *   df_feeder_work(f, &err);              about one segment of rendering; opens another model when its turn comes
 *   df_feeder_close(&f);
 *
 * What came out as NaN or flat in a job's own type is made once more in f32 (guard.h) before it is told.
 * A row that cannot be rendered fails alone; a model that cannot be opened fails the rows that want it. An error of
 * df_feeder_work is the pipeline's: this process is of no more use.
 * Pictures go to `deliver`, failures to `fail`; both take over the df_result. */
#ifndef DF_WORKER_FEEDER_H
#define DF_WORKER_FEEDER_H

#include "cluster/hop.h"
#include "worker/encoder.h"
#include "worker/fetch.h"
#include "worker/shelf.h"

typedef struct df_feeder df_feeder;

typedef struct df_feeder_cfg {
    df_comm *comm; /* borrowed */
    df_session_cfg session;
    size_t keep_bytes; /* of models that rest (shelf.h) */
    int micro_batch; /* 0: the job's, else a default */
    const df_offer *offers; /* borrowed; a lease with one of their hashes is rendered from that path */
    int n_offers;
    df_fetch *fetch; /* borrowed: copies of files that rows name; NULL: they are at their paths */
    const char *inputs_dir; /* borrowed: below it alone; NULL: anywhere */
    void *ctx;
    void (*deliver)(void *ctx, df_raw_picture *p);
    void (*fail)(void *ctx, df_result **r);
    const df_log *log;
} df_feeder_cfg;

df_code df_feeder_open(df_feeder **out, const df_feeder_cfg *cfg, df_err *err);
void df_feeder_close(df_feeder **f);

void df_feeder_lease(df_feeder *f, df_lease **lease); /* takes it */
void df_feeder_revoke(df_feeder *f, const df_lease *lease); /* its rows end without a word */
/* Takes rows not begun off one lease; NULL when no lease has any, else the lease, held, and its first such row. */
df_lease *df_feeder_hand_back(df_feeder *f, size_t *first);

df_code df_feeder_work(df_feeder *f, df_err *err);

bool df_feeder_is_held(const df_feeder *f); /* the next row waits for its files */
size_t df_feeder_waiting(const df_feeder *f); /* rows not begun */
size_t df_feeder_live(const df_feeder *f); /* rows begun and not ended, also those that are to be made once more */
size_t df_feeder_capacity(const df_feeder *f); /* rows that can be live at once */
double df_feeder_steps_done(const df_feeder *f); /* inside live rows, in images */

typedef struct df_speed { /* while it had work; 0: not known yet */
    double images_per_second;
    double work_per_second; /* in pixels times steps */
} df_speed;
df_speed df_feeder_speed(const df_feeder *f);

#endif
