#include "client/provenance/tell.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/sha256.h"
#include "client/report.h"

static void tell_value(const char *key, const json_t *value) {
    char *text =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    printf("%-18s %s\n", key, json_is_string(value) ? json_string_value(value) : text ? text : "");
    free(text);
}

void df_tell_recipe(const df_recipe *r, df_output output) {
    char hex[DF_SHA256_HEX_BYTES];
    const char *key;
    json_t *value, *all = json_deep_copy(r->says);
    df_sha256_of(r->png, r->png_bytes, hex);
    json_object_set_new(all, "sha256", json_string(hex));
    if (output == DF_OUTPUT_JSON) {
        df_report_print_json(json_incref(all));
    } else if (output == DF_OUTPUT_TEXT) {
        json_object_foreach(all, key, value) tell_value(key, value);
        printf("\nrendered again and compared by: diffarm replay IMAGE.png -m %s\n", r->job.model_name);
    }
    json_decref(all);
}
