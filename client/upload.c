#include "client/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "coordinator/file_store.h"

enum { MAX_TURNS_BACK = 3 };

/* *have: where to go on. */
static df_code ask(const df_upload *u, Diffarm__FilePut *put, uint64_t *have, df_err *err) {
    df_wire_in in;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = DIFFARM__MESSAGE__BODY_FILE_PUT;
    m.file_put = put;
    df_code rc = df_link_ask(u->link, &m, &in, u->timeout_ms < 0 ? INT64_MAX : df_clock_ms() + u->timeout_ms, err);
    if (rc) return rc;
    if (in.msg->body_case != DIFFARM__MESSAGE__BODY_FILE_STATE)
        rc = df_err_set(err, DF_EPROTOCOL, "the coordinator answered with a message of kind %d", in.msg->body_case);
    else if (in.msg->file_state->code)
        rc = df_err_set(err, (df_code)in.msg->file_state->code, "%s", in.msg->file_state->text);
    else
        *have = in.msg->file_state->have_bytes;
    df_wire_in_free(&in);
    return rc;
}

static df_code read_piece(int fd, const char *path, Diffarm__FilePut *put, df_err *err) {
    ssize_t n;
    do n = pread(fd, put->data.data, DF_FILE_PIECE_BYTES, (off_t)put->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0) return df_err_errno(err, errno, "%s", path);
    if (!n) return df_err_set(err, DF_EINVAL, "%s: became shorter while it was sent", path);
    put->data.len = (size_t)n;
    if (put->data.len > put->total_bytes - put->offset) put->data.len = (size_t)(put->total_bytes - put->offset);
    return DF_OK;
}

/* The coordinator may go back: it was started anew, or another sends the same file. Not for ever. */
static df_code send_pieces(const df_upload *u, int fd, const char *path, Diffarm__FilePut *put, df_err *err) {
    uint64_t have = 0;
    int turns_back = 0;
    df_code rc = ask(u, put, &have, err); /* without data */
    while (!rc && have < put->total_bytes) {
        turns_back += have < put->offset;
        if (turns_back > MAX_TURNS_BACK) return df_err_set(err, DF_EIO, "%s: the coordinator loses it", path);
        put->offset = have;
        if (!(rc = read_piece(fd, path, put, err))) rc = ask(u, put, &have, err);
    }
    return rc;
}

df_code df_upload_file(const df_upload *u, const df_input_file *file, df_err *err) {
    struct stat is;
    df_err why;
    Diffarm__FilePut put = DIFFARM__FILE_PUT__INIT;
    int fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &is)) {
        df_code rc = df_err_errno(err, errno, "%s", file->path);
        if (fd >= 0) close(fd);
        return rc;
    }
    put.job_id = (char *)u->job_id;
    put.sha256 = (char *)file->sha256;
    put.total_bytes = (uint64_t)is.st_size;
    put.data.data = malloc(DF_FILE_PIECE_BYTES);
    df_code rc = put.data.data ? send_pieces(u, fd, file->path, &put, &why) : df_err_set(&why, DF_ENOMEM, "a piece");
    free(put.data.data);
    close(fd);
    return rc ? df_err_set(err, rc, "%s: %s", file->path, why.text) : DF_OK;
}
