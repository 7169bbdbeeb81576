#include "coordinator/json_line.h"

#include <errno.h>
#include <stdlib.h>

enum { MAX_DIGITS = 17 }; /* enough for any double */

static int digits_for(double value) {
    char text[40];
    for (int digits = 1; digits < MAX_DIGITS; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return digits;
    }
    return MAX_DIGITS;
}

/* jansson takes one precision for a whole dump: the largest that any of the object's numbers needs. */
static int digits_of(json_t *object) {
    int digits = 1;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        int n = json_is_real(value) ? digits_for(json_real_value(value)) : 1;
        if (n > digits) digits = n;
    }
    return digits;
}

df_code df_json_line_write(FILE *to, json_t *object, df_err *err) {
    if (!object) return df_err_set(err, DF_ENOMEM, "a line of JSON");
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION((size_t)digits_of(object));
    int failed = json_dumpf(object, to, flags) || putc('\n', to) == EOF;
    int why = errno;
    json_decref(object);
    return failed ? df_err_errno(err, why, "write a line") : DF_OK;
}
