/* The farm in Prometheus' text format 0.0.4. Counters never go back, also over a restart, as far as they are counts of
 * stored rows; those that begin at 0 with each start say so. docs/watching.md lists them. */
#ifndef DF_COORDINATOR_WEB_METRICS_H
#define DF_COORDINATOR_WEB_METRICS_H

#include "coordinator/farm.h"

char *df_metrics_text(const df_farm *f); /* caller frees; NULL when out of memory */

#endif
