#include "client/slurm/wait.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "client/exit_code.h"
#include "client/slurm/output.h"

#define LOOK_MS 500
#define ASK_SLURM_MS 15000 /* a controller serves thousands: it is asked rarely */
#define MAX_SLURM_SILENCE 8 /* questions in a row that got no answer */

static bool has_ended(const char *path, int *code) {
    char *text = NULL;
    size_t bytes;
    if (df_file_read(path, 64, &text, &bytes, NULL)) return false;
    *code = atoi(text);
    free(text);
    return true;
}

/* "12;cluster\n13\n" -> "12,13" */
void df_slurm_ids(const char *jobs, char *out, size_t out_bytes) {
    size_t n = 0;
    out[0] = '\0';
    while (*jobs && n + 2 < out_bytes) {
        size_t digits = strspn(jobs, "0123456789"), room = out_bytes - n;
        if (jobs[digits] && jobs[digits] != ';' && jobs[digits] != '\n') digits = 0;
        int wrote = digits ? snprintf(out + n, room, "%s%.*s", n ? "," : "", (int)digits, jobs) : 0;
        n += wrote > 0 && (size_t)wrote < room ? (size_t)wrote : 0;
        jobs += strcspn(jobs, "\n");
        jobs += *jobs == '\n';
    }
}

/* False once Slurm knows none of them as queued or running. */
static df_code are_alive(const char *ids, bool *alive, df_err *err) {
    char out[4096];
    const char *argv[] = { "squeue", "--noheader", "--format=%T", "--jobs", ids, NULL };
    df_code rc = df_output_of(argv, NULL, out, sizeof out, err);
    *alive = out[0] != '\0';
    return rc;
}

df_code df_slurm_wait_gone(const char *ids, bool cancel, int timeout_ms, df_err *err) {
    enum { ASK_MS = 1000 };
    char out[4096];
    const char *argv[] = { "scancel", ids, NULL };
    df_code rc = cancel ? df_output_of(argv, NULL, out, sizeof out, err) : DF_OK;
    int64_t until = df_clock_ms() + timeout_ms;
    for (bool alive = true; !rc; df_clock_sleep_ms(ASK_MS)) {
        rc = are_alive(ids, &alive, err);
        if (!rc && !alive) break;
        if (!rc && df_clock_ms() > until) rc = df_err_set(err, DF_ETIMEOUT, "jobs %s are still there", ids);
    }
    return rc;
}

df_code df_slurm_wait(const char *farm, const char *jobs, int *code, df_err *err) {
    char path[PATH_MAX], ids[1024];
    const volatile sig_atomic_t *stop = df_stop_on_signals();
    int64_t ask_at = df_clock_ms() + ASK_SLURM_MS;
    snprintf(path, sizeof path, "%s/exit_code", farm);
    df_slurm_ids(jobs, ids, sizeof ids);
    for (int silent = 0; !has_ended(path, code); df_clock_sleep_ms(LOOK_MS)) {
        bool alive = true;
        if (*stop) return df_err_set(err, DF_ECANCELLED, "interrupted");
        if (df_clock_ms() < ask_at) continue;
        ask_at = df_clock_ms() + ASK_SLURM_MS;
        silent = are_alive(ids, &alive, err) ? silent + 1 : 0;
        if (silent > MAX_SLURM_SILENCE || (!silent && !alive))
            return has_ended(path, code)
                       ? DF_OK
                       : df_err_set(err, DF_EUNREACHABLE,
                                    "jobs %s: Slurm has none of them any more, and the data set is not whole; see "
                                    "the logs in %s, and submit again to go on",
                                    ids, farm);
    }
    return DF_OK;
}
