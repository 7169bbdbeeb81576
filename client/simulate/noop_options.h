/* Options of `diffarm simulate --workers N --images M`. */
#ifndef DF_CLIENT_SIMULATE_NOOP_OPTIONS_H
#define DF_CLIENT_SIMULATE_NOOP_OPTIONS_H

#include "client/options.h"

typedef struct df_noop_options {
    int workers, processes; /* processes: that the workers share */
    int64_t images;
    int payload_bytes; /* of a result's picture; 0: results have none */
    double images_per_second; /* of one worker; 0: a row takes no time */
    int hold_s; /* the workers are idle for so long before the job comes */
    bool resume; /* the job is in dir already */
    const char *dir; /* STATE and OUT go there; NULL: a folder that is removed in the end */
    df_output output;
} df_noop_options;

void df_noop_options_parse(df_noop_options *o, int argc, char **argv);

#endif
