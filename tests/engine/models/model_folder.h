/* Model folders for tests, put together from links to golden models: some of them come without a tokenizer, and a test
 * may want to break one part. */
#ifndef DF_TESTS_ENGINE_MODELS_MODEL_FOLDER_H
#define DF_TESTS_ENGINE_MODELS_MODEL_FOLDER_H

/* A new temporary folder that holds the golden model `name` (or "starter", the bundled one); skips the test where the
 * case is not at hand. A tokenizer that it lacks is the starter's; the test is skipped where that has too many ids.
 * Every file is a link and may be replaced. */
const char *model_folder_new(const char *name);

/* DIR/FILE of it; valid until the process ends. */
const char *model_folder_path(const char *dir, const char *file);

void model_folder_remove(const char *dir, const char *file);
/* Replaces file by this text. */
void model_folder_write(const char *dir, const char *file, const void *data, unsigned long bytes);
/* Sets a field of a JSON file; value is JSON, NULL removes the field. */
void model_folder_set(const char *dir, const char *file, const char *key, const char *value);

#endif
