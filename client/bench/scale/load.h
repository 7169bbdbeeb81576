/* How much of this machine other programs took meanwhile: what tells a quiet measurement from another.
 *
 *   df_load before = df_load_now();   ...   share = df_load_others(&before);
 *
 * Ours is what this process and its children have used that have ended, and were waited for, by then. */
#ifndef DF_CLIENT_BENCH_SCALE_LOAD_H
#define DF_CLIENT_BENCH_SCALE_LOAD_H

typedef struct df_load {
    double busy_seconds; /* of all processors, by anyone, and what a hypervisor gave to others; negative: not known */
    double own_seconds;
    double at_seconds;
} df_load;

df_load df_load_now(void);

/* Of all processors since then, 0..1; negative: not known. */
double df_load_others(const df_load *before);

#endif
