/* diffarm simulate --workers N --images M. */
#ifndef DF_CLIENT_SIMULATE_WORKERS_H
#define DF_CLIENT_SIMULATE_WORKERS_H

int df_simulate_workers(int argc, char **argv); /* argv[0] is "diffarm simulate" */

#endif
