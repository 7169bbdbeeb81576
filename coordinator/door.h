/* The door: decides for every connection whether its key may come in (ZeroMQ's authentication protocol, ZAP), and
 * whether there is room for it.
 *
 *   df_door_open(&d, zmq_context, socket, &cfg, &err);      before the socket binds
 *   poll df_door_socket(d) for input; df_door_answer(d);    a connection waits until it is answered
 *   df_door_close(&d);                                      before the socket is closed
 *
 * Who is let in carries the role of its key in each of its messages (df_wire_in.role). When max_connections are there,
 * some more get the role DF_ROLE_ONE_TOO_MANY instead, so that they can be told; beyond those connections are closed,
 * and their peers try again by themselves. Source: rfc.zeromq.org/spec/27.
 * Threads: one owner, the coordinator's loop. */
#ifndef DF_COORDINATOR_DOOR_H
#define DF_COORDINATOR_DOOR_H

#include "base/err.h"
#include "base/log.h"

typedef struct df_door df_door;

typedef struct df_door_cfg {
    const char *keys_dir; /* NULL: no keys are asked for */
    size_t max_connections;
    const df_log *log; /* borrowed */
} df_door_cfg;

enum { DF_DOOR_SPARE_CONNECTIONS = 32 }; /* that are told that there is no room */

df_code df_door_open(df_door **out, void *context, void *socket, const df_door_cfg *cfg, df_err *err);
void df_door_close(df_door **d);
void *df_door_socket(const df_door *d);
void df_door_answer(df_door *d); /* all that wait */

#endif
