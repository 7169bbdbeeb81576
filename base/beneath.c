#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What of the path lies behind the folder; NULL if it does not begin with it. */
static const char *behind(const char *folder, const char *path) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    if (n == 1 && *folder == '/') return path;
    return !strncmp(path, folder, n) && path[n] == '/' ? path + n : NULL;
}

static const char *relative_of(const char *folder, const char *path) {
    char real[PATH_MAX];
    const char *rest = *path == '/' ? behind(folder, path) : path;
    if (!rest && realpath(folder, real)) rest = behind(real, path);
    return rest;
}

/* Opens one part of the path; takes parent. */
static int step(int parent, const char *part, bool is_last) {
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (is_last ? O_NONBLOCK : O_DIRECTORY);
    int fd = openat(parent, part, flags), why = errno;
    close(parent);
    errno = why;
    return fd;
}

/* -1 with errno; EXDEV: "..". */
static int walk(int fd, const char *path) {
    char part[NAME_MAX + 1];
    while (fd >= 0) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        if (!n) return fd;
        if (n > NAME_MAX || (n == 2 && !memcmp(path, "..", 2))) {
            close(fd);
            errno = n > NAME_MAX ? ENAMETOOLONG : EXDEV;
            return -1;
        }
        memcpy(part, path, n);
        part[n] = '\0';
        path += n;
        if (strcmp(part, ".")) fd = step(fd, part, !path[strspn(path, "/")]);
    }
    return fd;
}

static df_code failed(const char *folder, const char *path, int why, df_err *err) {
    if (why == EXDEV)
        return df_err_set(err, DF_EINVAL, "%s: leads out of the folder %s; paths stay below it", path, folder);
    if (why == ELOOP || why == ENOTDIR)
        return df_err_set(err, DF_EINVAL, "%s: a link or a file is in the way; links are not followed below %s", path,
                          folder);
    return df_err_errno(err, why, "%s", path);
}

df_code df_beneath_open(int *out, const char *folder, const char *path, df_err *err) {
    struct stat is;
    const char *rest = relative_of(folder, path);
    if (!rest) return failed(folder, path, EXDEV, err);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return df_err_errno(err, errno, "%s, from %s", path, folder);
    if ((fd = walk(fd, rest)) < 0) return failed(folder, path, errno, err);
    if (!fstat(fd, &is) && S_ISREG(is.st_mode)) {
        *out = fd;
        return DF_OK;
    }
    close(fd);
    return df_err_set(err, DF_EINVAL, "%s: not a regular file", path);
}
