/* What `diffarm forward` tells of a strip, on stdout. */
#ifndef DF_CLIENT_FORWARD_REPORT_H
#define DF_CLIENT_FORWARD_REPORT_H

#include "client/forward/options.h"
#include "engine/samplers/forward.h"

/* o->steps levels of a strip whose pictures have width x height pixels. */
df_code df_forward_report(const df_forward_options *o, const df_scheduler *sched, const df_forward_level *levels,
                          int width, int height, df_err *err);

#endif
