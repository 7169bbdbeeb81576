#include "coordinator/rate.h"

#include <string.h>

/* Empties the buckets of the seconds that went by without an event. */
static void advance(df_rate *rate, int64_t now_ms) {
    int64_t second = now_ms / 1000, skipped = second - rate->last_second;
    if (!rate->total || skipped >= DF_RATE_SECONDS) {
        memset(rate->counts, 0, sizeof rate->counts);
        rate->first_ms = now_ms;
    } else {
        for (int64_t s = rate->last_second + 1; s <= second; s++) rate->counts[s % DF_RATE_SECONDS] = 0;
    }
    rate->last_second = second;
}

void df_rate_add(df_rate *rate, int64_t now_ms) {
    advance(rate, now_ms);
    rate->counts[rate->last_second % DF_RATE_SECONDS]++;
    rate->total++;
}

double df_rate_per_second(const df_rate *rate, int64_t now_ms) {
    if (!rate->total || now_ms / 1000 - rate->last_second >= DF_RATE_SECONDS) return 0;
    df_rate now = *rate;
    advance(&now, now_ms);
    uint64_t events = 0;
    for (int i = 0; i < DF_RATE_SECONDS; i++) events += now.counts[i];
    double seconds = (double)(now_ms - now.first_ms) / 1000;
    if (seconds > DF_RATE_SECONDS) seconds = DF_RATE_SECONDS;
    return (double)events / (seconds < 1 ? 1 : seconds); /* no wild figures in the first second */
}
