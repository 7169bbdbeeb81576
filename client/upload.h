/* Files of a job to the coordinator, by content: those that it does not have, in pieces, going on where an earlier try
 * stopped.
 *
 * A file that has changed since it was hashed is an error that names it. */
#ifndef DF_CLIENT_UPLOAD_H
#define DF_CLIENT_UPLOAD_H

#include "client/input_files.h"
#include "client/link.h"

typedef struct df_upload {
    df_link *link; /* borrowed */
    const char *job_id; /* borrowed; its SubmitBegin was answered */
    int timeout_ms; /* for each answer; negative: for ever */
} df_upload;

/* DF_ENOTFOUND: the coordinator does not know the job (any more): begin again. */
df_code df_upload_file(const df_upload *u, const df_input_file *file, df_err *err);

#endif
