/* The roll of a pipeline's ranks: who has come, who has left of itself or been told to, and where each was. Launchers
 * say none of this in a way that can be relied on, and end all ranks when one dies; so each rank answers for itself, in
 * the output that mpirun or srun carries to the supervisor from whatever host, between what else is written there.
 *
 * Rank:        df_roll_come(fd, rank);            at its start
 *              df_roll_leave(fd, rank);           when it ends, or is told to by its launcher: async-signal-safe
 * Rank 0:      df_roll_tell(fd, rank, where);     now and then, of each rank: "stage 1 of unet 16x16, step 4"
 * Supervisor:  df_roll_take(&roll, byte);         true: it was part of an entry, not of the output
 *              df_roll_missing(&roll, i)          whoever has come and never left has died; -1: no more
 *
 * An entry is one write of a few bytes, which a pipe keeps whole, with a line's end, because srun hands on whole lines.
 * What is no entry after all is dropped. */
#ifndef DF_WORKER_ROLL_H
#define DF_WORKER_ROLL_H

#include <stdbool.h>
#include <stddef.h>

enum { DF_ROLL_MOST_RANKS = 64, DF_ROLL_WHERE_BYTES = 160 };

void df_roll_come(int fd, int rank);
void df_roll_leave(int fd, int rank);
void df_roll_tell(int fd, int rank, const char *where);

typedef struct df_roll_rank {
    bool has_come, has_left;
    char where[DF_ROLL_WHERE_BYTES]; /* "": nobody has told */
} df_roll_rank;

typedef struct df_roll {
    df_roll_rank rank[DF_ROLL_MOST_RANKS];
    bool inside; /* of an entry */
    bool was_ours; /* the byte before: a line's end now is as well */
    size_t n; /* bytes of it so far */
    char entry[DF_ROLL_WHERE_BYTES + 8];
} df_roll;

bool df_roll_take(df_roll *r, char byte);
/* The first rank from `from` on that is missing. */
int df_roll_missing(const df_roll *r, int from);

#endif
