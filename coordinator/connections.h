/* How many connections a socket that listens has now, whether they have said anything or not.
 *
 *   df_connections_open(&c, zmq_context, socket, &err);      before it binds
 *   poll df_connections_socket(c) for input; df_connections_update(c); df_connections_count(c);
 *   df_connections_close(&c);                                before the socket is closed
 *
 * Each takes a descriptor: when there are none left, connections are not accepted, and nobody is told.
 * Threads: one owner, the socket's. */
#ifndef DF_COORDINATOR_CONNECTIONS_H
#define DF_COORDINATOR_CONNECTIONS_H

#include <stddef.h>

#include "base/err.h"

typedef struct df_connections df_connections;

df_code df_connections_open(df_connections **out, void *context, void *socket, df_err *err);
void df_connections_close(df_connections **c);
void *df_connections_socket(const df_connections *c);
void df_connections_update(df_connections *c); /* takes note of all that has happened since */
size_t df_connections_count(const df_connections *c);

#endif
