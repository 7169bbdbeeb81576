/* Pictures that rows bring along, read, checked and decoded once for all rows that share them.
 *
 *   df_inputs *in = df_inputs_new();
 *   df_inputs_picture(in, row->image, &image, &err);      borrowed until the next call
 *   df_inputs_free(&in);
 *
 * A file counts by its content: one that has changed since the job was submitted is an error of the row. The few used
 * last are kept. Threads: one. */
#ifndef DF_WORKER_INPUTS_H
#define DF_WORKER_INPUTS_H

#include "base/err.h"
#include "engine/image/image.h"
#include "farm.pb-c.h"

typedef struct df_inputs df_inputs;

df_inputs *df_inputs_new(void); /* NULL when out of memory */
void df_inputs_free(df_inputs **inputs);

/* RGB. Errors name the file: missing, changed, no PNG, too large. */
df_code df_inputs_picture(df_inputs *inputs, const Diffarm__Input *input, const df_image **out, df_err *err);

#endif
