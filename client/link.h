/* The client's end of the wire: a DEALER socket to the coordinator that asks until it is answered.
 *
 *   df_link_open(&l, endpoint, &err);
 *   df_link_ask(l, &msg, &answer, deadline_ms, &err);   ...   df_wire_in_free(&answer);
 *   df_link_close(&l);
 *
 * A question carries a fresh request_id and is asked again when no answer comes, after Hello: the coordinator may have
 * been started anew in between. That does no harm, because every request may be delivered twice. What the coordinator
 * answers under an older id is dropped. Nothing is queued for a coordinator that is not there.
 * Threads: one owner. */
#ifndef DF_CLIENT_LINK_H
#define DF_CLIENT_LINK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/envelope.h"

typedef struct df_link df_link;

/* endpoint: or file://PATH, which is read again whenever no answer comes (proto/locator.h). */
df_code df_link_open(df_link **out, const char *endpoint, df_err *err);
/* With the keys of a folder (proto/keys.h), submit's or else watch's; NULL: none. */
df_code df_link_open_with(df_link **out, const char *endpoint, const char *keys_dir, df_err *err);
void df_link_close(df_link **l);

/* deadline_ms on df_clock_ms; INT64_MAX waits for ever. DF_EUNREACHABLE when it passes, DF_EPROTOCOL when the
 * coordinator refuses us, DF_ECANCELLED when *stop (may be NULL) becomes true. Sets the message's request_id. */
df_code df_link_ask(df_link *l, Diffarm__Message *msg, df_wire_in *answer, int64_t deadline_ms, df_err *err);

/* Called about twice a second while an answer is overdue, with how long it has been; an error ends the question. */
typedef df_code (*df_link_wait_cb)(void *ctx, int64_t waited_ms, df_err *err);
void df_link_on_wait(df_link *l, df_link_wait_cb cb, void *ctx);
void df_link_stop_flag(df_link *l, const volatile sig_atomic_t *stop);

/* Changes whenever the coordinator was started anew: what it had not made durable is gone. "" before the first answer.
 */
const char *df_link_coordinator(const df_link *l);

#endif
