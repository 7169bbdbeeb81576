/* Ids that are in no table. The host never sees them: they are on the GPU when a node runs, which writes NaN for such
 * an id and notes the first one; the next wait tells. */
#ifndef DF_ENGINE_BACKEND_CUDA_FAULTS_H
#define DF_ENGINE_BACKEND_CUDA_FAULTS_H

#include "base/err.h"
#include "engine/graph/graph.h"

struct df_cuda_ctx; /* context.h */

typedef struct df_cuda_faults {
    int32_t *noted; /* [2] of the GPU: tag (0: none), id; NULL while no node has ids */
    int32_t *seen; /* [2] pinned: as the last wait found it */
    struct df_cuda_id_table {
        const char *node;
        int64_t vocab;
    } * tables; /* [n_tables], that of tag t at t - 1 */
    int n_tables;
} df_cuda_faults;

/* Whoever looks up ids gets a tag for df_cuda_check_ids. node: borrowed, outlives the context's last wait. */
df_code df_cuda_faults_add(struct df_cuda_ctx *ctx, int32_t *tag, const char *node, int64_t vocab, df_err *err);

/* To enqueue before a wait, and to ask behind it: DF_EINVAL names node and id. */
df_code df_cuda_faults_fetch(struct df_cuda_ctx *ctx, df_err *err);
df_code df_cuda_faults_tell(struct df_cuda_ctx *ctx, df_err *err);

void df_cuda_faults_close(struct df_cuda_ctx *ctx); /* the stream has been waited for */

#endif
