/* What a data set says of one picture: a line of metadata.jsonl, and KEY.json in a tar shard. The same object in both.
 * It holds nothing that depends on when, where or how often the row was rendered. */
#ifndef DF_COORDINATOR_METADATA_H
#define DF_COORDINATOR_METADATA_H

#include <jansson.h>

#include "coordinator/store.h"

/* NULL when out of memory. In tar jobs, where a picture's file is named by its number, "name" keeps the row's own. */
json_t *df_metadata_of(const df_job *job, const df_stored_row *row);

#endif
