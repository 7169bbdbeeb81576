#include "engine/weights/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

df_code df_atomic_file_open(df_atomic_file *f, const char *path, df_err *err) {
    static atomic_uint serial;
    memset(f, 0, sizeof *f);
    int n = snprintf(f->beside, sizeof f->beside, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (n < 0 || (size_t)n >= sizeof f->beside) return df_err_set(err, DF_ELIMIT, "%s: path too long", path);
    snprintf(f->path, sizeof f->path, "%s", path);
    int fd = open(f->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return df_err_errno(err, errno, "%s: create", path);
    f->to = fdopen(fd, "wb");
    if (f->to) return DF_OK;
    int why = errno;
    close(fd);
    unlink(f->beside);
    return df_err_errno(err, why, "%s: create", path);
}

void df_atomic_file_add(df_atomic_file *f, const void *data, size_t bytes) {
    if (!f->why && bytes && fwrite(data, 1, bytes, f->to) != bytes) f->why = errno ? errno : EIO;
}

/* The rename is durable only once the folder is. */
static int sync_folder(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    int why = fsync(fd) ? errno : 0;
    close(fd);
    return why;
}

df_code df_atomic_file_close(df_atomic_file *f, int keep, df_err *err) {
    if (keep && !f->why && (fflush(f->to) || fsync(fileno(f->to)))) f->why = errno;
    if (fclose(f->to) && !f->why) f->why = errno;
    if (keep && !f->why && rename(f->beside, f->path)) f->why = errno;
    if (!keep || f->why) unlink(f->beside);
    if (!keep) return DF_OK;
    if (f->why) return df_err_errno(err, f->why, "%s: write", f->path);
    int why = sync_folder(f->path);
    return why ? df_err_errno(err, why, "%s: sync its folder", f->path) : DF_OK;
}
