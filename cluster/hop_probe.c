#include "cluster/hop_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/channels.h"

#define BUDGET_NS 60000000 /* of one size */

enum { N_SIZES = 3, EXCHANGES = 16 };
enum { ANSWER = 2, ROW = 3, TABLE = 4 }; /* times as patient as who measures, so that who is to blame is named first */
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

/* All that a rank needs to take part. */
typedef struct probe {
    df_comm *comm;
    int64_t timeout_ms;
    void *buffer; /* of the largest size */
} probe;

static df_code exchange(const probe *p, int peer, size_t bytes, bool ask, df_err *err) {
    int64_t patience = ask ? p->timeout_ms : ANSWER * p->timeout_ms;
    df_code rc = ask ? df_comm_send_within(p->comm, peer, DF_CHANNEL_PROBE, p->buffer, bytes, patience, err) : DF_OK;
    if (!rc) rc = df_comm_recv_within(p->comm, peer, DF_CHANNEL_PROBE, p->buffer, bytes, patience, err);
    if (rc || ask) return rc;
    return df_comm_send_within(p->comm, peer, DF_CHANNEL_PROBE, p->buffer, bytes, patience, err);
}

/* The first exchange of a size sets up what the transport needs, and is not counted. */
static df_code measure(df_hop *out, const probe *p, int peer, df_err *err) {
    double bytes[N_SIZES], seconds[N_SIZES];
    for (int i = 0; i < N_SIZES; i++) {
        int64_t best = INT64_MAX, began = df_clock_ns();
        bool last = false;
        for (int k = 0; !last; k++) {
            int64_t sent = df_clock_ns();
            last = k == EXCHANGES || sent - began > BUDGET_NS;
            const ping next = { .next = !last ? i : i + 1 < N_SIZES ? i + 1 : -1 };
            memcpy(p->buffer, &next, sizeof next);
            df_code rc = exchange(p, peer, sizes[i], true, err);
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

static df_code answer(const probe *p, int peer, df_err *err) {
    ping got = { .next = 0 };
    while (got.next >= 0) {
        df_code rc = exchange(p, peer, sizes[got.next], false, err);
        if (rc) return rc;
        memcpy(&got, p->buffer, sizeof got);
        if (got.next >= N_SIZES) return df_err_set(err, DF_EPROTOCOL, "rank %d: a ping of size %d", peer, got.next);
    }
    return DF_OK;
}

/* In the order of pairs, which is the same for all: nobody waits in a circle. */
static df_code measure_pairs(df_hops *h, const probe *p, df_err *err) {
    const df_comm *c = p->comm;
    df_code rc = DF_OK;
    for (int a = 0; a < c->size && !rc; a++)
        for (int b = a + 1; b < c->size && !rc; b++) {
            if (c->rank == a) rc = measure(&h->between[a * h->n_ranks + b], p, b, err);
            if (c->rank == b) rc = answer(p, a, err);
        }
    return rc;
}

/* Row a of the table is rank a's; what it measured holds both ways. */
static df_code share(df_hops *h, const probe *p, df_err *err) {
    df_comm *c = p->comm;
    int64_t rows = ROW * p->timeout_ms, all = TABLE * p->timeout_ms;
    size_t row = (size_t)h->n_ranks * sizeof *h->between;
    df_code rc = DF_OK;
    if (c->rank) {
        rc = df_comm_send_within(c, 0, DF_CHANNEL_PROBE, &h->between[c->rank * h->n_ranks], row, all, err);
        return rc ? rc : df_comm_recv_within(c, 0, DF_CHANNEL_PROBE, h->between, row * (size_t)h->n_ranks, all, err);
    }
    for (int r = 1; r < c->size && !rc; r++)
        rc = df_comm_recv_within(c, r, DF_CHANNEL_PROBE, &h->between[r * h->n_ranks], row, rows, err);
    for (int a = 0; a < h->n_ranks; a++)
        for (int b = 0; b < a; b++) h->between[a * h->n_ranks + b] = h->between[b * h->n_ranks + a];
    for (int r = 1; r < c->size && !rc; r++)
        rc = df_comm_send_within(c, r, DF_CHANNEL_PROBE, h->between, row * (size_t)h->n_ranks, rows, err);
    return rc;
}

df_code df_hops_measure(df_hops *out, df_comm *c, int64_t timeout_ms, df_err *err) {
    df_hops h;
    const probe p = { c, timeout_ms, calloc(1, sizes[N_SIZES - 1]) };
    df_code rc = df_hops_open(&h, c->size, err);
    if (!rc && !p.buffer) rc = df_err_set(err, DF_ENOMEM, "%zu bytes to measure links with", sizes[N_SIZES - 1]);
    if (!rc) rc = measure_pairs(&h, &p, err);
    if (!rc) rc = share(&h, &p, err);
    free(p.buffer);
    if (rc == DF_ETIMEOUT) df_err_wrap(err, "links between ranks");
    if (rc)
        df_hops_close(&h);
    else
        *out = h;
    return rc;
}
