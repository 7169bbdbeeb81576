/* Files below a folder, reached without leaving it.
 *
 *   df_beneath_open(&fd, "/data/inputs", "cats/0001.png", &err);      caller closes fd
 *
 * The path counts from the folder; an absolute one must begin with it, as written or as it really is. Every part is
 * opened from the one before without following links, and ".." is refused: neither a path nor a link that somebody puts
 * in its way leads out. The folder itself may be reached through links: whoever names it has chosen it. */
#ifndef DF_BASE_BENEATH_H
#define DF_BASE_BENEATH_H

#include "base/err.h"

/* A regular file, for reading. DF_EINVAL: the path leads out, or is no file; DF_ENOTFOUND: nothing there. Errors name
 * the path and, where it leads out, the folder. */
df_code df_beneath_open(int *fd, const char *folder, const char *path, df_err *err);

#endif
