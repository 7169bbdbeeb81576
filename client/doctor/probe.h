/* A program that may hang or crash, run to see what comes of it. */
#ifndef DF_CLIENT_DOCTOR_PROBE_H
#define DF_CLIENT_DOCTOR_PROBE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct df_probe {
    bool started; /* false: there is no such program, why is in text */
    bool late; /* it was still running when its time was over, and was ended */
    int status; /* of waitpid */
    char text[8192]; /* its output and errors, what does not fit dropped */
} df_probe;

/* argv, env: as of df_child_cfg. clean: without what MPI and Slurm told this process of itself. */
void df_probe_run(df_probe *p, const char *const *argv, const char *const *env, bool clean, int limit_seconds);

bool df_probe_succeeded(const df_probe *p);
/* "exit code 1: mpirun: no such host", "no answer in 20 s, ended"; returns out. */
char *df_probe_why(const df_probe *p, char *out, size_t out_bytes);
/* The first line of its text that has anything in it, up to a line's end; returns out. */
char *df_probe_line(const df_probe *p, char *out, size_t out_bytes);

#endif
