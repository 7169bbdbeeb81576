#include "cluster/hop_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/channels.h"

#define BUDGET_NS 60000000 /* of one size */

enum { N_SIZES = 3, EXCHANGES = 16 };
static const size_t sizes[N_SIZES] = { 64, 64 << 10, 1 << 20 };

/* A ping says of what size the next is; then both know it beforehand. */
typedef struct ping {
    int32_t next; /* index of its size; -1: this was the last */
} ping;

df_hop df_hop_fit(const double *bytes, const double *seconds, int n) {
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
    for (int i = 0; i < n; i++) {
        double weight = 1 / (seconds[i] * seconds[i] + 1e-18); /* a nanosecond more: a clock may not have moved */
        w += weight;
        wx += weight * bytes[i];
        wy += weight * seconds[i];
        wxx += weight * bytes[i] * bytes[i];
        wxy += weight * bytes[i] * seconds[i];
    }
    double spread = w * wxx - wx * wx, slope = spread > 0 ? (w * wxy - wx * wy) / spread : 0;
    return (df_hop) { .latency_seconds = fmax(0, (wy - slope * wx) / w),
                      .bytes_per_second = slope > 0 ? 1 / slope : INFINITY };
}

static df_code exchange(df_comm *c, int peer, void *buffer, size_t bytes, bool ask, df_err *err) {
    df_code rc = ask ? df_comm_send_now(c, peer, DF_CHANNEL_PROBE, buffer, bytes, err) : DF_OK;
    if (!rc) rc = df_comm_recv_now(c, peer, DF_CHANNEL_PROBE, buffer, bytes, err);
    return rc || ask ? rc : df_comm_send_now(c, peer, DF_CHANNEL_PROBE, buffer, bytes, err);
}

/* The first exchange of a size sets up what the transport needs, and is not counted. */
static df_code measure(df_hop *out, df_comm *c, int peer, void *buffer, df_err *err) {
    double bytes[N_SIZES], seconds[N_SIZES];
    for (int i = 0; i < N_SIZES; i++) {
        int64_t best = INT64_MAX, began = df_clock_ns();
        bool last = false;
        for (int k = 0; !last; k++) {
            int64_t sent = df_clock_ns();
            last = k == EXCHANGES || sent - began > BUDGET_NS;
            const ping p = { .next = !last ? i : i + 1 < N_SIZES ? i + 1 : -1 };
            memcpy(buffer, &p, sizeof p);
            df_code rc = exchange(c, peer, buffer, sizes[i], true, err);
            if (rc) return rc;
            int64_t took = df_clock_ns() - sent;
            if (took < best && (k || last)) best = took;
        }
        bytes[i] = (double)sizes[i];
        seconds[i] = (double)best * 1e-9 / 2;
    }
    *out = df_hop_fit(bytes, seconds, N_SIZES);
    return DF_OK;
}

static df_code answer(df_comm *c, int peer, void *buffer, df_err *err) {
    ping p = { .next = 0 };
    while (p.next >= 0) {
        df_code rc = exchange(c, peer, buffer, sizes[p.next], false, err);
        if (rc) return rc;
        memcpy(&p, buffer, sizeof p);
        if (p.next >= N_SIZES) return df_err_set(err, DF_EPROTOCOL, "rank %d: a ping of size %d", peer, p.next);
    }
    return DF_OK;
}

/* In the order of pairs, which is the same for all: nobody waits in a circle. */
static df_code measure_pairs(df_hops *h, df_comm *c, void *buffer, df_err *err) {
    df_code rc = DF_OK;
    for (int a = 0; a < c->size && !rc; a++)
        for (int b = a + 1; b < c->size && !rc; b++) {
            if (c->rank == a) rc = measure(&h->between[a * h->n_ranks + b], c, b, buffer, err);
            if (c->rank == b) rc = answer(c, a, buffer, err);
        }
    return rc;
}

/* Row a of the table is rank a's; what it measured holds both ways. */
static df_code share(df_hops *h, df_comm *c, df_err *err) {
    size_t row = (size_t)h->n_ranks * sizeof *h->between;
    df_code rc = DF_OK;
    if (c->rank) {
        rc = df_comm_send_now(c, 0, DF_CHANNEL_PROBE, &h->between[c->rank * h->n_ranks], row, err);
        return rc ? rc : df_comm_recv_now(c, 0, DF_CHANNEL_PROBE, h->between, row * (size_t)h->n_ranks, err);
    }
    for (int r = 1; r < c->size && !rc; r++)
        rc = df_comm_recv_now(c, r, DF_CHANNEL_PROBE, &h->between[r * h->n_ranks], row, err);
    for (int a = 0; a < h->n_ranks; a++)
        for (int b = 0; b < a; b++) h->between[a * h->n_ranks + b] = h->between[b * h->n_ranks + a];
    for (int r = 1; r < c->size && !rc; r++)
        rc = df_comm_send_now(c, r, DF_CHANNEL_PROBE, h->between, row * (size_t)h->n_ranks, err);
    return rc;
}

df_code df_hops_measure(df_hops *out, df_comm *c, df_err *err) {
    df_hops h;
    void *buffer = calloc(1, sizes[N_SIZES - 1]);
    df_code rc = df_hops_open(&h, c->size, err);
    if (!rc && !buffer) rc = df_err_set(err, DF_ENOMEM, "%zu bytes to measure links with", sizes[N_SIZES - 1]);
    if (!rc) rc = measure_pairs(&h, c, buffer, err);
    if (!rc) rc = share(&h, c, err);
    free(buffer);
    if (rc)
        df_hops_close(&h);
    else
        *out = h;
    return rc;
}
