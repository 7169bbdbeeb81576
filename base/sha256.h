/* SHA-256, a thin seam over OpenSSL's libcrypto. Hex digests are lower case. */
#ifndef DF_BASE_SHA256_H
#define DF_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define DF_SHA256_BYTES 32
#define DF_SHA256_HEX_BYTES 65 /* with the closing 0 */

typedef struct df_sha256 df_sha256;

df_sha256 *df_sha256_new(void); /* NULL when out of memory */
void df_sha256_add(df_sha256 *s, const void *data, size_t bytes);
void df_sha256_end(df_sha256 **s, char hex[DF_SHA256_HEX_BYTES]); /* frees *s and nulls it; also after an error */

void df_sha256_of(const void *data, size_t bytes, char hex[DF_SHA256_HEX_BYTES]);
bool df_sha256_is_hex(const char *text); /* could be such a digest */
df_code df_sha256_file(const char *path, char hex[DF_SHA256_HEX_BYTES], df_err *err);

#endif
