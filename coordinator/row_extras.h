/* What a row asks for beyond text, size and steps (pictures, strength, class, adapters, ...), as one JSON object in a
 * text: the store keeps it so, metadata shows it. "" where a row asks for none of it. Members, in this order, each only
 * where the task has it, numbers but the class only where they are not 0:
 *   image, image_sha256, mask, mask_sha256, strength, class, noise_level, guidance_rescale, eta,
 *   lora [{file, sha256, weight}], embedding [{file, sha256, name}]
 * Paths are absolute; metadata shows their last part, so that OUT does not depend on where the inputs lay, and calls
 * the first two input_image and input_image_sha256. */
#ifndef DF_COORDINATOR_ROW_EXTRAS_H
#define DF_COORDINATOR_ROW_EXTRAS_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "farm.pb-c.h"

enum { DF_ROW_MAX_ADAPTERS = 17, DF_ROW_MAX_INPUT_PATH_BYTES = 4096 };

/* Checks every field. *out lies in the arena. DF_EINVAL says what is wrong. */
df_code df_row_extras_from_wire(const char **out, const Diffarm__Row *in, df_arena *arena, df_err *err);
/* Fills the fields of `out`; what they point to lies in the arena. */
df_code df_row_extras_to_wire(Diffarm__Row *out, const char *extras, df_arena *arena, df_err *err);

/* The share of a row's steps that is run: its strength, 1 where it has none. */
double df_row_extras_share(const char *extras);

/* The members as metadata shows them; NULL when out of memory. */
json_t *df_row_extras_metadata(const char *extras);

#endif
