/* Who may read the web page: an address, a token, and what a request must show. */
#ifndef DF_COORDINATOR_WEB_ACCESS_H
#define DF_COORDINATOR_WEB_ACCESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

enum { DF_WEB_TOKEN_BYTES = 129 };

/* "127.0.0.1:7780", "[::1]:7780", "0.0.0.0:7780": numbers, no names. DF_EINVAL says what an address looks like. */
df_code df_web_parse_address(const char *text, struct sockaddr_storage *out, df_err *err);
bool df_web_is_loopback(const struct sockaddr_storage *address);

/* Reads the token, or makes the file with a fresh one, mode 0600. DF_EINVAL: others can read it, or it is no token of
 * 16 to 128 letters, digits, - and _. */
df_code df_web_load_token(const char *path, char token[DF_WEB_TOKEN_BYTES], df_err *err);

bool df_web_same_token(const char *token, const char *shown); /* in the same time whatever is shown; NULL is false */
bool df_web_is_own_host(const char *host_header); /* localhost, 127.x or [::1], with or without a port; NULL is false */

#endif
