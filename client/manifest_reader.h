/* Inside of df_manifest: one open file and the record in hand. manifest.c opens and feeds, manifest_json.c and
 * manifest_csv.c understand a record. */
#ifndef DF_CLIENT_MANIFEST_READER_H
#define DF_CLIENT_MANIFEST_READER_H

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "client/manifest.h"

#define DF_CSV_MAX_COLUMNS 64

struct df_manifest {
    FILE *file;
    char *title;
    bool csv;
    uint64_t number; /* of the last line read */
    df_buf record; /* text of the record in hand */
    char where[512];
    json_t *json; /* the line in hand, owns its texts */
    int n_columns; /* CSV: of the header */
    char *column[DF_CSV_MAX_COLUMNS];
};

df_code df_manifest_next_json(df_manifest *m, df_line *line, df_line_state *state, df_problems *problems, df_err *err);
df_code df_manifest_next_csv(df_manifest *m, df_line *line, df_line_state *state, df_problems *problems, df_err *err);

/* An empty line with its place filled in: the record begins at line `number`. */
void df_manifest_begin_line(df_manifest *m, df_line *line, uint64_t number);

#endif
