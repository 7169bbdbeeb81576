/* Manifests: JSON Lines, or CSV with a header line, read line by line.
 *
 *   df_manifest_open(&m, "manifest.jsonl", &err);
 *   while (!(rc = df_manifest_next(m, &line, &state, &problems, &err)) && state != DF_LINE_END) ...
 *   df_manifest_rewind(m, &err);              again from the start: validate first, then send
 *   df_manifest_close(&m);
 *
 * Memory does not grow with the manifest: one line is held, at most DF_MAX_LINE_BYTES. What cannot be read twice ("-",
 * a pipe) is copied to a temporary file first. A name ending in .csv is CSV, in .jsonl, .ndjson or .json JSON Lines; of
 * any other the first character tells ('{' is JSON). Strict: bad JSON or UTF-8, unknown and doubled fields, wrong types
 * and values out of range are problems; null and empty CSV cells count as absent; empty lines are skipped. Which fields
 * a line must have depends on the model: row_task.h. */
#ifndef DF_CLIENT_MANIFEST_H
#define DF_CLIENT_MANIFEST_H

#include "base/err.h"
#include "client/fields.h"

#define DF_MAX_LINE_BYTES (1u << 20)

typedef struct df_manifest df_manifest;

typedef enum df_line_state { DF_LINE_GOOD, DF_LINE_BAD, DF_LINE_END } df_line_state;

df_code df_manifest_open(df_manifest **out, const char *path, df_err *err);
void df_manifest_close(df_manifest **m);
df_code df_manifest_rewind(df_manifest *m, df_err *err);

/* Fills the next line. BAD: what is wrong was added to problems; the line must not be used. Texts of the line hold
 * until the next call. An error is one of reading, or a CSV header that cannot be understood. */
df_code df_manifest_next(df_manifest *m, df_line *line, df_line_state *state, df_problems *problems, df_err *err);

/* File name without folders, for messages and the job's title. */
const char *df_manifest_title(const df_manifest *m);

#endif
