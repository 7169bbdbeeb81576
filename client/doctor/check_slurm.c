#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/doctor/checkup.h"
#include "worker/trial.h"

static int count_lines(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

/* Programs of Slurm may lie on a machine that belongs to no cluster. */
static bool is_of_a_cluster(void) {
    return getenv("SLURM_CONF") || getenv("SLURM_JOB_ID") || !access("/etc/slurm/slurm.conf", R_OK);
}

void df_check_slurm(const df_checkup *c) {
    static const char *const sinfo[] = { "sinfo", "--noheader", "--format=%P %a %D", NULL };
    static const char *const plugins[] = { "srun", "--mpi=list", NULL };
    df_trial p;
    char why[320];
    df_trial_run(&p, sinfo, NULL, false, c->limit_seconds);
    if (!p.started) {
        df_found(c->found, DF_FOUND_NOTE, "slurm", NULL, "none here; a farm runs without it");
        return;
    }
    if (!df_trial_succeeded(&p)) {
        df_found(c->found, is_of_a_cluster() ? DF_FOUND_PROBLEM : DF_FOUND_NOTE, "slurm",
                 "is SLURM_CONF right, and slurmctld running?", "it is installed, but does not answer: %s",
                 df_trial_why(&p, why, sizeof why));
        return;
    }
    int partitions = count_lines(p.text);
    df_trial_run(&p, plugins, NULL, false, c->limit_seconds);
    df_found(c->found, DF_FOUND_OK, "slurm", NULL, "%d partitions; srun knows pmix: %s, pmi2: %s", partitions,
             strstr(p.text, "pmix") ? "yes" : "no", strstr(p.text, "pmi2") ? "yes" : "no");
    if (!getenv("SLURM_JOB_ID"))
        df_found(c->found, DF_FOUND_NOTE, "allocation", "salloc --ntasks=2 diffarm doctor",
                 "not in one: srun is tried inside only");
}
