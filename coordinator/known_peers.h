/* Who may come in: the public keys that the coordinator knows, with the role of each.
 *
 *   df_known_peers_open(&p, "DIR/peers", &err);
 *   const char *role = df_known_peers_role(p, key);          NULL: a stranger
 *   df_known_peers_close(&p);
 *
 * One peer a line: ROLE PUBLIC-KEY NAME. The file is read again when it has changed, so that a peer can be added, or
 * shut out from its next connection on, while the farm runs; a change that cannot be read leaves what was known before.
 * A file that others can write is refused. */
#ifndef DF_COORDINATOR_KNOWN_PEERS_H
#define DF_COORDINATOR_KNOWN_PEERS_H

#include "base/err.h"
#include "base/log.h"

typedef struct df_known_peers df_known_peers;

df_code df_known_peers_open(df_known_peers **out, const char *path, const df_log *log, df_err *err);
void df_known_peers_close(df_known_peers **p);
const char *df_known_peers_role(df_known_peers *p, const char *public_key); /* DF_ROLE_*, static */

#endif
