#include "cluster/clock_link.h"

#include "base/clock.h"
#include "cluster/channels.h"

enum { EXCHANGES = 32 };

df_code df_clock_link_measure(df_clock_link *out, df_comm *c, int peer, df_err *err) {
    df_clock_link best = { .round_trip_ns = INT64_MAX };
    for (int i = 0; i < EXCHANGES; i++) {
        int64_t theirs = 0, sent = df_clock_ns();
        df_code rc = df_comm_send_now(c, peer, DF_CHANNEL_CLOCK, &sent, sizeof sent, err);
        if (!rc) rc = df_comm_recv_now(c, peer, DF_CHANNEL_CLOCK, &theirs, sizeof theirs, err);
        if (rc) return rc;
        int64_t took = df_clock_ns() - sent, middle = sent + took / 2;
        if (took < best.round_trip_ns)
            best = (df_clock_link) { .at_ns = middle, .ahead_ns = theirs - middle, .round_trip_ns = took };
    }
    *out = best;
    return DF_OK;
}

df_code df_clock_link_answer(df_comm *c, int peer, df_err *err) {
    for (int i = 0; i < EXCHANGES; i++) {
        int64_t asked;
        df_code rc = df_comm_recv_now(c, peer, DF_CHANNEL_CLOCK, &asked, sizeof asked, err);
        int64_t now = df_clock_ns();
        if (!rc) rc = df_comm_send_now(c, peer, DF_CHANNEL_CLOCK, &now, sizeof now, err);
        if (rc) return rc;
    }
    return DF_OK;
}

int64_t df_clock_link_ours(const df_clock_link *first, const df_clock_link *last, int64_t their_ns) {
    int64_t span = last->at_ns - first->at_ns, ours = their_ns - first->ahead_ns;
    if (span <= 0) return ours;
    double drift = (double)(last->ahead_ns - first->ahead_ns) / (double)span;
    return ours - (int64_t)(drift * (double)(ours - first->at_ns));
}
