/* A pipeline in two halves: each holds the whole model on a half of the ranks, and runs a half of the rows of every
 * micro-batch. Of a guided picture the first half has the conditional row, the second the unconditional one; rows
 * without such a partner balance over both. Rows are independent, so that which half ran one cannot be seen.
 *
 *   int64_t n_rows[DF_MOST_HALVES] = { 0 };
 *   for each picture: df_halves_put(n_rows, n_halves, row->n_model_rows, place);
 *
 * The first half never has fewer rows than the second, and at most one more. Threads: pure functions. */
#ifndef DF_CLUSTER_HALVES_H
#define DF_CLUSTER_HALVES_H

#include <stdint.h>

enum { DF_MOST_HALVES = 2 };

/* Of one row in a micro-batch. */
typedef struct df_half_place {
    int half;
    int64_t at; /* among the rows there */
} df_half_place;

/* Adds a picture's one row, or its two: the unconditional's place is out[0], the conditional's out[1]. With n_halves 1
 * they stand side by side. */
void df_halves_put(int64_t n_rows[DF_MOST_HALVES], int n_halves, int n_model_rows, df_half_place out[2]);

/* n rows that have no partners: how many go where, and where row i is. */
void df_halves_split(int64_t n_rows[DF_MOST_HALVES], int n_halves, int64_t n);
df_half_place df_halves_place(const int64_t n_rows[DF_MOST_HALVES], int64_t i);

/* Rows of a half, of so many in all: room for any micro-batch. */
int64_t df_halves_most(int n_halves, int64_t n);

#endif
