/* A child process that cannot outlive us: it gets death_signal from the kernel when the thread that started it ends,
 * however that happens. It has its own process group (Ctrl-C is for us alone) and /dev/null as input.
 *
 * df_child_start returns once the program runs; one that cannot be executed is an error here. Start children from the
 * main thread. */
#ifndef DF_WORKER_CHILD_H
#define DF_WORKER_CHILD_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

typedef struct df_child_cfg {
    const char *const *argv; /* NULL at the end; argv[0] is looked for in PATH */
    const char *const *env; /* "NAME=VALUE", NULL at the end, added to ours; may be NULL */
    bool clean_launch; /* without what MPI and Slurm have told us about ourselves */
    const cpu_set_t *cores; /* where it may run; NULL: where we may */
    const char *log_path; /* output is appended to it; NULL: goes where ours goes */
    int output_fd; /* standard output goes there; 0: where ours goes */
    bool errors_too; /* standard error goes to output_fd as well */
    int death_signal;
    int deaf_to; /* a signal that is blocked in it from its start; 0: none */
} df_child_cfg;

df_code df_child_start(pid_t *pid, const df_child_cfg *cfg, df_err *err);

/* The path of this program, for children that are ourselves. */
df_code df_child_self(char *out, size_t out_bytes, df_err *err);

/* "exit code 3", "signal 9 (Killed)"; returns out. */
char *df_child_status_text(int status, char *out, size_t out_bytes);

#endif
