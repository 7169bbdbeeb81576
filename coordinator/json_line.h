/* One JSON object as one line of a file: compact, keys in the order they were set, numbers that read back equal. */
#ifndef DF_COORDINATOR_JSON_LINE_H
#define DF_COORDINATOR_JSON_LINE_H

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

/* The line with its newline, NULL when out of memory (also if object is NULL). Takes object; caller frees. */
char *df_json_line_text(json_t *object);

/* Takes object (NULL: it could not be built). A real number is written with the fewest digits that give it back. */
df_code df_json_line_write(FILE *to, json_t *object, df_err *err);

#endif
