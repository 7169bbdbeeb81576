/* What every kind of communicator has: messages that are waited for, groups. */
#include "cluster/comm.h"

#include "base/clock.h"

enum { IDLE_US = 20000 };

static df_code complete(df_comm *c, int peer, df_comm_request **req, int64_t timeout_ms, df_err *err) {
    df_code rc;
    bool done = false;
    int64_t start = timeout_ms ? df_clock_ms() : 0;
    while (!(rc = c->ops->test(c, req, &done, err)) && !done) {
        if (timeout_ms && df_clock_ms() - start > timeout_ms) {
            c->ops->cancel(c, req);
            return df_err_set(err, DF_ETIMEOUT, "rank %d has not answered for %.1f s", peer, (double)timeout_ms / 1000);
        }
        c->ops->idle(c, IDLE_US);
    }
    return rc;
}

df_code df_comm_send_within(df_comm *c, int to, int channel, const void *data, size_t bytes, int64_t timeout_ms,
                            df_err *err) {
    df_comm_request *req = NULL;
    df_code rc = c->ops->send(c, to, channel, data, bytes, &req, err);
    return rc ? rc : complete(c, to, &req, timeout_ms, err);
}

df_code df_comm_recv_within(df_comm *c, int from, int channel, void *data, size_t bytes, int64_t timeout_ms,
                            df_err *err) {
    df_comm_request *req = NULL;
    df_code rc = c->ops->recv(c, from, channel, data, bytes, &req, err);
    return rc ? rc : complete(c, from, &req, timeout_ms, err);
}

df_code df_comm_send_now(df_comm *c, int to, int channel, const void *data, size_t bytes, df_err *err) {
    return df_comm_send_within(c, to, channel, data, bytes, 0, err);
}

df_code df_comm_recv_now(df_comm *c, int from, int channel, void *data, size_t bytes, df_err *err) {
    return df_comm_recv_within(c, from, channel, data, bytes, 0, err);
}

df_code df_comm_group_begin(df_comm *c, df_err *err) {
    return c->ops->group_begin ? c->ops->group_begin(c, err) : DF_OK;
}

df_code df_comm_group_end(df_comm *c, df_code so_far, df_err *err) {
    df_err second;
    if (!c->ops->group_end) return so_far;
    df_code rc = c->ops->group_end(c, so_far ? &second : err);
    return so_far ? so_far : rc;
}
