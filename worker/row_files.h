/* A row as it can be rendered here: the same, with the places that its files have on this machine (places.h).
 *
 *   rc = df_row_files_find(&here, places, row, &err);      here.row borrows from the row, and from the places
 */
#ifndef DF_WORKER_ROW_FILES_H
#define DF_WORKER_ROW_FILES_H

#include "worker/places.h"
#include "worker/session.h"

typedef struct df_row_files {
    Diffarm__Row row;
    Diffarm__Input image, mask, file[DF_SESSION_MAX_ADAPTERS];
    Diffarm__Adapter adapter[DF_SESSION_MAX_ADAPTERS], *list[DF_SESSION_MAX_ADAPTERS + 1];
} df_row_files;

/* Behind the adapters stands a NULL. DF_ETIMEOUT: some are being fetched, ask again. Others are the row's. Valid until
 * another row is looked at. */
df_code df_row_files_find(df_row_files *out, df_places *places, const Diffarm__Row *row, df_err *err);

#endif
