/* A program that may hang or crash, run to see what comes of it. */
#ifndef DF_WORKER_TRIAL_H
#define DF_WORKER_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct df_trial {
    bool started; /* false: there is no such program, why is in text */
    bool late; /* it was still running when its time was over, and was ended */
    int status; /* of waitpid */
    char text[8192]; /* its output and errors, what does not fit dropped */
} df_trial;

/* argv, env: as of df_child_cfg. clean: without what MPI and Slurm told this process of itself. */
void df_trial_run(df_trial *p, const char *const *argv, const char *const *env, bool clean, int limit_seconds);

bool df_trial_succeeded(const df_trial *p);
/* "exit code 1: mpirun: no such host", "no answer in 20 s, ended"; returns out. */
char *df_trial_why(const df_trial *p, char *out, size_t out_bytes);
/* The first line of its text that has anything in it, up to a line's end; returns out. */
char *df_trial_line(const df_trial *p, char *out, size_t out_bytes);

#endif
