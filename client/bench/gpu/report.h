/* A GPU bench's record as Markdown. */
#ifndef DF_CLIENT_BENCH_GPU_REPORT_H
#define DF_CLIENT_BENCH_GPU_REPORT_H

#include <jansson.h>

#include "base/buf.h"

/* file: of df_gpu_record, checked. operations: with a table of them for each network. out->failed: out of memory. */
void df_gpu_report(df_buf *out, const json_t *file, bool operations);

#endif
