/* What the doctor has found: a list, one line a thing that was looked at, printed as it grows.
 *
 * A finding may travel between processes as a line of text, "LEVEL<tab>NAME<tab>TEXT<tab>FIX": what might crash or
 * hang is looked at by a child (worker/trial.h). Such a line is trusted no more than any other program's. */
#ifndef DF_CLIENT_DOCTOR_FINDINGS_H
#define DF_CLIENT_DOCTOR_FINDINGS_H

#include <jansson.h>
#include <stdio.h>

typedef enum df_level {
    DF_FOUND_OK,
    DF_FOUND_NOTE, /* a thing that is not there and need not be */
    DF_FOUND_WARNING, /* works, less well than it could */
    DF_FOUND_PROBLEM, /* does not work */
    DF_FOUND_LEVELS
} df_level;

enum { DF_FINDING_NAME = 24, DF_FINDING_TEXT = 400 };

typedef struct df_finding {
    df_level level;
    char name[DF_FINDING_NAME]; /* "mpi ranks" */
    char text[DF_FINDING_TEXT]; /* what is so, with values */
    char fix[DF_FINDING_TEXT]; /* what to do; "" if nothing */
} df_finding;

typedef struct df_findings {
    FILE *to; /* each finding goes there as a line at once; NULL: nowhere */
    json_t *list; /* and here as an object; NULL: nowhere */
    FILE *lines; /* and here as a line for the other process; NULL: nowhere */
    int n[DF_FOUND_LEVELS];
} df_findings;

/* fix may be NULL. Text that does not fit is cut. */
void df_found(df_findings *f, df_level level, const char *name, const char *fix, const char *text, ...)
    __attribute__((format(printf, 5, 6)));

/* Takes lines of another's `lines` out of text, ignoring all others; the number of findings. */
int df_findings_read(df_findings *f, const char *text);

#endif
