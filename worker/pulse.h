/* A pulse: how a supervisor knows that rank 0 of its ranks is alive. The other ranks are watched by rank 0
 * (pipeline.h); of itself it writes a line of one byte to its output every half a second, which mpirun or srun carries
 * to the supervisor from whatever host. A thread does it, so that a long computation is no silence; but it rests when
 * the rank's own thread has not been at its loop for an hour.
 *
 * Rank 0:      df_pulse_start(&p, STDOUT_FILENO, &err);  df_pulse_touch(p) in its loop;  df_pulse_stop(&p);
 * Supervisor:  df_pulse_ear_open(&e, &err);   e.write_fd becomes the child's output
 *              df_pulse_ear_reset(&e);        a child was started
 *              df_pulse_ear_listen(&e, ms);   often, then look at e.n_heard and e.silent_ms
 *              df_pulse_ear_close(&e);
 *
 * The roll of all ranks (roll.h) comes the same way. What else the child writes is handed on to our own output.
 * Threads: a pulse is touched by its owner; an ear has one.
 */
#ifndef DF_WORKER_PULSE_H
#define DF_WORKER_PULSE_H

#include <stdint.h>

#include "base/err.h"
#include "worker/roll.h"

enum { DF_PULSE_PERIOD_MS = 500 };

typedef struct df_pulse df_pulse;

df_code df_pulse_start(df_pulse **out, int fd, df_err *err);
void df_pulse_touch(df_pulse *p); /* NULL: nothing */
void df_pulse_tell(df_pulse *p, int rank, const char *where); /* df_roll_tell; NULL: nothing */
void df_pulse_stop(df_pulse **p); /* accepts a pointer to NULL */

typedef struct df_pulse_ear {
    int read_fd, write_fd; /* closed on exec */
    int64_t n_heard; /* pulses since the reset */
    int64_t silent_ms; /* since the last one, or the reset; while we ourselves were stopped it hardly grows */
    int64_t listened_ms; /* when we did last */
    df_roll roll; /* of the child's ranks */
} df_pulse_ear;

df_code df_pulse_ear_open(df_pulse_ear *e, df_err *err);
void df_pulse_ear_close(df_pulse_ear *e);
void df_pulse_ear_reset(df_pulse_ear *e);
/* Waits at most timeout_ms for something, and takes all that is there. */
void df_pulse_ear_listen(df_pulse_ear *e, int timeout_ms);

#endif
