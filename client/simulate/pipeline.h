/* diffarm simulate pipeline. */
#ifndef DF_CLIENT_SIMULATE_PIPELINE_H
#define DF_CLIENT_SIMULATE_PIPELINE_H

int df_simulate_pipeline(int argc, char **argv); /* argv[0] is "diffarm simulate pipeline" */

#endif
