/* A keeper holds one child process alive: started again, ever more slowly, whenever it ends in a way that may get
 * better. Exit code 0 is an orderly end; 2 and 3 (usage, refused) would come again and are final.
 *
 *   df_keeper k = { .child = cfg, .name = "worker 1", ... };   df_keeper_start(&k, &err);
 *   df_keeper_poll(&k);   as often as wanted, then look at k.state and k.status
 *   df_keeper_stop(&k, SIGTERM, 3000);
 */
#ifndef DF_WORKER_KEEPER_H
#define DF_WORKER_KEEPER_H

#include <stdint.h>

#include "base/log.h"
#include "worker/child.h"

typedef enum df_keeper_state {
    DF_KEEPER_RUNNING,
    DF_KEEPER_WAITING, /* to start it again */
    DF_KEEPER_ENDED, /* exit code 0 */
    DF_KEEPER_REFUSED, /* exit code 2 or 3 */
    DF_KEEPER_BROKEN, /* failed at start max_quick_failures times in a row, or cannot be started */
} df_keeper_state;

typedef struct df_keeper {
    df_child_cfg child;
    const char *name; /* for the log */
    int max_quick_failures; /* 0: never give up */
    bool cleans_up; /* what it has started sees to the end of the rest when it is killed: that is then left alone */
    const df_log *log; /* may be NULL */
    /* kept by the keeper */
    df_keeper_state state;
    pid_t pid; /* 0: none runs */
    int status; /* of the last end, as wait gives it */
    int quick_failures;
    int64_t started_ms, start_at_ms;
} df_keeper;

df_code df_keeper_start(df_keeper *k, df_err *err);
void df_keeper_poll(df_keeper *k);
void df_keeper_signal(df_keeper *k, int number); /* to the child, if one runs */
/* Signals the child, waits up to timeout_ms for its end, then kills its whole process group. */
void df_keeper_stop(df_keeper *k, int number, int timeout_ms);
/* The same for a child that hangs: it counts as failed, and is started again. */
void df_keeper_replace(df_keeper *k, int number, int timeout_ms);

#endif
