/* Keys of the farm's peers: pairs of CURVE (Curve25519) in text files, and what a socket must be told of them.
 *
 *   df_key_pair_new(&pair, &err);   df_key_pair_write(&pair, "DIR/work.key", &err);    readable by the owner alone
 *   df_curve_serve(socket, &pair, &err);                          before bind; ZAP then decides who may come in
 *   df_curve_connect(socket, "DIR", roles, &err);                 before connect, with the first of DIR/ROLE.key there
 * is
 *
 * A folder of keys holds coordinator.pub (the public key peers expect of their coordinator) and ROLE.key, the pair a
 * peer proves itself with. The coordinator's own holds coordinator.key and peers (coordinator/known_peers.h) as well.
 * A file with a secret that others could read is refused. Source: rfc.zeromq.org/spec/25 (CurveZMQ). */
#ifndef DF_PROTO_KEYS_H
#define DF_PROTO_KEYS_H

#include "base/err.h"

enum { DF_KEY_CHARS = 40 }; /* 32 bytes in Z85 */

typedef struct df_key_pair {
    char public_key[DF_KEY_CHARS + 1], secret_key[DF_KEY_CHARS + 1];
} df_key_pair;

/* The roles, and the names of their files. */
#define DF_ROLE_SUBMIT "submit"
#define DF_ROLE_WORK "work"
#define DF_ROLE_WATCH "watch"

df_code df_key_pair_new(df_key_pair *out, df_err *err); /* DF_EUNSUPPORTED: this ZeroMQ was built without CURVE */
/* Makes the file with mode 0600; DF_EEXIST if there is one: a key is never written over. */
df_code df_key_pair_write(const df_key_pair *pair, const char *path, df_err *err);
/* DF_EINVAL: others can read or write it, or it is somebody else's. DF_EFORMAT: no key in it. */
df_code df_key_pair_read(df_key_pair *out, const char *path, df_err *err);
void df_key_pair_forget(df_key_pair *pair); /* wipes the secret from memory */

df_code df_public_key_read(char out[DF_KEY_CHARS + 1], const char *path, df_err *err);
int df_key_is_valid(const char *key); /* 40 characters of Z85 */

df_code df_curve_serve(void *socket, const df_key_pair *own, df_err *err);
/* roles: in order of preference, NULL at the end. */
df_code df_curve_connect(void *socket, const char *dir, const char *const *roles, df_err *err);

#endif
