/* The machine's memory, and what this process has of it, as the kernel counts it. 0: it tells nothing. */
#ifndef DF_BASE_MEMORY_H
#define DF_BASE_MEMORY_H

#include <stdint.h>

int64_t df_memory_peak_bytes(void); /* the most that was resident since the program began */
int64_t df_memory_machine_bytes(void);

#endif
