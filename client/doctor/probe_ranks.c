/* One rank of a small MPI job: do the ranks find each other, and how fast is a hop. */
#include "client/doctor/checkup.h"
#include "cluster/hop_probe.h"

static df_code tell(df_comm *c, df_err *err) {
    df_hops hops = { 0 };
    df_code rc = df_hops_measure(&hops, c, 0, err);
    if (!rc && !c->rank) {
        const df_hop *hop = df_hops_between(&hops, 0, 1);
        printf("ranks %d, a hop takes %.1f us and carries %.2f GB/s\n", c->size, hop->latency_seconds * 1e6,
               hop->bytes_per_second / 1e9);
    }
    df_hops_close(&hops);
    return rc;
}

int df_probe_ranks(void) {
    df_comm *c = NULL;
    df_err err;
    df_code rc = df_comm_mpi_open(&c, &err);
    if (!rc && c->size > 1) rc = tell(c, &err);
    if (!rc && c->size == 1) puts("ranks 1");
    if (rc) fprintf(stderr, "%s\n", err.text);
    fflush(stdout);
    if (c) c->ops->close(&c);
    return rc ? 1 : 0;
}
