/* Where on this machine the content of a file lies that a row names: at its path, if that may be opened and has the
 * right hash; else in a copy from the coordinator.
 *
 *   df_places *c = df_places_new(fetch, inputs_dir);
 *   rc = df_places_find(c, row->image, &path, &err);        DF_ETIMEOUT: it is being fetched, ask again
 *   df_places_free(&c);
 *
 * The places found last are remembered. Who opens one holds its content against the hash again. Threads: one. */
#ifndef DF_WORKER_PLACES_H
#define DF_WORKER_PLACES_H

#include "farm.pb-c.h"
#include "worker/fetch.h"

typedef struct df_places df_places;

/* fetch, borrowed: NULL, there are no copies. inputs_dir, borrowed: paths count only below it, without links
 * (base/beneath.h); NULL: anywhere. NULL when out of memory. */
df_places *df_places_new(df_fetch *fetch, const char *inputs_dir);
void df_places_free(df_places **c);

/* *path is valid until the next call but 32. Errors are the row's, and say what is wrong at the path and with the copy.
 */
df_code df_places_find(df_places *c, const Diffarm__Input *input, const char **path, df_err *err);

#endif
