/* Progress of a job, live: a bar on a terminal, elsewhere a line every few seconds and whenever something changes that
 * a person should know (a problem, its end).
 *
 *   df_progress p = df_progress_to(stderr, quiet);
 *   df_progress_show(&p, status);   ...   df_progress_note(&p, "waiting for the coordinator");   ...
 *   df_progress_end(&p);                   leaves the cursor on an empty line
 */
#ifndef DF_CLIENT_PROGRESS_H
#define DF_CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "farm.pb-c.h"

typedef struct df_progress {
    FILE *to; /* NULL: shows nothing */
    bool bar;
    bool drawn; /* a bar stands on the current line */
    int64_t last_ms; /* of the last line */
    uint64_t last_done;
    char last_note[256];
} df_progress;

df_progress df_progress_to(FILE *to, bool quiet);
void df_progress_show(df_progress *p, const Diffarm__JobStatus *j);
void df_progress_note(df_progress *p, const char *note); /* shown once until it changes; "" forgets the last */
void df_progress_end(df_progress *p);

/* The text of one state, for a terminal of `columns` (0: a percentage in place of the bar, as in a log); returns out.
 */
char *df_progress_text(char *out, size_t out_bytes, const Diffarm__JobStatus *j, int columns);

#endif
