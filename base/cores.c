#include "base/cores.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct hardware_thread {
    int cpu, socket, core;
} hardware_thread;

typedef struct threads {
    hardware_thread at[CPU_SETSIZE];
    int n;
} threads;

/* A file of the kernel that holds one number; `otherwise` where it is absent. */
static int number_in(const char *what, int cpu, int otherwise) {
    char path[96];
    int n = otherwise;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, what);
    FILE *f = fopen(path, "re");
    if (!f) return otherwise;
    if (fscanf(f, "%d", &n) != 1) n = otherwise;
    fclose(f);
    return n;
}

static int by_place(const void *a, const void *b) {
    const hardware_thread *x = a, *y = b;
    if (x->socket != y->socket) return x->socket < y->socket ? -1 : 1;
    if (x->core != y->core) return x->core < y->core ? -1 : 1;
    return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

static bool same_core(const hardware_thread *a, const hardware_thread *b) {
    return a->socket == b->socket && a->core == b->core;
}

static void find_threads(threads *t) {
    cpu_set_t mask;
    t->n = 0;
    if (sched_getaffinity(0, sizeof mask, &mask)) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &mask))
            t->at[t->n++] =
                (hardware_thread) { cpu, number_in("physical_package_id", cpu, 0), number_in("core_id", cpu, cpu) };
    qsort(t->at, (size_t)t->n, sizeof *t->at, by_place);
}

static int count(const threads *t) {
    int cores = 0;
    for (int i = 0; i < t->n; i++) cores += i == 0 || !same_core(&t->at[i - 1], &t->at[i]);
    return cores;
}

int df_cores_count(void) {
    threads t;
    find_threads(&t);
    int cores = count(&t);
    return cores > 1 ? cores : 1;
}

int df_cores_each(int n) {
    int cores = df_cores_count() / n;
    return cores > 1 ? cores : 1;
}

bool df_cores_part(cpu_set_t *part, int index, int n) {
    threads t;
    find_threads(&t);
    int cores = count(&t), core = -1;
    CPU_ZERO(part);
    if (n < 1 || index < 0 || index >= n || cores < n) return false;
    for (int i = 0; i < t.n; i++) {
        core += i == 0 || !same_core(&t.at[i - 1], &t.at[i]);
        if (core >= (long)cores * index / n && core < (long)cores * (index + 1) / n) CPU_SET(t.at[i].cpu, part);
    }
    return true;
}

bool df_cores_keep_part(int index, int n) {
    cpu_set_t part;
    return df_cores_part(&part, index, n) && !sched_setaffinity(0, sizeof part, &part);
}

char *df_cores_text(char *out, int out_bytes) {
    cpu_set_t mask;
    int used = 0;
    out[0] = '\0';
    if (sched_getaffinity(0, sizeof mask, &mask)) return out;
    for (int cpu = 0; cpu < CPU_SETSIZE && used < out_bytes; cpu++) {
        int last = cpu;
        if (!CPU_ISSET(cpu, &mask)) continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &mask)) last++;
        used += snprintf(out + used, (size_t)(out_bytes - used), "%s%d", used ? "," : "", cpu);
        if (last > cpu && used < out_bytes) used += snprintf(out + used, (size_t)(out_bytes - used), "-%d", last);
        cpu = last;
    }
    return out;
}
