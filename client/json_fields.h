/* Reading the fields of a JSON file that we wrote and that anybody may have edited since: each is there, of its type
 * and in its range, or there is one error that says where it stands: "scale.json: points[3].runs[0].seconds is missing,
 * or no number from 0 to 1e+09".
 *
 *   json_t *file;                                         owned by the caller: json_decref
 *   rc = df_json_read(&file, path, &err);                 DF_EIO, DF_ENOTFOUND, DF_EFORMAT
 *   const df_json_place top = { .path = path };
 *   if (!rc) rc = df_json_array(file, &top, "points", &points, &err);
 *   df_json_place at = df_json_item(&top, "points", i);
 *   if (!rc) rc = df_json_int(json_array_get(points, i), &at, "workers", 1, 64, &workers, &err);
 *
 * An object that is NULL, or no object, has no fields. All errors but those of the file itself are DF_EFORMAT. */
#ifndef DF_CLIENT_JSON_FIELDS_H
#define DF_CLIENT_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Where an object stands. */
typedef struct df_json_place {
    const char *path; /* of the file; borrowed */
    char text[96]; /* "points[3].runs[0]"; "": the file's own object */
} df_json_place;

/* Up to 64 MiB; a key that comes twice is an error. */
df_code df_json_read(json_t **out, const char *path, df_err *err);

df_json_place df_json_member(const df_json_place *at, const char *key);
df_json_place df_json_item(const df_json_place *at, const char *key, size_t i);

/* "PATH: PLACE.KEY WHAT" */
df_code df_json_refuse(const df_json_place *at, const char *key, const char *what, df_err *err);

df_code df_json_text(const json_t *o, const df_json_place *at, const char *key, char *out, size_t out_bytes,
                     df_err *err);
df_code df_json_whole(const json_t *o, const df_json_place *at, const char *key, int64_t least, int64_t most,
                      int64_t *out, df_err *err);
df_code df_json_int(const json_t *o, const df_json_place *at, const char *key, int least, int most, int *out,
                    df_err *err);
df_code df_json_number(const json_t *o, const df_json_place *at, const char *key, double least, double most,
                       double *out, df_err *err);
/* *out: whether the text is `yes`. */
df_code df_json_choice(const json_t *o, const df_json_place *at, const char *key, const char *no, const char *yes,
                       bool *out, df_err *err);
df_code df_json_array(const json_t *o, const df_json_place *at, const char *key, const json_t **out, df_err *err);

#endif
