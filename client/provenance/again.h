/* Pictures rendered again in this process, from their recipes, to be held against what is there.
 *
 *   df_again_open(&a, "models/starter", threads, &err);
 *   df_again_render(a, recipe, &png, &bytes, &err);
 *   df_again_compare(png, bytes, recipe->png, recipe->png_bytes, &difference, &err);
 *   df_again_close(&a); */
#ifndef DF_CLIENT_PROVENANCE_AGAIN_H
#define DF_CLIENT_PROVENANCE_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "client/provenance/recipe.h"

typedef struct df_again df_again;

df_code df_again_open(df_again **out, const char *model, const char *config_dir, int threads, df_err *err);
void df_again_close(df_again **a); /* accepts a pointer to NULL */

/* The whole PNG, texts included, as a worker would send it; caller frees *png. DF_EINVAL: the model is another one than
 * the recipe's. */
df_code df_again_render(df_again *a, df_recipe *r, unsigned char **png, size_t *bytes, df_err *err);

typedef struct df_difference {
    bool same_bytes; /* of the files */
    bool same_size; /* of the pictures */
    int largest; /* of 255, over all pixels and channels */
    uint64_t n_pixels; /* that differ */
} df_difference;

df_code df_again_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes, df_difference *out, df_err *err);

#endif
