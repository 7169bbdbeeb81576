/* What the system grants a process. */
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/doctor/checkup.h"
#include "coordinator/farm.h"

static void check_open_files(const df_checkup *c) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    unsigned long long most = limit.rlim_max, wanted = (unsigned long long)c->workers + DF_FARM_RESERVED_DESCRIPTORS;
    if (limit.rlim_max == RLIM_INFINITY || most >= wanted)
        df_found(c->found, DF_FOUND_OK, "open files", NULL, "a coordinator may hold %llu, enough for %d workers", most,
                 c->workers);
    else
        df_found(c->found, DF_FOUND_PROBLEM, "open files",
                 "raise the hard limit of `ulimit -n` where the coordinator runs",
                 "a coordinator may hold %llu; %d workers need %llu", most, c->workers, wanted);
}

/* Networks of clusters, and NCCL, register memory. */
static void check_pinned(const df_checkup *c) {
    struct rlimit limit;
    bool needed = access("/dev/infiniband", F_OK) == 0;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY) return;
    df_found(c->found, needed ? DF_FOUND_WARNING : DF_FOUND_NOTE, "locked memory",
             needed ? "ask for `ulimit -l unlimited` on compute nodes (in Slurm: PropagateResourceLimitsExcept=MEMLOCK)"
                    : NULL,
             "limited to %llu KiB%s", (unsigned long long)limit.rlim_cur / 1024,
             needed ? ": InfiniBand cannot register the buffers of a pipeline"
                    : "; only InfiniBand and NCCL want more");
}

/* Ranks of one node exchange through it; containers start with 64 MiB. */
static void check_shared_memory(const df_checkup *c) {
    enum { ENOUGH_MIB = 256 };
    struct statvfs is;
    if (statvfs("/dev/shm", &is)) {
        df_found(c->found, DF_FOUND_WARNING, "/dev/shm", "mount a tmpfs there",
                 "not there: ranks of a node are slower");
        return;
    }
    unsigned long long mib = (unsigned long long)is.f_bavail * is.f_frsize >> 20;
    if (mib < ENOUGH_MIB)
        df_found(c->found, DF_FOUND_WARNING, "/dev/shm", "give the container more (--shm-size=1g)",
                 "%llu MiB are free: too little for several ranks on a node", mib);
    else
        df_found(c->found, DF_FOUND_OK, "/dev/shm", NULL, "%llu MiB are free", mib);
}

void df_check_limits(const df_checkup *c) {
    check_open_files(c);
    check_pinned(c);
    check_shared_memory(c);
}
