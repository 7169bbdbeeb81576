#include "coordinator/web/history.h"

static void thin_out(df_history *h) {
    h->n = (h->n + 1) / 2;
    for (size_t i = 1; i < h->n; i++) h->at[i] = h->at[2 * i];
    h->step_ms *= 2;
}

void df_history_add(df_history *h, int64_t now_ms, double value) {
    if (!h->n) {
        h->first_ms = now_ms;
        h->step_ms = DF_HISTORY_FIRST_STEP_MS;
    }
    while (now_ms >= h->first_ms + (int64_t)h->n * h->step_ms) {
        if (h->n == DF_HISTORY_POINTS)
            thin_out(h);
        else
            h->at[h->n++] = value;
    }
}
