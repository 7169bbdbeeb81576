/* From a row of a lease to a request to the renderer: names resolved, pictures read and brought to size.
 *
 *   df_row_request rq;
 *   if (!df_row_request_open(&rq, &cfg, row, job, &err)) df_renderer_add(r, id, &rq.is, &err);
 *   df_row_request_close(&rq);
 *
 * Rows that need a picture have it scaled and cropped (engine/image/resize.h) to the size that their task works at. */
#ifndef DF_WORKER_REQUEST_H
#define DF_WORKER_REQUEST_H

#include "cluster/renderer.h"
#include "worker/inputs.h"

typedef struct df_row_request {
    df_request is; /* borrows from the row and from below */
    df_image image, mask;
} df_row_request;

/* Errors are the row's; rq is then closed. */
df_code df_row_request_open(df_row_request *rq, const df_model *model, df_inputs *inputs, const Diffarm__Row *row,
                            const Diffarm__JobSpec *job, df_err *err);
void df_row_request_close(df_row_request *rq);

#endif
