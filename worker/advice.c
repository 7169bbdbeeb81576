#include "worker/advice.h"

#include "base/memory.h"
#include "cluster/strategy.h"
#include "worker/defaults.h"

bool df_advice_slower(const df_advice_question *q, char *out, size_t out_bytes) {
    const df_model_info *info = df_model_info_of(q->model);
    const df_graph_size size = { .latent_h = (q->height ? q->height : info->default_height) / info->vae_factor,
                                 .latent_w = (q->width ? q->width : info->default_width) / info->vae_factor };
    const df_strategy_cfg cfg = { .terms = { .n_ranks = q->n_ranks,
                                             .backend = q->backend,
                                             .backend_cfg = q->backend_cfg,
                                             .hops = q->hops,
                                             .costs = q->costs,
                                             .device_bytes = q->rank_bytes },
                                  .micro_batch = q->micro_batch,
                                  .slots = df_worker_slots };
    df_strategies all;
    df_err err;
    if (q->depth == 1) return false; /* replicas pay nothing */
    if (df_strategies_weigh(&all, q->model, &size, &cfg, &err)) return false;
    return df_strategy_slower(&all, q->depth, DF_FOR_THROUGHPUT, out, out_bytes);
}

int64_t df_advice_rank_bytes(int n_ranks) {
    return df_memory_machine_bytes() / n_ranks;
}
