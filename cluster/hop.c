#include "cluster/hop.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GB 1e9

const char df_hop_names[] = "1GbE, 10GbE, 25GbE, 100GbE, IB-HDR, IB-NDR, NVLink, shm";

/* Payload that is reached between two processes with large messages; latencies of small ones. Ethernet through TCP,
 * InfiniBand by RDMA, NVLink 4 one way, shm a copy into and one out of shared memory on one core. */
static const struct {
    const char *name;
    df_hop hop;
} named[] = {
    { "1GbE", { 50e-6, 0.117 * GB } }, { "10GbE", { 25e-6, 1.15 * GB } }, { "25GbE", { 20e-6, 2.9 * GB } },
    { "100GbE", { 10e-6, 11 * GB } },  { "IB-HDR", { 2e-6, 24 * GB } },   { "IB-NDR", { 1.5e-6, 48 * GB } },
    { "NVLink", { 4e-6, 350 * GB } },  { "shm", { 1e-6, 5 * GB } },
};

static df_code refuse(const char *text, df_err *err) {
    return df_err_set(err, DF_EINVAL,
                      "link '%s': it must be a name (%s) or a rate like 10Gb/s or 1.2GB/s, then maybe a comma and a "
                      "latency like 5us; for two ranks alone 0-1= before it",
                      text, df_hop_names);
}

/* A number above 0 and its unit. */
static bool parse_measure(const char *text, size_t n, const char *const *units, const double *scales, double *out) {
    char copy[32], *end;
    if (n == 0 || n >= sizeof copy || !isdigit((unsigned char)text[0])) return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    double x = strtod(copy, &end);
    for (int i = 0; units[i]; i++) {
        if (strcmp(end, units[i]) != 0) continue;
        *out = x * scales[i];
        return isfinite(*out) && *out > 0;
    }
    return false;
}

static bool parse_rate(const char *text, size_t n, double *bytes_per_second) {
    static const char *const units[] = { "Mb/s", "Gb/s", "MB/s", "GB/s", NULL };
    static const double scales[] = { 1e6 / 8, 1e9 / 8, 1e6, 1e9 };
    return parse_measure(text, n, units, scales, bytes_per_second);
}

static bool parse_latency(const char *text, double *seconds) {
    static const char *const units[] = { "ns", "us", "ms", "s", NULL };
    static const double scales[] = { 1e-9, 1e-6, 1e-3, 1 };
    return parse_measure(text, strlen(text), units, scales, seconds);
}

static bool find_named(const char *text, size_t n, df_hop *out) {
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (strlen(named[i].name) != n || strncasecmp(named[i].name, text, n) != 0) continue;
        *out = named[i].hop;
        return true;
    }
    return false;
}

df_code df_hop_parse(df_hop *out, const char *text, df_err *err) {
    df_hop hop = { 0 };
    size_t n = strcspn(text, ",");
    if (!find_named(text, n, &hop) && !parse_rate(text, n, &hop.bytes_per_second)) return refuse(text, err);
    if (text[n] && !parse_latency(text + n + 1, &hop.latency_seconds)) return refuse(text, err);
    *out = hop;
    return DF_OK;
}

df_code df_hops_open(df_hops *h, int n_ranks, df_err *err) {
    size_t n = (size_t)n_ranks * (size_t)n_ranks;
    *h = (df_hops) { .n_ranks = n_ranks, .between = malloc(n * sizeof *h->between) };
    if (!h->between) return df_err_set(err, DF_ENOMEM, "links between %d ranks", n_ranks);
    for (size_t i = 0; i < n; i++) h->between[i] = (df_hop) { 0, INFINITY };
    return DF_OK;
}

void df_hops_close(df_hops *h) {
    free(h->between);
    *h = (df_hops) { 0 };
}

static df_hop *at(df_hops *h, long from, long to) {
    return &h->between[(size_t)from * (size_t)h->n_ranks + (size_t)to];
}

/* "0-1=NVLink": the two ranks, and where the link begins; false: it is for all. */
static bool parse_pair(const char *text, long *a, long *b, const char **link) {
    char *end;
    const char *equals = strchr(text, '=');
    if (!equals || !isdigit((unsigned char)text[0])) return false;
    *a = strtol(text, &end, 10);
    if (*end != '-' || !isdigit((unsigned char)end[1])) return false;
    *b = strtol(end + 1, &end, 10);
    *link = equals + 1;
    return end == equals;
}

df_code df_hops_set(df_hops *h, const char *text, df_err *err) {
    df_hop hop;
    const char *link;
    long a, b;
    if (parse_pair(text, &a, &b, &link)) {
        if (a >= h->n_ranks || b >= h->n_ranks || a == b)
            return df_err_set(err, DF_EINVAL, "link '%s': two different ranks of 0 to %d are needed", text,
                              h->n_ranks - 1);
        df_code rc = df_hop_parse(&hop, link, err);
        if (!rc) *at(h, a, b) = *at(h, b, a) = hop;
        return rc;
    }
    df_code rc = df_hop_parse(&hop, text, err);
    for (int from = 0; !rc && from < h->n_ranks; from++)
        for (int to = 0; to < h->n_ranks; to++)
            if (from != to) *at(h, from, to) = hop;
    return rc;
}

const df_hop *df_hops_between(const df_hops *h, int from, int to) {
    return at((df_hops *)h, from, to);
}

void df_hops_round(df_hops *h) {
    for (int i = 0; i < h->n_ranks * h->n_ranks; i++) {
        double *rate = &h->between[i].bytes_per_second;
        if (isfinite(*rate) && *rate > 0) *rate = exp2(round(log2(*rate) * 4) / 4);
    }
}

double df_hop_seconds(const df_hop *hop, double bytes) {
    return hop->latency_seconds + bytes / hop->bytes_per_second;
}
