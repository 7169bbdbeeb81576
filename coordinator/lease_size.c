/* How much is lent to a worker at once: rows until it has work for cfg.lease_target_ms at its speed. Rows differ, so
 * the speed is one of work, pixels times steps a second; a worker that tells only images a second is taken at that. */
#include <math.h>

#include "coordinator/farm.h"

enum { FIRST_LEASE_ROWS = 8 }; /* while its speed is not known */

double df_farm_row_seconds(const df_farm *f, const df_worker *worker, double work) {
    if (worker->work_per_second > 0 && work > 0) return work / worker->work_per_second;
    if (worker->images_per_second > 0) return 1 / worker->images_per_second;
    return f->cfg.lease_target_ms / 1000.0 / FIRST_LEASE_ROWS;
}

static double seconds_held(const df_farm *f, const df_worker *worker) {
    double seconds = 0;
    for (const df_lease *l = df_lease_table_of(&f->leases, worker->id); l; l = l->next_of_worker)
        seconds += l->charged_s > 0 ? l->charged_s * (double)l->n_open / (double)l->n_rows
                                    : (double)l->n_open * df_farm_row_seconds(f, worker, 0); /* from before a restart */
    return seconds;
}

/* A worker whose allocation ends gets what it can finish beside what it holds; while its speed is not known one row, if
 * there is time for a whole lease. A fifth is kept in reserve. */
static void limit_to_end(df_lease_size *size, const df_farm *f, const df_worker *worker) {
    double left_s = 0.8 * (double)(worker->ends_ms - f->now_ms) / 1000, held_s = seconds_held(f, worker);
    size->left_s = left_s - held_s;
    if (worker->images_per_second > 0 || worker->work_per_second > 0) return;
    size->rows = held_s <= 0 && left_s * 1000 >= f->cfg.lease_target_ms;
    size->left_s = INFINITY;
}

df_lease_size df_farm_lease_size(const df_farm *f, const df_worker *worker) {
    size_t most = worker->max_rows && worker->max_rows < DF_LEASE_MAX_ROWS ? worker->max_rows : DF_LEASE_MAX_ROWS;
    df_lease_size size = { most, f->cfg.lease_target_ms / 1000.0, INFINITY, false };
    if (worker->ends_ms) limit_to_end(&size, f, worker);
    if (df_farm_is_on_trial(worker) && size.rows > 1) size.rows = 1;
    return size;
}

bool df_lease_size_take(df_lease_size *size, double row_seconds) {
    double most = size->has_row && size->seconds < size->left_s ? size->seconds : size->left_s;
    if (!size->rows || row_seconds > most * (1 + 1e-9)) return false; /* sums of seconds are not exact */
    size->rows--;
    size->seconds -= row_seconds;
    size->left_s -= row_seconds;
    size->has_row = true;
    return true;
}
