/* What must come out: the jobs of a simulated world, their rows, and the one right picture of each row; and what the
 * coordinator has promised about them so far. */
#ifndef DF_COORDINATOR_SIMULATE_TRUTH_H
#define DF_COORDINATOR_SIMULATE_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"
#include "coordinator/simulate/png.h"
#include "coordinator/simulate/random.h"
#include "farm.pb-c.h"

enum { DF_SIM_MAX_ROWS = 48, DF_SIM_MAX_JOBS = 3 };

typedef struct df_sim_row {
    uint8_t png[DF_SIM_PNG_BYTES];
    uint8_t damaged[DF_SIM_PNG_BYTES]; /* of the same size: what a liar may send for it */
    size_t png_bytes;
    char png_sha256[DF_SHA256_HEX_BYTES];
    uint32_t side, steps;
    uint64_t shows; /* what is seen, by a number: also another row's */
    char prompt[32], name[32];
    bool was_done; /* seen committed */
    bool acked; /* its ResultAck said so: from then on it stays */
    bool doomed; /* somebody said that it can never be rendered */
} df_sim_row;

typedef struct df_sim_job {
    char id[17], out_dir[32];
    const char *format;
    bool is_shared; /* workers write its pictures beside OUT */
    uint64_t n_rows;
    int64_t murderer; /* the row that kills whoever renders it; -1: none does */
    int n_murders;
    bool end_was_struck;
    int priority;
    df_sim_row rows[DF_SIM_MAX_ROWS];
    bool accepted; /* SubmitEnd was answered */
    bool cancel_sent, cancelled; /* JobCancel was answered */
    bool ended; /* a client was told that it is done */
    bool paused; /* JobControl was answered so, and nothing that would change it was sent since */
    bool resume_sent;
    int64_t retry_ms; /* when a client last asked for a retry; 0: never. From then on it may be open again */
} df_sim_job;

void df_sim_job_make(df_sim_job *job, int number, df_sim_random *random);
void df_sim_job_spec(const df_sim_job *job, Diffarm__JobSpec *spec); /* borrows the strings */
void df_sim_job_row(const df_sim_job *job, uint64_t row, Diffarm__Row *out); /* the same */
uint64_t df_sim_row_pixels(const df_sim_row *row); /* a hash of what is seen */
/* Below OUT: where the picture of a row lies at the end. */
void df_sim_job_path(const df_sim_job *job, uint64_t row, char *out, size_t bytes);

#endif
