/* A queue between two threads: pointers, first in first out, with a limit.
 *
 *   df_queue_open(&q, 8, &err);   df_queue_push(q, item);   item = df_queue_pop(q, timeout_ms);   df_queue_close(&q);
 *
 * Push waits while the queue is full: whoever is faster is slowed down, memory stays bounded. df_queue_fd is readable
 * while there are items, so that a queue can be polled beside sockets.
 * Threads: any may push and pop; close when no other thread uses it (items left are the closer's to free: pop first).
 */
#ifndef DF_WORKER_QUEUE_H
#define DF_WORKER_QUEUE_H

#include <stddef.h>

#include "base/err.h"

typedef struct df_queue df_queue;

df_code df_queue_open(df_queue **out, size_t capacity, df_err *err);
void df_queue_close(df_queue **q);

void df_queue_push(df_queue *q, void *item); /* never NULL */
void *df_queue_pop(df_queue *q, int timeout_ms); /* NULL if none came; 0: look once, -1: for ever */
int df_queue_fd(const df_queue *q);

#endif
