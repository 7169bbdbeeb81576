/* What tests of pipelines over the doubles of NCCL and the runtime have in common. What goes wrong fails the test. */
#ifndef DF_TESTS_CLUSTER_NCCL_FARM_H
#define DF_TESTS_CLUSTER_NCCL_FARM_H

#include "tests/cluster/album.h"

enum { NCCL_FARM_PICTURES = 3 };

/* Ranks of one process, with NCCL's double on top: a thread_farm_comm_fn. */
df_code nccl_farm_open(df_comm **out, int size, df_err *err);

/* Three prompts of the starter model with a sampler each; the second is not guided. Steps: first_steps, one more, two
 * more. */
void nccl_farm_requests(const df_model *m, int side, int first_steps, df_request q[NCCL_FARM_PICTURES]);

#endif
