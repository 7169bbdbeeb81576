/* Where a peer finds its coordinator: an endpoint like tcp://HOST:7700, or file://PATH, the file in which a coordinator
 * tells where it listens (STATE/endpoint, on a file system that both see). A batch system may start the coordinator
 * again on another node; who follows the file finds it there.
 *
 *   df_locator l = { .named = "file:///scratch/farm/state/endpoint" };
 *   df_locator_follow(&l, socket, &err);             after the socket is set up
 *   df_locator_look(&l, socket, now_ms, &err);       while nobody answers
 *
 * A file that is not there is no error: the coordinator has not started yet, and the socket is connected to nothing.
 * What is sent in the moment of a change may be lost; every message of the farm is repeated until it is answered.
 * Threads: the socket's owner. */
#ifndef DF_PROTO_LOCATOR_H
#define DF_PROTO_LOCATOR_H

#include <stdint.h>

#include "base/err.h"

enum { DF_LOCATOR_BYTES = 256 };

typedef struct df_locator {
    const char *named; /* borrowed */
    char at[DF_LOCATOR_BYTES]; /* where the socket is connected to; "": nowhere yet */
    int64_t look_due_ms;
} df_locator;

/* Connects the socket to where the coordinator is told to be now, and takes it off the former place. Does nothing if
 * that has not changed. DF_EINVAL: what is named, or stands in the file, is no endpoint; DF_EIO and others: the file
 * cannot be read. After an error the socket is where it was. */
df_code df_locator_follow(df_locator *l, void *socket, df_err *err);
df_code df_locator_look(df_locator *l, void *socket, int64_t now_ms, df_err *err); /* the same, once a second */

#endif
