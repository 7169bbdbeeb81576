/* What the web page and the metrics show: a copy of the farm's state of one moment, made by the loop's thread and read
 * by the web server's. A view never changes; it is counted, and freed by whoever lets go of it last. */
#ifndef DF_COORDINATOR_WEB_VIEW_H
#define DF_COORDINATOR_WEB_VIEW_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "coordinator/job.h"
#include "coordinator/row.h"

enum { DF_VIEW_PICTURES = 24 };

/* A committed picture that the page shows: its name on the page, and where it lies. */
typedef struct df_view_picture {
    char job_id[DF_JOB_ID_CHARS + 1];
    uint64_t row;
    char png_sha256[DF_SHA256_HEX_BYTES];
    char *out_dir, *path; /* path relative to out_dir */
} df_view_picture;

typedef struct df_view {
    atomic_int n_holders;
    int64_t made_ms; /* df_clock_ms */
    char *event; /* "data: JSON\n\n", one server-sent event: what the page's script draws (state_json.h) */
    size_t event_bytes;
    char *metrics; /* Prometheus' text format */
    size_t metrics_bytes;
    df_view_picture pictures[DF_VIEW_PICTURES]; /* newest first */
    size_t n_pictures;
} df_view;

df_view *df_view_new(void); /* held once; NULL when out of memory */
df_view *df_view_hold(df_view *view); /* NULL is fine */
void df_view_drop(df_view **view); /* accepts a pointer to NULL */
const df_view_picture *df_view_find_picture(const df_view *view, const char *job_id,
                                            uint64_t row); /* NULL: not shown */

#endif
