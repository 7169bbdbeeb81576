#include <stdlib.h>

#include "base/clock.h"
#include "cluster/comm.h"

/* A pipeline of one rank has nobody to talk to; a message is a bug of ours, reported rather than lost. */
static df_code nobody(int peer, df_err *err) {
    return df_err_set(err, DF_EINVAL, "communicator of one rank: there is no rank %d", peer);
}

static df_code self_send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                         df_err *err) {
    (void)c, (void)channel, (void)data, (void)bytes, (void)req;
    return nobody(to, err);
}

static df_code self_recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req,
                         df_err *err) {
    (void)c, (void)channel, (void)data, (void)bytes, (void)req;
    return nobody(from, err);
}

static df_code self_test(df_comm *c, df_comm_request **req, bool *done, df_err *err) {
    (void)c, (void)req, (void)err;
    *done = true;
    return DF_OK;
}

static void self_cancel(df_comm *c, df_comm_request **req) {
    (void)c;
    *req = NULL;
}

static df_code self_reserve(df_comm *c, int n, df_err *err) {
    (void)c, (void)n, (void)err;
    return DF_OK;
}

static void self_idle(df_comm *c, int64_t timeout_us) {
    (void)c;
    df_clock_sleep_ms((timeout_us + 999) / 1000);
}

static void self_close(df_comm **c) {
    if (!c) return;
    free(*c);
    *c = NULL;
}

static const df_comm_ops self_ops = {
    .name = "self",
    .send = self_send,
    .recv = self_recv,
    .test = self_test,
    .cancel = self_cancel,
    .reserve = self_reserve,
    .idle = self_idle,
    .close = self_close,
};

df_code df_comm_self_open(df_comm **out, df_err *err) {
    df_comm *c = malloc(sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "communicator: %zu bytes", sizeof *c);
    *c = (df_comm) { .ops = &self_ops, .rank = 0, .size = 1, .shares = 1 };
    *out = c;
    return DF_OK;
}
