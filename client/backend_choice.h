/* The backend that an option names: is it there, and how does a command end where it is not? */
#ifndef DF_CLIENT_BACKEND_CHOICE_H
#define DF_CLIENT_BACKEND_CHOICE_H

#include "engine/backend/backend.h"

/* Loads it, and looks whether its device is there. DF_EINVAL: no such backend, or no such GPU; DF_EUNSUPPORTED: not on
 * this machine, and why. */
df_code df_backend_choose(const df_backend **out, const char *name, int gpu, df_err *err);

/* Prints "diffarm: error: TEXT"; DF_EXIT_NO_FARM where a machine lacks what the backend needs, DF_EXIT_USAGE for a
 * name, a GPU or a type that it does not have. */
int df_exit_without_backend(const char *name, const df_err *err);

#endif
