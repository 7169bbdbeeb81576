/* diffarm bench scale: how a farm scales. */
#ifndef DF_CLIENT_BENCH_SCALE_SCALE_H
#define DF_CLIENT_BENCH_SCALE_SCALE_H

int df_bench_scale(int argc, char **argv); /* argv[0] is the name for messages; returns the exit code */

#endif
