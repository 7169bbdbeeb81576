/* The door: decides for every connection whether its key may come in (ZeroMQ's authentication protocol, ZAP).
 *
 *   df_door_open(&d, zmq_context, "DIR", log, &err);        before the socket binds
 *   df_door_guard(d, socket, &err);                         the socket takes CURVE connections only
 *   poll df_door_socket(d) for input; df_door_answer(d);    a connection waits until it is answered
 *   df_door_close(&d);
 *
 * Who is let in carries the role of its key in each of its messages (df_wire_in.role). Source: rfc.zeromq.org/spec/27.
 * Threads: one owner, the coordinator's loop. */
#ifndef DF_COORDINATOR_DOOR_H
#define DF_COORDINATOR_DOOR_H

#include "base/err.h"
#include "base/log.h"

typedef struct df_door df_door;

df_code df_door_open(df_door **out, void *context, const char *keys_dir, const df_log *log, df_err *err);
void df_door_close(df_door **d);
df_code df_door_guard(df_door *d, void *socket, df_err *err);
void *df_door_socket(const df_door *d);
void df_door_answer(df_door *d); /* all that wait */

#endif
