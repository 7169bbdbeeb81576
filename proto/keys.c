#include "proto/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { MAX_FILE_BYTES = 4096 };

df_code df_key_pair_new(df_key_pair *out, df_err *err) {
    if (!zmq_curve_keypair(out->public_key, out->secret_key)) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "keys: %s", zmq_strerror(zmq_errno()));
}

void df_key_pair_forget(df_key_pair *pair) {
    explicit_bzero(pair, sizeof *pair);
}

int df_key_is_valid(const char *key) {
    uint8_t bytes[32];
    return strlen(key) == DF_KEY_CHARS && zmq_z85_decode(bytes, key) != NULL;
}

/* writing */

static df_code write_and_close(int fd, const char *path, const char *text, df_err *err) {
    size_t n = strlen(text);
    int failed = write(fd, text, n) != (ssize_t)n || fsync(fd), why = errno;
    if (close(fd) && !failed) {
        failed = 1;
        why = errno;
    }
    if (!failed) return DF_OK;
    unlink(path);
    return df_err_errno(err, why, "%s", path);
}

df_code df_key_pair_write(const df_key_pair *pair, const char *path, df_err *err) {
    char text[256];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return df_err_set(err, DF_EEXIST, "%s: there is a key already, and none is written over", path);
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    snprintf(text, sizeof text,
             "# A key of diffarm. Who has this file is let in: keep it to yourself.\npublic %s\nsecret %s\n",
             pair->public_key, pair->secret_key);
    df_code rc = write_and_close(fd, path, text, err);
    explicit_bzero(text, sizeof text);
    return rc;
}

/* reading */

static df_code check_mode(int fd, const char *path, df_err *err) {
    struct stat is;
    if (fstat(fd, &is)) return df_err_errno(err, errno, "%s", path);
    if (!S_ISREG(is.st_mode)) return df_err_set(err, DF_EINVAL, "%s: not a file", path);
    if (is.st_uid != geteuid() && is.st_uid != 0)
        return df_err_set(err, DF_EINVAL, "%s: belongs to user %u, who could put in another key", path,
                          (unsigned)is.st_uid);
    if (is.st_mode & (S_IRWXG | S_IRWXO))
        return df_err_set(err, DF_EINVAL,
                          "%s: others can read or write it (mode %03o); run `chmod 600 %s`, and make a "
                          "new key if somebody may have read this one",
                          path, (unsigned)(is.st_mode & 0777), path);
    return DF_OK;
}

/* Text of the file, 0 at its end. */
static df_code read_text(char text[MAX_FILE_BYTES], const char *path, bool secret, df_err *err) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return df_err_errno(err, errno, "%s", path);
    df_code rc = secret ? check_mode(fd, path, err) : DF_OK;
    ssize_t n = rc ? 0 : read(fd, text, MAX_FILE_BYTES - 1);
    if (!rc && n < 0) rc = df_err_errno(err, errno, "%s", path);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return rc;
}

/* "NAME KEY" on a line of its own. */
static bool find_key(const char *text, const char *name, char out[DF_KEY_CHARS + 1]) {
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncmp(line, name, n) != 0 || line[n] != ' ') continue;
        size_t chars = strcspn(line + n + 1, "\r\n");
        if (chars != DF_KEY_CHARS) return false;
        memcpy(out, line + n + 1, chars);
        out[chars] = '\0';
        return df_key_is_valid(out);
    }
    return false;
}

static df_code no_key(const char *path, const char *name, df_err *err) {
    return df_err_set(err, DF_EFORMAT, "%s: no line \"%s KEY\" in it; `diffarm keygen` makes such files", path, name);
}

df_code df_key_pair_read(df_key_pair *out, const char *path, df_err *err) {
    char text[MAX_FILE_BYTES];
    df_code rc = read_text(text, path, true, err);
    if (!rc && !find_key(text, "public", out->public_key)) rc = no_key(path, "public", err);
    if (!rc && !find_key(text, "secret", out->secret_key)) rc = no_key(path, "secret", err);
    explicit_bzero(text, sizeof text);
    return rc;
}

df_code df_public_key_read(char out[DF_KEY_CHARS + 1], const char *path, df_err *err) {
    char text[MAX_FILE_BYTES];
    df_code rc = read_text(text, path, false, err);
    return !rc && !find_key(text, "public", out) ? no_key(path, "public", err) : rc;
}

/* sockets */

static df_code option_failed(df_err *err) {
    return df_err_set(err, DF_EUNSUPPORTED, "CURVE: %s", zmq_strerror(zmq_errno()));
}

df_code df_curve_serve(void *socket, const df_key_pair *own, df_err *err) {
    int server = 1;
    if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "diffarm", 7) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof server) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret_key, DF_KEY_CHARS + 1))
        return option_failed(err);
    return DF_OK;
}

/* Which role is needed, and which are there. */
static df_code no_role(const char *dir, const char *const *roles, df_err *err) {
    static const char *const all[] = { DF_ROLE_SUBMIT, DF_ROLE_WORK, DF_ROLE_WATCH };
    char needed[64] = "", there[64] = "", path[4096];
    for (const char *const *r = roles; *r; r++)
        snprintf(needed + strlen(needed), sizeof needed - strlen(needed), "%s%s.key", r == roles ? "" : " or ", *r);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(path, sizeof path, "%s/%s.key", dir, all[i]);
        if (!access(path, F_OK))
            snprintf(there + strlen(there), sizeof there - strlen(there), "%s%s.key", *there ? ", " : "", all[i]);
    }
    return df_err_set(err, DF_ENOTFOUND,
                      "%s: no %s in it (there is %s); this needs a key of the role %s: `diffarm keygen DIR --add NAME "
                      "--role %s` makes one",
                      dir, needed, *there ? there : "none of any role", roles[0], roles[0]);
}

/* The first of DIR/ROLE.key that is there. */
static df_code read_own(df_key_pair *own, const char *dir, const char *const *roles, df_err *err) {
    char path[4096];
    df_code rc = DF_ENOTFOUND;
    for (const char *const *r = roles; *r && rc == DF_ENOTFOUND; r++) {
        snprintf(path, sizeof path, "%s/%s.key", dir, *r);
        rc = df_key_pair_read(own, path, err);
    }
    return rc == DF_ENOTFOUND ? no_role(dir, roles, err) : rc;
}

df_code df_curve_connect(void *socket, const char *dir, const char *const *roles, df_err *err) {
    char path[4096], server[DF_KEY_CHARS + 1];
    df_key_pair own = { 0 };
    snprintf(path, sizeof path, "%s/coordinator.pub", dir);
    df_code rc = df_public_key_read(server, path, err);
    if (!rc) rc = read_own(&own, dir, roles, err);
    if (!rc && (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, DF_KEY_CHARS + 1) ||
                zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own.public_key, DF_KEY_CHARS + 1) ||
                zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own.secret_key, DF_KEY_CHARS + 1)))
        rc = option_failed(err);
    df_key_pair_forget(&own);
    return rc;
}
