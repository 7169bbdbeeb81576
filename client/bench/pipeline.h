/* diffarm bench pipeline: what a pipeline does in its steady state, beside as many replicas. */
#ifndef DF_CLIENT_BENCH_PIPELINE_H
#define DF_CLIENT_BENCH_PIPELINE_H

int df_bench_pipeline(int argc, char **argv); /* argv[0] is the name for messages; returns the exit code */

#endif
