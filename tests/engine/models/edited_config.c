#include "tests/engine/models/edited_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/models/config_check.h"
#include "tests/support/golden.h"

const char *edited_config(const char *from, const char *edit) {
    static char path[512];
    json_t *config = json_load_file(from, 0, NULL), *fields = json_loads(edit, 0, NULL);
    if (!config || !fields) fail_msg("%s with %s: no JSON", from, edit);
    snprintf(path, sizeof path, "%s/config.json", golden_temp_dir());
    assert_int_equal(json_object_update(config, fields), 0);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
    json_decref(fields);
    return path;
}

df_code read_config(void *config, const df_component_class *klass, const char *path, df_err *err) {
    df_config c;
    json_t *root = NULL;
    df_code rc = df_config_load(&c, &root, path, err);
    if (!rc) rc = klass->read(config, &c);
    json_decref(root);
    return rc;
}
