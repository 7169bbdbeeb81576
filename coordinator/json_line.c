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

char *df_json_line_text(json_t *object) {
    char *text = NULL;
    char *line = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION((size_t)digits_of(object))) : NULL;
    if (line && asprintf(&text, "%s\n", line) < 0) text = NULL;
    free(line);
    json_decref(object);
    return text;
}

df_code df_json_line_write(FILE *to, json_t *object, df_err *err) {
    char *text = df_json_line_text(object);
    if (!text) return df_err_set(err, DF_ENOMEM, "a line of JSON");
    int failed = fputs(text, to) == EOF, why = errno;
    free(text);
    return failed ? df_err_errno(err, why, "write a line") : DF_OK;
}
