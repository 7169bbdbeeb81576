#include "worker/allocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *said(const char *name) {
    const char *text = getenv(name);
    return text ? text : "";
}

/* It becomes part of command lines. */
static bool is_a_number(const char *text) {
    return *text && strlen(text) < 20 && !text[strspn(text, "0123456789")];
}

/* Steps from here on are Slurm's own: the batch script, the shell of salloc. Source: slurm.h, SLURM_BATCH_SCRIPT. */
#define FIRST_SPECIAL_STEP 0xfffffff0u

df_allocation df_allocation_here(void) {
    df_allocation a = { 0 };
    const char *nodes = said("SLURM_JOB_NUM_NODES");
    if (!is_a_number(said("SLURM_JOB_ID"))) return a;
    snprintf(a.job, sizeof a.job, "%s", said("SLURM_JOB_ID"));
    snprintf(a.node, sizeof a.node, "%s", said("SLURMD_NODENAME"));
    a.n_nodes = is_a_number(nodes) ? (int)strtol(nodes, NULL, 10) : 0;
    const char *step = said("SLURM_STEP_ID");
    a.in_step = is_a_number(step) && strtoull(step, NULL, 10) < FIRST_SPECIAL_STEP;
    return a;
}
