/* How a picture came to be, as its PNG tells (worker/png_text.h, the text "diffarm"), and from it the row and the job
 * that make it again.
 *
 *   df_recipe_read(&r, "OUT/images/000000/00000007.png", &err);
 *   df_recipe_find_files(r, files, n_files, &err);        what it was made from, by content
 *   ... r->row, r->job ...
 *   df_recipe_free(&r);
 *
 * Every field is checked: a PNG comes from anywhere. */
#ifndef DF_CLIENT_PROVENANCE_RECIPE_H
#define DF_CLIENT_PROVENANCE_RECIPE_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "farm.pb-c.h"

enum { DF_RECIPE_MAX_PNG_BYTES = 1 << 30 };

typedef struct df_recipe {
    json_t *says; /* the whole text */
    const char *backend, *software; /* of says */
    Diffarm__Row row; /* strings of says and the arena; files have hashes, and no paths yet */
    Diffarm__JobSpec job; /* no paths yet */
    df_arena *arena;
    char *png; /* the file */
    size_t png_bytes;
} df_recipe;

/* DF_EFORMAT: no PNG, no text of diffarm in it, or a field that is missing or no such value (named). */
df_code df_recipe_read(df_recipe **out, const char *path, df_err *err);
/* The same of bytes in memory, which it takes whatever comes of it; name is for errors. */
df_code df_recipe_take(df_recipe **out, const char *name, char *png, size_t png_bytes, df_err *err);
void df_recipe_free(df_recipe **r); /* accepts a pointer to NULL */

/* Gives each file of the row the path of the one with its hash. DF_ENOTFOUND names what is missing. */
df_code df_recipe_find_files(df_recipe *r, const char *const *paths, int n_paths, df_err *err);

#endif
