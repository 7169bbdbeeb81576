/* What Slurm has told this process of the allocation it runs in. */
#ifndef DF_WORKER_ALLOCATION_H
#define DF_WORKER_ALLOCATION_H

#include <stdbool.h>

typedef struct df_allocation {
    char job[32]; /* "": we are in none */
    char node[64]; /* Slurm's name of this node; "": it does not say (a shell of salloc on another machine) */
    int n_nodes; /* of the allocation; 0: it does not say */
    bool in_step; /* this process is a task of srun's */
} df_allocation;

/* From the environment; what makes no sense there counts as not said. */
df_allocation df_allocation_here(void);

#endif
