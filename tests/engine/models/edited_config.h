/* A config.json with some fields set: how tests ask what a reader takes and refuses. */
#ifndef DF_TESTS_ENGINE_MODELS_EDITED_CONFIG_H
#define DF_TESTS_ENGINE_MODELS_EDITED_CONFIG_H

#include "engine/models/components.h"

/* A copy of the JSON file `from` with the fields of the object `edit` put over its own. Its path, valid until the next
 * call; the file goes with golden_temp_dir. */
const char *edited_config(const char *from, const char *edit);

/* A config file into the struct of its class, as df_model reads it. */
df_code read_config(void *config, const df_component_class *klass, const char *path, df_err *err);

#endif
