#include "coordinator/web/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIN_TOKEN_CHARS = 16, FRESH_TOKEN_BYTES = 24 };

/* address */

static bool parse_port(const char *text, in_port_t *port) {
    char *end;
    if (strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 5) return false;
    unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return value <= UINT16_MAX;
}

df_code df_web_parse_address(const char *text, struct sockaddr_storage *out, df_err *err) {
    char host[64];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage) { 0 };
    if (colon && (size_t)(colon - text) < sizeof host) {
        snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
        size_t n = strlen(host);
        if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
            host[n - 1] = '\0';
            v6->sin6_family = AF_INET6;
            if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 && parse_port(colon + 1, &v6->sin6_port))
                return DF_OK;
        } else {
            v4->sin_family = AF_INET;
            if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 && parse_port(colon + 1, &v4->sin_port)) return DF_OK;
        }
    }
    return df_err_set(err, DF_EINVAL, "--http %s: an address is like 127.0.0.1:7780 or [::1]:7780", text);
}

bool df_web_is_loopback(const struct sockaddr_storage *address) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET) return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* token */

static bool is_token(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = strlen(text);
    return n >= MIN_TOKEN_CHARS && n < DF_WEB_TOKEN_BYTES && strspn(text, letters) == n;
}

static df_code make_token(const char *path, df_err *err) {
    uint8_t random[FRESH_TOKEN_BYTES];
    char line[2 * FRESH_TOKEN_BYTES + 2];
    if (getrandom(random, sizeof random, 0) != sizeof random) return df_err_errno(err, errno, "a fresh token");
    for (size_t i = 0; i < sizeof random; i++) snprintf(line + 2 * i, 3, "%02x", random[i]);
    line[sizeof line - 2] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    ssize_t n = write(fd, line, sizeof line - 1);
    int failed = fsync(fd), why = errno;
    close(fd);
    if (n == (ssize_t)sizeof line - 1 && !failed) return DF_OK;
    unlink(path);
    return df_err_errno(err, why, "%s", path);
}

static df_code read_token(int fd, const char *path, char token[DF_WEB_TOKEN_BYTES], df_err *err) {
    struct stat is;
    if (fstat(fd, &is)) return df_err_errno(err, errno, "%s", path);
    if (is.st_mode & 077)
        return df_err_set(err, DF_EINVAL, "%s: others can read this token (mode %03o): chmod 600 %s", path,
                          (unsigned)is.st_mode & 0777, path);
    ssize_t n = read(fd, token, DF_WEB_TOKEN_BYTES - 1);
    if (n < 0) return df_err_errno(err, errno, "%s", path);
    token[n] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    if (is_token(token)) return DF_OK;
    return df_err_set(err, DF_EINVAL, "%s: a token has %d to %d letters, digits, - or _, on one line", path,
                      MIN_TOKEN_CHARS, DF_WEB_TOKEN_BYTES - 1);
}

df_code df_web_load_token(const char *path, char token[DF_WEB_TOKEN_BYTES], df_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        df_code rc = make_token(path, err);
        if (rc) return rc;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    df_code rc = read_token(fd, path, token, err);
    close(fd);
    return rc;
}

/* requests */

bool df_web_same_token(const char *token, const char *shown) {
    if (!shown) return false;
    size_t n = strlen(token), m = strlen(shown);
    unsigned differ = n != m;
    for (size_t i = 0; i < n; i++) differ |= (unsigned char)token[i] ^ (unsigned char)(m ? shown[i % m] : 0);
    return !differ;
}

bool df_web_is_own_host(const char *host) {
    char name[64];
    struct in_addr v4;
    if (!host || strlen(host) >= sizeof name) return false;
    snprintf(name, sizeof name, "%s", host);
    if (name[0] == '[') return !strncmp(name, "[::1]", 5) && (!name[5] || name[5] == ':');
    name[strcspn(name, ":")] = '\0';
    if (!strcmp(name, "localhost")) return true;
    return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}
