/* A small picture of a committed one, for the web page. Safe on any bytes: what is no PNG, or has more than
 * DF_THUMBNAIL_MAX_PIXELS, is an error. Threads: safe. */
#ifndef DF_COORDINATOR_WEB_THUMBNAIL_H
#define DF_COORDINATOR_WEB_THUMBNAIL_H

#include <stddef.h>

#include "base/err.h"

enum { DF_THUMBNAIL_SIDE = 192, DF_THUMBNAIL_MAX_PIXELS = 4096 * 4096 };

/* PNG in, PNG out: its longer side at most DF_THUMBNAIL_SIDE, by the mean of whole blocks of k x k pixels; a small
 * picture as it is, without its texts. Caller frees *out. DF_EFORMAT, DF_ELIMIT, DF_ENOMEM. */
df_code df_thumbnail_of(const void *png, size_t bytes, void **out, size_t *out_bytes, df_err *err);

#endif
