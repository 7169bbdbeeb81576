/* Files that rows name (pictures, masks, LoRAs, embeddings): found, looked into and hashed once each.
 *
 *   df_input_files *f = df_input_files_new("/the/input/folder");
 *   df_input_files_trust(f, "/elsewhere/b.png");           named by an option
 *   df_input_files_picture(f, "a.png", &file, &err);       file: borrowed, as long as f
 *   df_input_files_free(&f);
 *
 * Paths count from the folder given and stay below it, without links (base/beneath.h), but for those that are trusted.
 * Memory: about 400 bytes for each distinct path. */
#ifndef DF_CLIENT_INPUT_FILES_H
#define DF_CLIENT_INPUT_FILES_H

#include "base/err.h"
#include "base/sha256.h"
#include "engine/models/model.h"

typedef struct df_input_file {
    char *path; /* absolute */
    char sha256[DF_SHA256_HEX_BYTES];
    int width, height; /* of a picture */
    const char *token; /* of an embedding */
} df_input_file;

typedef struct df_input_files df_input_files;

df_input_files *df_input_files_new(const char *folder); /* NULL when out of memory */
void df_input_files_free(df_input_files **files);
/* An absolute path that may lie anywhere; false when out of memory. */
bool df_input_files_trust(df_input_files *files, const char *path);

/* Any file: found and hashed; a LoRA that does not fit the model is an error. */
df_code df_input_files_lora(df_input_files *files, const char *path, const df_model *model, const df_input_file **out,
                            df_err *err);
/* A textual inversion: the same, and the word that stands for it: token[token_bytes], or what the file says if that is
 * empty. */
df_code df_input_files_embedding(df_input_files *files, const char *path, const char *token, size_t token_bytes,
                                 const df_model *model, const df_input_file **out, df_err *err);
/* Decodes it. Errors say what is wrong with the file: missing, no PNG, damaged, too large. Asked again they are the
 * same. */
df_code df_input_files_picture(df_input_files *files, const char *path, const df_input_file **out, df_err *err);

/* Every file that was found good so far, in the order of finding; one file may come twice, under two paths. */
typedef df_code (*df_input_file_fn)(void *ctx, const df_input_file *file, df_err *err);
df_code df_input_files_each(const df_input_files *files, df_input_file_fn take, void *ctx, df_err *err);

#endif
