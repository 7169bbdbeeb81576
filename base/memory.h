/* What this process has of the machine's memory, as the kernel counts it. */
#ifndef DF_BASE_MEMORY_H
#define DF_BASE_MEMORY_H

#include <stdint.h>

int64_t
df_memory_peak_bytes(void); /* the most that was resident since the program began; 0: the kernel tells nothing */

#endif
