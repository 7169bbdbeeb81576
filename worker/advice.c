#include "worker/advice.h"

#include "base/memory.h"
#include "worker/defaults.h"

static df_code weigh(df_strategies *all, const df_advice_question *q) {
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
    return df_strategies_weigh(all, q->model, &size, &cfg, NULL);
}

static int halves_of(const df_advice_question *q, const df_strategies *all) {
    if (q->depth % 2 || q->split == DF_SPLIT_LAYERS) return 1;
    if (q->split == DF_SPLIT_CFG) return 2;
    return q->aim == DF_FOR_LATENCY && df_strategy_wants_halves(all, q->depth, q->aim) ? 2 : 1;
}

int df_advice_halves(const df_advice_question *q) {
    df_strategies all = { 0 };
    bool by_plan = q->split == DF_SPLIT_BEST && q->aim == DF_FOR_LATENCY && q->depth % 2 == 0;
    return by_plan && weigh(&all, q) ? 1 : halves_of(q, &all);
}

bool df_advice_slower(const df_advice_question *q, char *out, size_t out_bytes) {
    df_strategies all;
    if (q->depth == 1) return false; /* replicas pay nothing */
    if (weigh(&all, q)) return false;
    df_strategy_kind kind = halves_of(q, &all) > 1 ? DF_STRATEGY_HALVES : DF_STRATEGY_PIPELINES;
    return df_strategy_slower(&all, kind, q->depth, q->aim, out, out_bytes);
}

int64_t df_advice_rank_bytes(int n_ranks) {
    return df_memory_machine_bytes() / n_ranks;
}
