#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* getrusage's figure would be the larger one of what ran before exec and of this program. */
int64_t df_memory_peak_bytes(void) {
    char line[256];
    int64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %" SCNd64 " kB", &kib) == 1) break;
    if (f) fclose(f);
    return kib * 1024;
}

int64_t df_memory_machine_bytes(void) {
    int64_t pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? pages * page_bytes : 0;
}
