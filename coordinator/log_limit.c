#include "coordinator/log_limit.h"

static bool is_over(const df_log_limit *limit, int64_t now_ms) {
    return now_ms - limit->since_ms >= DF_LOG_LIMIT_MS;
}

bool df_log_limit_allows(df_log_limit *limit, int64_t now_ms) {
    if (is_over(limit, now_ms)) {
        limit->since_ms = now_ms;
        limit->n_lines = 0;
    }
    bool allows = limit->n_lines < DF_LOG_LIMIT_LINES;
    limit->n_lines += allows;
    limit->n_withheld += !allows;
    return allows;
}

uint64_t df_log_limit_withheld(df_log_limit *limit, int64_t now_ms) {
    if (!is_over(limit, now_ms)) return 0;
    uint64_t n = limit->n_withheld;
    limit->n_withheld = 0;
    return n;
}
