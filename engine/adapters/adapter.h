/* Adapters: small files that change a model for some rows. */
#ifndef DF_ENGINE_ADAPTERS_ADAPTER_H
#define DF_ENGINE_ADAPTERS_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>

/* INT8_SCALES change no weight: they say which products are computed in 8 bits (int8_scales.h). At most one. */
typedef enum df_adapter_kind { DF_ADAPTER_LORA, DF_ADAPTER_EMBEDDING, DF_ADAPTER_INT8_SCALES } df_adapter_kind;

/* One adapter as a row asks for it. */
typedef struct df_adapter_use {
    df_adapter_kind kind;
    const char *path; /* borrowed */
    const char *sha256; /* 64 hex digits, compared when it is opened; NULL: any content */
    const char *name; /* of an embedding's token; NULL: as the file says */
    double weight;
} df_adapter_use;

/* "FILE" or "FILE:WEIGHT", a LoRA; text is cut at the colon and borrowed. false: no file, or no finite weight. */
bool df_adapter_parse(char *text, df_adapter_use *out);

/* Where the file begins in "FILE" or "TOKEN=FILE", an embedding; token_bytes: of the token in front of it, 0: there is
 * none. A token has no '/' in it: "./a=b.safetensors" is a file. */
const char *df_adapter_embedding_file(const char *text, size_t *token_bytes);

#endif
