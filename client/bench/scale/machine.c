#include "client/bench/scale/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cores.h"
#include "base/memory.h"

/* "model name	: AMD EPYC" of x86; other processors tell none. */
static void cpu_name(char *out, size_t out_bytes) {
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !*out && fgets(line, sizeof line, f)) {
        const char *text = strncmp(line, "model name", 10) ? NULL : strchr(line, ':');
        if (text) snprintf(out, out_bytes, "%.*s", (int)strcspn(text + 2, "\n"), text + 2);
    }
    if (f) fclose(f);
}

df_scale_machine df_scale_this_machine(const char *name, bool elsewhere) {
    df_scale_machine m = { .cores = 0 };
    struct utsname system;
    snprintf(m.name, sizeof m.name, "%s", name);
    if (elsewhere) return m;
    cpu_name(m.cpu, sizeof m.cpu);
    if (!uname(&system))
        snprintf(m.system, sizeof m.system, "%.40s %.40s %.40s", system.sysname, system.release, system.machine);
    m.cores = df_cores_count();
    m.memory_bytes = df_memory_machine_bytes();
    return m;
}
