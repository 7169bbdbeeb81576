/* Is this model, byte for byte, the one that a job was made for? Its files are hashed on a thread of their own, while
 * their weights are packed and the first prompts encoded.
 *
 *   df_content_start(&c, model, path, sha256, &err);
 *   df_content_confirm(c, &err);          waits; DF_EINVAL: other content. The same answer however often it is asked
 *   df_content_close(&c);                 waits as well */
#ifndef DF_WORKER_CONTENT_H
#define DF_WORKER_CONTENT_H

#include "engine/models/model.h"

typedef struct df_content df_content;

/* The model is borrowed until df_content_close; path, as errors name it, and sha256 are copied. */
df_code df_content_start(df_content **out, const df_model *model, const char *path, const char *sha256, df_err *err);
df_code df_content_confirm(df_content *c, df_err *err);
void df_content_close(df_content **c); /* accepts a pointer to NULL */

#endif
