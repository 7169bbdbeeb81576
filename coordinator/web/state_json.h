/* The JSON that the page's script draws: names and units in one place. Each function gives a new object, NULL when out
 * of memory (jansson then leaves it out of its list). */
#ifndef DF_COORDINATOR_WEB_STATE_JSON_H
#define DF_COORDINATOR_WEB_STATE_JSON_H

#include <jansson.h>

#include "coordinator/farm.h"
#include "coordinator/web/history.h"

typedef struct df_job_history {
    char job_id[DF_JOB_ID_CHARS + 1];
    bool over; /* nothing is added any more */
    df_history done; /* pictures done */
} df_job_history;

json_t *df_state_json_job(const df_job *job, const Diffarm__JobStatus *status, const df_job_history *history);
json_t *df_state_json_worker(const Diffarm__WorkerStatus *status);
json_t *df_state_json_picture(const df_job *job, const df_stored_row *row);
json_t *df_state_json_farm(const df_farm *f, json_t **jobs, json_t **workers, json_t *pictures,
                           int64_t now_ms); /* takes the lists */

#endif
