/* What lies in OUT before a render: nothing, this job half done, this job done, or somebody else's things.
 *
 * The embedded farm keeps its state in OUT/.diffarm-render (OUT/.diffarm is the coordinator's own). A file in it names
 * the job, so that the same command goes on where it stopped, and another one does not. */
#ifndef DF_CLIENT_RENDER_OUT_STATE_H
#define DF_CLIENT_RENDER_OUT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef enum df_out_kind { DF_OUT_NEW, DF_OUT_BEGUN, DF_OUT_COMPLETE } df_out_kind;

/* DF_EEXIST, with advice, if OUT holds anything else. */
df_code df_out_look(const char *out_dir, const char *manifest_sha256, df_out_kind *kind, df_err *err);

/* Makes OUT and its state folder, and writes whose they are. */
df_code df_out_begin(const char *out_dir, const char *manifest_sha256, df_err *err);
/* OUT/.diffarm-render; out has PATH_MAX bytes. */
df_code df_out_state_dir(const char *out_dir, char *out, df_err *err);
/* Removes all that was only for the way there. */
df_code df_out_tidy(const char *out_dir, df_err *err);

/* Lines of OUT/NAME, 0 if it is not there. */
uint64_t df_out_count_lines(const char *out_dir, const char *name);

/* One PNG of all pictures, in the order of metadata.jsonl. */
df_code df_out_contact_sheet(const char *out_dir, const char *path, df_err *err);

#endif
