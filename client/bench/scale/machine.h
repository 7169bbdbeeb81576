/* The machine a scaling test runs on, as its record tells of it. */
#ifndef DF_CLIENT_BENCH_SCALE_MACHINE_H
#define DF_CLIENT_BENCH_SCALE_MACHINE_H

#include "client/bench/scale/record.h"

/* name: what the user calls it. elsewhere: the work is done on other machines; then only the name is told. */
df_scale_machine df_scale_this_machine(const char *name, bool elsewhere);

#endif
