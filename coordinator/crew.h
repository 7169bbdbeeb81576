/* A crew of threads that shares many equal pieces of work with its owner: looking at pictures, writing their files.
 *
 *   df_crew_open(&crew, n_helpers, &err);
 *   df_crew_share(crew, do_one, ctx, n);    do_one(ctx, i) for each i below n, in any order; returns when all are done
 *   df_crew_close(&crew);
 *
 * The owner works as well, and helpers do nothing in between, so what is done before and after needs no lock. Without
 * helpers (also crew NULL) pieces are done one after another, in order. Threads: one owner; close joins the helpers. */
#ifndef DF_COORDINATOR_CREW_H
#define DF_COORDINATOR_CREW_H

#include <stddef.h>

#include "base/err.h"

typedef struct df_crew df_crew;

df_code df_crew_open(df_crew **out, int n_helpers, df_err *err); /* 0 or more */
void df_crew_close(df_crew **crew);

typedef void (*df_crew_fn)(void *ctx, size_t i); /* touches what belongs to piece i alone */
void df_crew_share(df_crew *crew, df_crew_fn do_one, void *ctx, size_t n);

#endif
