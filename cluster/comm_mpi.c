/* Ranks as MPI processes, host memory. The only file that knows MPI.
 *
 * Open MPI's progress is made inside MPI_Test, so an idle rank must poll; it yields first and then sleeps ever longer,
 * because on a shared node a spinning rank takes the core from the one it waits for. */
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster/channels.h"
#include "cluster/comm.h"

/* After LONG_IDLE calls (some seconds) there is no work, only the next command to wait for. */
enum { YIELDS = 64, LONG_IDLE = 8192, SLEEP_MIN_US = 20, SLEEP_MAX_US = 500, SLEEP_LONG_US = 4000 };
#define CHUNK_BYTES ((size_t)256 << 20)

struct df_comm_request {
    df_comm_request *next; /* spare ones */
    bool is_send;
    int peer, channel;
    size_t bytes;
    MPI_Request one, *parts; /* parts is &one unless the message is split */
    int n_parts, n_done;
};

typedef struct mpi_comm {
    df_comm base;
    MPI_Comm comm[DF_TRAFFIC_KINDS]; /* duplicated: our channels never meet somebody else's tags */
    int tag_max;
    size_t chunk_bytes;
    df_comm_request *spare;
    int n_requests; /* spare and posted ones */
    int n_posted;
    bool gave_up; /* a request was given up: the job cannot end in order */
    int n_idle; /* idle calls since something completed */
} mpi_comm;

static mpi_comm *mpi_of(df_comm *c) {
    return (mpi_comm *)c;
}

static MPI_Comm comm_of(const mpi_comm *m, int channel) {
    return m->comm[df_channel_traffic(channel)];
}

static df_code mpi_error(df_err *err, int mpi_rc, const char *what) {
    char text[MPI_MAX_ERROR_STRING];
    int n = 0;
    MPI_Error_string(mpi_rc, text, &n);
    return df_err_set(err, DF_EUNREACHABLE, "%s: %.*s", what, n, text);
}

static df_comm_request *request_new(mpi_comm *m, size_t bytes) {
    df_comm_request *r = m->spare;
    if (r)
        m->spare = r->next;
    else if ((r = malloc(sizeof *r)))
        m->n_requests++;
    else
        return NULL;
    size_t n_parts = bytes ? (bytes - 1) / m->chunk_bytes + 1 : 1;
    *r = (df_comm_request) { .bytes = bytes, .one = MPI_REQUEST_NULL, .n_parts = (int)n_parts };
    r->parts = &r->one;
    if (n_parts > 1 && !(r->parts = malloc(n_parts * sizeof *r->parts))) {
        free(r);
        m->n_requests--;
        return NULL;
    }
    for (int i = 0; i < r->n_parts; i++) r->parts[i] = MPI_REQUEST_NULL;
    m->n_posted++;
    return r;
}

static void request_free(mpi_comm *m, df_comm_request **req) {
    df_comm_request *r = *req;
    if (r->parts != &r->one) free(r->parts);
    r->parts = NULL;
    r->next = m->spare;
    m->spare = r;
    m->n_posted--;
    *req = NULL;
}

static df_code mpi_reserve(df_comm *c, int n, df_err *err) {
    mpi_comm *m = mpi_of(c);
    for (; m->n_requests < n; m->n_requests++) {
        df_comm_request *r = malloc(sizeof *r);
        if (!r) return df_err_set(err, DF_ENOMEM, "%d messages at once", n);
        r->next = m->spare;
        m->spare = r;
    }
    return DF_OK;
}

static size_t part_bytes(const mpi_comm *m, const df_comm_request *r, int part) {
    size_t start = (size_t)part * m->chunk_bytes, left = r->bytes - start;
    return left < m->chunk_bytes ? left : m->chunk_bytes;
}

static df_code check(const mpi_comm *m, int peer, int channel, df_err *err) {
    if (peer < 0 || peer >= m->base.size || peer == m->base.rank)
        return df_err_set(err, DF_EINVAL, "rank %d: no rank %d to talk to among %d", m->base.rank, peer, m->base.size);
    if (channel < 0 || channel > m->tag_max)
        return df_err_set(err, DF_ELIMIT, "channel %d: this MPI has tags 0 to %d", channel, m->tag_max);
    return DF_OK;
}

static df_code mpi_send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                        df_err *err) {
    mpi_comm *m = mpi_of(c);
    df_code rc = check(m, to, channel, err);
    if (rc) return rc;
    df_comm_request *r = request_new(m, bytes);
    if (!r) return df_err_set(err, DF_ENOMEM, "rank %d: message request", c->rank);
    r->is_send = true, r->peer = to, r->channel = channel;
    for (int i = 0; i < r->n_parts; i++) {
        const char *at = (const char *)data + (size_t)i * m->chunk_bytes;
        int failed = MPI_Isend(at, (int)part_bytes(m, r, i), MPI_BYTE, to, channel, comm_of(m, channel), &r->parts[i]);
        if (failed) {
            m->gave_up = true;
            return mpi_error(err, failed, "MPI_Isend");
        }
    }
    *req = r;
    return DF_OK;
}

static df_code mpi_recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req,
                        df_err *err) {
    mpi_comm *m = mpi_of(c);
    df_code rc = check(m, from, channel, err);
    if (rc) return rc;
    df_comm_request *r = request_new(m, bytes);
    if (!r) return df_err_set(err, DF_ENOMEM, "rank %d: message request", c->rank);
    r->peer = from, r->channel = channel;
    for (int i = 0; i < r->n_parts; i++) {
        char *at = (char *)data + (size_t)i * m->chunk_bytes;
        int failed =
            MPI_Irecv(at, (int)part_bytes(m, r, i), MPI_BYTE, from, channel, comm_of(m, channel), &r->parts[i]);
        if (failed) {
            m->gave_up = true;
            return mpi_error(err, failed, "MPI_Irecv");
        }
    }
    *req = r;
    return DF_OK;
}

static df_code check_size(mpi_comm *m, const df_comm_request *r, const MPI_Status *status, df_err *err) {
    int got = 0;
    if (r->is_send) return DF_OK;
    MPI_Get_count(status, MPI_BYTE, &got);
    if ((size_t)got == part_bytes(m, r, r->n_done)) return DF_OK;
    return df_err_set(err, DF_EPROTOCOL, "rank %d, channel %d: %zu bytes expected, rank %d sent %d", m->base.rank,
                      r->channel, part_bytes(m, r, r->n_done), r->peer, got);
}

static df_code mpi_test(df_comm *c, df_comm_request **req, bool *done, df_err *err) {
    mpi_comm *m = mpi_of(c);
    df_comm_request *r = *req;
    *done = false;
    for (; r->n_done < r->n_parts; r->n_done++) {
        int flag = 0;
        MPI_Status status;
        int failed = MPI_Test(&r->parts[r->n_done], &flag, &status);
        if (failed) {
            m->gave_up = true;
            return mpi_error(err, failed, "MPI_Test");
        }
        if (!flag) return DF_OK;
        df_code rc = check_size(m, r, &status, err);
        if (rc) {
            m->gave_up = true;
            return rc;
        }
    }
    *done = true;
    m->n_idle = 0;
    request_free(m, req);
    return DF_OK;
}

/* A posted receive can be taken back; a send cannot in Open MPI, so it is left alone and close() ends the job. */
static void mpi_cancel(df_comm *c, df_comm_request **req) {
    if (!*req) return;
    mpi_comm *m = mpi_of(c);
    df_comm_request *r = *req;
    m->gave_up = true;
    for (int i = r->n_done; i < r->n_parts && !r->is_send; i++)
        if (r->parts[i] != MPI_REQUEST_NULL && !MPI_Cancel(&r->parts[i])) MPI_Wait(&r->parts[i], MPI_STATUS_IGNORE);
    request_free(m, req);
}

static void mpi_idle(df_comm *c, int64_t timeout_us) {
    mpi_comm *m = mpi_of(c);
    if (m->n_idle++ < YIELDS) {
        sched_yield();
        return;
    }
    int64_t us = SLEEP_MIN_US + (int64_t)(m->n_idle - YIELDS) * 4;
    if (us > SLEEP_MAX_US) us = m->n_idle < LONG_IDLE ? SLEEP_MAX_US : SLEEP_LONG_US;
    if (us > timeout_us) us = timeout_us;
    struct timespec t = { .tv_nsec = us > 0 ? (long)us * 1000 : 0 };
    nanosleep(&t, NULL);
    if (m->n_idle > INT_MAX / 2) m->n_idle = INT_MAX / 2;
}

static void mpi_close(df_comm **c) {
    if (!c || !*c) return;
    mpi_comm *m = mpi_of(*c);
    *c = NULL;
    /* MPI_Finalize waits for the others, who may wait for what we gave up: end the job instead. */
    if (m->gave_up || m->n_posted) MPI_Abort(MPI_COMM_WORLD, 1);
    for (df_comm_request *r = m->spare, *next; r; r = next) {
        next = r->next;
        free(r);
    }
    for (int k = 0; k < DF_TRAFFIC_KINDS; k++) MPI_Comm_free(&m->comm[k]);
    MPI_Finalize();
    free(m);
}

static const df_comm_ops mpi_ops = {
    .name = "mpi",
    .send = mpi_send,
    .recv = mpi_recv,
    .test = mpi_test,
    .cancel = mpi_cancel,
    .reserve = mpi_reserve,
    .idle = mpi_idle,
    .close = mpi_close,
};

static bool env_int(const char *name, int *out) {
    const char *text = getenv(name);
    char *end;
    if (!text || !*text) return false;
    long v = strtol(text, &end, 10);
    if (*end || v < 0 || v > INT_MAX) return false;
    *out = (int)v;
    return true;
}

bool df_comm_mpi_launched(int *rank, int *size) {
    static const char *const launchers[][2] = {
        { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE" }, /* mpirun */
        { "PMIX_RANK", "SLURM_STEP_NUM_TASKS" }, /* srun --mpi=pmix */
        { "PMIX_RANK", "SLURM_NTASKS" },
        { "PMI_RANK", "PMI_SIZE" }, /* PMI-2 launchers */
    };
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        int r, n;
        if (!env_int(launchers[i][0], &r) || !env_int(launchers[i][1], &n) || r >= n) continue;
        *rank = r;
        *size = n;
        return true;
    }
    return false;
}

static df_code init(df_err *err) {
    int done = 0, ended = 0, provided = 0;
    MPI_Initialized(&done);
    MPI_Finalized(&ended);
    if (done || ended)
        return df_err_set(err, DF_EINVAL, "MPI was %s before: a process has one MPI communicator",
                          ended ? "ended" : "initialised");
    int failed = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (failed) return mpi_error(err, failed, "MPI_Init_thread");
    if (provided < MPI_THREAD_FUNNELED)
        return df_err_set(err, DF_EUNSUPPORTED, "this MPI has thread level %d, %d (MPI_THREAD_FUNNELED) is needed",
                          provided, MPI_THREAD_FUNNELED);
    return DF_OK;
}

static void read_tag_max(mpi_comm *m) {
    int *tag_ub = NULL, found = 0;
    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &tag_ub, &found);
    m->tag_max = found ? *tag_ub : 32767; /* what the standard promises */
}

/* Ranks of one host with equal affinity masks have the same cores; a launcher that binds gives each its own. */
static void find_shares(mpi_comm *m) {
    MPI_Comm host, same;
    cpu_set_t mask;
    uint32_t hash = 2166136261u; /* FNV-1a */
    CPU_ZERO(&mask);
    sched_getaffinity(0, sizeof mask, &mask);
    for (size_t i = 0; i < sizeof mask; i++) hash = (hash ^ ((const unsigned char *)&mask)[i]) * 16777619u;
    m->base.shares = 1;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, m->base.rank, MPI_INFO_NULL, &host)) return;
    if (!MPI_Comm_split(host, (int)(hash & INT_MAX), m->base.rank, &same)) {
        MPI_Comm_rank(same, &m->base.share);
        MPI_Comm_size(same, &m->base.shares);
        MPI_Comm_free(&same);
    }
    MPI_Comm_free(&host);
}

static df_code duplicate(mpi_comm *m, df_err *err) {
    for (int k = 0; k < DF_TRAFFIC_KINDS; k++) {
        int failed = MPI_Comm_dup(MPI_COMM_WORLD, &m->comm[k]);
        if (failed) return mpi_error(err, failed, "MPI_Comm_dup");
        MPI_Comm_set_errhandler(m->comm[k], MPI_ERRORS_RETURN);
    }
    return DF_OK;
}

df_code df_comm_mpi_open(df_comm **out, df_err *err) {
    df_code rc = init(err);
    if (rc) return rc;
    mpi_comm *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "communicator: %zu bytes", sizeof *m);
    if ((rc = duplicate(m, err))) {
        free(m);
        return rc;
    }
    m->base.ops = &mpi_ops;
    MPI_Comm_rank(MPI_COMM_WORLD, &m->base.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &m->base.size);
    m->chunk_bytes = CHUNK_BYTES;
    find_shares(m);
    read_tag_max(m);
    *out = &m->base;
    return DF_OK;
}

void df_comm_mpi_set_chunk(df_comm *c, size_t bytes) {
    if (c->ops == &mpi_ops && bytes && bytes <= INT_MAX) mpi_of(c)->chunk_bytes = bytes;
}
