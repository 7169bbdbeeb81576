/* diffarm bench gpu: what a GPU does with the networks and pictures of standard models, beside what it could do. */
#ifndef DF_CLIENT_BENCH_GPU_GPU_H
#define DF_CLIENT_BENCH_GPU_GPU_H

int df_bench_gpu(int argc, char **argv); /* argv[0] is the name for messages; returns the exit code */

#endif
