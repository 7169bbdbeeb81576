#include "cluster/schedule.h"

/* Would its next segment run before an older command of its program has run it? Its messages would overtake. */
static bool must_wait(const df_turn *turns, int n_turns, int i) {
    const df_turn *t = &turns[i];
    for (int k = 0; k < n_turns; k++) {
        const df_turn *o = &turns[k];
        if (k != i && o->runs && o->program == t->program && o->seq < t->seq && o->next <= t->next) return true;
    }
    return false;
}

int df_turn_next(const df_turn *turns, int n_turns, df_turn_ready_fn is_ready, const void *ctx) {
    int best = -1;
    for (int i = 0; i < n_turns; i++) {
        const df_turn *t = &turns[i];
        if (!t->runs || t->next == t->n) continue;
        if (best >= 0 && turns[best].seq < t->seq) continue;
        if (is_ready(ctx, i) && !must_wait(turns, n_turns, i)) best = i;
    }
    return best;
}

int df_batch_share(int n_pictures, int n_ranks, int n_halves, int n_slots, int micro_batch) {
    int useful = n_ranks == 1 ? 1 : n_ranks / n_halves + 1; /* one for each stage, one on the way between them */
    if (useful > n_slots) useful = n_slots;
    int each = (n_pictures + useful - 1) / useful;
    return each < 1 ? 1 : each < micro_batch ? each : micro_batch;
}
