#include "worker/binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cores.h"
#include "cluster/channels.h"

void df_binding_look(df_binding *b) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (gethostname(b->host, sizeof b->host - 1)) snprintf(b->host, sizeof b->host, "?");
    df_cores_text(b->cores, sizeof b->cores);
    snprintf(b->gpus, sizeof b->gpus, "%s", !visible ? "unrestricted" : *visible ? visible : "none");
}

static void tell(const df_binding *b, int rank, int size, const df_log *log) {
    char host[160], gpus[300];
    df_log_event(log, DF_LOG_INFO, "binding", "rank=%d of=%d host=%s cores=%s threads=%d gpus=%s", rank, size,
                 df_log_quote(host, sizeof host, b->host), b->cores, b->threads,
                 df_log_quote(gpus, sizeof gpus, b->gpus));
}

df_code df_bindings_tell(df_comm *c, const df_binding *mine, int64_t timeout_ms, const df_log *log, df_err *err) {
    df_code rc = DF_OK;
    if (c->rank) return df_comm_send_within(c, 0, DF_CHANNEL_SESSION, mine, sizeof *mine, timeout_ms, err);
    tell(mine, 0, c->size, log);
    for (int r = 1; r < c->size && !rc; r++) {
        df_binding theirs;
        rc = df_comm_recv_within(c, r, DF_CHANNEL_SESSION, &theirs, sizeof theirs, timeout_ms, err);
        if (!rc) tell(&theirs, r, c->size, log);
    }
    return rc;
}
