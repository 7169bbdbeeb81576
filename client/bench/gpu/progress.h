/* How far a GPU bench is: on a terminal one line that changes, elsewhere a line every few seconds.
 *
 *   df_gpu_progress p = df_gpu_progress_to(stderr);       NULL: nothing is shown
 *   df_gpu_progress_show(&p, "[3/96] sdxl unet, ETA 5 min");   as often as one likes
 *   df_gpu_progress_end(&p);                                leaves the cursor on an empty line */
#ifndef DF_CLIENT_BENCH_GPU_PROGRESS_H
#define DF_CLIENT_BENCH_GPU_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct df_gpu_progress {
    FILE *to;
    bool terminal;
    bool drawn; /* a line stands that the next one replaces */
    int64_t last_ms; /* of the last line; 0: none yet */
} df_gpu_progress;

df_gpu_progress df_gpu_progress_to(FILE *to);
void df_gpu_progress_show(df_gpu_progress *p, const char *line);
void df_gpu_progress_end(df_gpu_progress *p);

#endif
