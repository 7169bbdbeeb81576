/* What processor this is, as the kernel names it: machines of one name compute at one pace. */
#ifndef DF_BASE_CPU_H
#define DF_BASE_CPU_H

#include <stddef.h>

/* "cpu family 25, model 17, AMD EPYC 9R14, stepping 1", or less where the kernel tells less; returns out. */
char *df_cpu_name(char *out, size_t out_bytes);

#endif
