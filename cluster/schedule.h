/* What the schedule decides, apart from what carries it out: which segment a rank runs next, what rank 0 starts next
 * and with how many pictures. The pipeline, its renderer and their simulation (cluster/simulate) all ask here. Threads:
 * pure functions. */
#ifndef DF_CLUSTER_SCHEDULE_H
#define DF_CLUSTER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Where a micro-batch is on one rank. */
typedef struct df_turn {
    bool runs;
    int64_t seq; /* of its command */
    int program;
    int next, n; /* of the rank's segments of the program: which it runs next, and how many there are */
} df_turn;

/* Has everything come that the next segment of turns[i] needs? */
typedef bool (*df_turn_ready_fn)(const void *ctx, int i);

/* The oldest command with a segment that can run now; -1: there is none. Commands of one program never overtake each
 * other within a segment: messages on an edge go in the order of the commands. */
int df_turn_next(const df_turn *turns, int n_turns, df_turn_ready_fn is_ready, const void *ctx);

/* Kinds of micro-batches in the order of urgency: finished rows are decoded first, they make room; then what rows wait
 * for. */
typedef enum df_batch_kind {
    DF_BATCH_NONE,
    DF_BATCH_DECODE,
    DF_BATCH_TEXT,
    DF_BATCH_ENCODE,
    DF_BATCH_STEP,
    DF_BATCH_KINDS
} df_batch_kind;

/* Pictures of a micro-batch of steps, when so many are between their first and last: all slots that help get an equal
 * share, of at least 1 and at most micro_batch. n_ranks: of all halves. */
int df_batch_share(int n_pictures, int n_ranks, int n_halves, int n_slots, int micro_batch);

#endif
