/* What is going to happen, soonest first; of one moment, in the order it was added, so that a simulation is the same
 * each time. */
#ifndef DF_CLUSTER_SIMULATE_AGENDA_H
#define DF_CLUSTER_SIMULATE_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

typedef struct df_agenda_item {
    double at;
    int64_t order;
    int kind, rank, what; /* the owner's */
} df_agenda_item;

typedef struct df_agenda {
    df_agenda_item *heap;
    int n, room;
    int64_t n_added;
} df_agenda;

bool df_agenda_add(df_agenda *a, double at, int kind, int rank, int what); /* false: no memory */
const df_agenda_item *df_agenda_first(const df_agenda *a); /* NULL: none */
df_agenda_item df_agenda_take(df_agenda *a); /* the first; there is one */
void df_agenda_free(df_agenda *a);

#endif
