#include "base/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct df_sha256 {
    EVP_MD_CTX *ctx;
};

static void to_hex(const unsigned char *digest, char *hex) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DF_SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[2 * DF_SHA256_BYTES] = '\0';
}

df_sha256 *df_sha256_new(void) {
    df_sha256 *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->ctx = EVP_MD_CTX_new();
    if (!s->ctx || !EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(s->ctx);
        free(s);
        return NULL;
    }
    return s;
}

void df_sha256_add(df_sha256 *s, const void *data, size_t bytes) {
    EVP_DigestUpdate(s->ctx, data, bytes);
}

void df_sha256_end(df_sha256 **s, char hex[DF_SHA256_HEX_BYTES]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex((*s)->ctx, digest, NULL);
    to_hex(digest, hex);
    EVP_MD_CTX_free((*s)->ctx);
    free(*s);
    *s = NULL;
}

void df_sha256_of(const void *data, size_t bytes, char hex[DF_SHA256_HEX_BYTES]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL);
    to_hex(digest, hex);
}

bool df_sha256_is_hex(const char *text) {
    return strspn(text, "0123456789abcdef") == DF_SHA256_HEX_BYTES - 1 && !text[DF_SHA256_HEX_BYTES - 1];
}

df_code df_sha256_file(const char *path, char hex[DF_SHA256_HEX_BYTES], df_err *err) {
    enum { CHUNK_BYTES = 1 << 20 };
    FILE *f = fopen(path, "rb");
    if (!f) return df_err_errno(err, errno, "%s", path);
    df_sha256 *s = df_sha256_new();
    unsigned char *chunk = malloc(CHUNK_BYTES);
    df_code rc = s && chunk ? DF_OK : df_err_set(err, DF_ENOMEM, "%s: no memory to hash it", path);
    for (size_t n; !rc && (n = fread(chunk, 1, CHUNK_BYTES, f)) > 0;) df_sha256_add(s, chunk, n);
    if (!rc && ferror(f)) rc = df_err_errno(err, errno, "%s: read", path);
    if (s) df_sha256_end(&s, hex);
    free(chunk);
    fclose(f);
    return rc;
}
