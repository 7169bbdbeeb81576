/* Cores, memory and arithmetic, as the engine would use them. */
#include <dirent.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/cores.h"
#include "base/memory.h"
#include "client/doctor/checkup.h"
#include "engine/backend/backend.h"

static int count_numa_nodes(void) {
    int n = 0;
    DIR *d = opendir("/sys/devices/system/node");
    for (struct dirent *e; d && (e = readdir(d));)
        n += !strncmp(e->d_name, "node", 4) && e->d_name[4] >= '0' && e->d_name[4] <= '9';
    if (d) closedir(d);
    return n > 0 ? n : 1;
}

/* Threads of the hardware that this process may use, and that the machine has. */
static void count_threads(int *ours, int *all) {
    cpu_set_t mask;
    *all = (int)sysconf(_SC_NPROCESSORS_ONLN);
    *ours = sched_getaffinity(0, sizeof mask, &mask) ? *all : CPU_COUNT(&mask);
}

void df_check_cores(const df_checkup *c) {
    int ours, all, cores = df_cores_count(), nodes = count_numa_nodes();
    char names[128];
    count_threads(&ours, &all);
    df_found(c->found, DF_FOUND_OK, "cores", NULL, "%d, a thread on each (%s; %d hardware threads), %.1f GiB of memory",
             cores, df_cores_text(names, sizeof names), ours, (double)df_memory_machine_bytes() / (1 << 30));
    if (ours < all)
        df_found(c->found, DF_FOUND_NOTE, "affinity", NULL,
                 "%d of the machine's %d hardware threads are ours (taskset, Slurm or mpirun)", ours, all);
    if (nodes > 1)
        df_found(c->found, DF_FOUND_NOTE, "numa",
                 "start a worker for each node, each with its part of the cores (render --workers N does)",
                 "%d nodes of memory: threads of one worker should not be spread over them", nodes);
    const df_arithmetic bf16 = { .dtype = DF_BF16 }, int8 = { .dtype = DF_BF16, .int8 = true };
    bool has_bf16 = !df_backend_can_do(&df_backend_cpu, bf16, NULL);
    bool has_int8 = !df_backend_can_do(&df_backend_cpu, int8, NULL);
    df_found(c->found, DF_FOUND_OK, "arithmetic", NULL, "f32%s%s", has_bf16 ? ", bf16" : "", has_int8 ? ", int8" : "");
}
