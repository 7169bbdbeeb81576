/* A config.json with some fields set: how tests ask what a reader takes and refuses. */
#ifndef DF_TESTS_ENGINE_MODELS_EDITED_CONFIG_H
#define DF_TESTS_ENGINE_MODELS_EDITED_CONFIG_H

/* A copy of the JSON file `from` with the fields of the object `edit` put over its own. Its path, valid until the next
 * call; the file goes with golden_temp_dir. */
const char *edited_config(const char *from, const char *edit);

#endif
