/* Files that are often given in place of a safetensors file, told by their first bytes. */
#ifndef DF_ENGINE_WEIGHTS_FOREIGN_H
#define DF_ENGINE_WEIGHTS_FOREIGN_H

#include <stddef.h>

#include "base/err.h"

/* What to do about a pickle; for messages. */
#define DF_PICKLE_ADVICE                                                                                               \
    "pickle files can run code when loaded and are refused; convert it in a place you trust with "                     \
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), \"FILE.safetensors\")"

/* DF_OK if the bytes are of no known other kind, else an error that names the kind and says what to do. */
df_code df_foreign_check(const unsigned char *bytes, size_t n_bytes, const char *path, df_err *err);

#endif
