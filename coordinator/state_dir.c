#include "coordinator/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

df_code df_state_dir_lock(const char *path, int *lock_fd, df_err *err) {
    char name[PATH_MAX];
    df_code rc = df_file_mkdirs(path, err);
    if (rc) return rc;
    if ((size_t)snprintf(name, sizeof name, "%s/lock", path) >= sizeof name)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return df_err_errno(err, errno, "%s", name);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        int why = errno;
        close(fd);
        if (why == EWOULDBLOCK)
            return df_err_set(err, DF_EEXIST,
                              "%s: another coordinator uses this state folder; stop it, or give this "
                              "one a folder of its own",
                              path);
        return df_err_errno(err, why, "%s: lock", name);
    }
    *lock_fd = fd;
    return DF_OK;
}

df_code df_state_dir_write_endpoint(const char *path, const char *endpoint, df_err *err) {
    char name[PATH_MAX], text[DF_ENDPOINT_BYTES + 1];
    snprintf(name, sizeof name, "%s/endpoint", path);
    int n = snprintf(text, sizeof text, "%s\n", endpoint);
    return df_file_write(name, text, (size_t)n, err);
}

void df_state_dir_read_endpoint(const char *path, char *out) {
    char name[PATH_MAX], *text = NULL;
    size_t bytes = 0;
    out[0] = '\0';
    snprintf(name, sizeof name, "%s/endpoint", path);
    if (df_file_read(name, DF_ENDPOINT_BYTES, &text, &bytes, NULL)) return;
    text[strcspn(text, "\n")] = '\0';
    snprintf(out, DF_ENDPOINT_BYTES, "%s", text);
    free(text);
}
