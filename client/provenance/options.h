/* Options of `replay` and `verify`: what is looked at, and what is needed to render it again. */
#ifndef DF_CLIENT_PROVENANCE_OPTIONS_H
#define DF_CLIENT_PROVENANCE_OPTIONS_H

#include <stdint.h>

#include "client/options.h"

enum { DF_PROVENANCE_MAX_FILES = 64 };

typedef enum df_provenance_takes { DF_PROVENANCE_OUT = 1, DF_PROVENANCE_SAMPLE = 2 } df_provenance_takes;

typedef struct df_provenance_options {
    const char *path; /* the argument */
    const char *model, *config_dir; /* NULL: not given */
    const char *files[DF_PROVENANCE_MAX_FILES];
    int n_files, threads;
    const char *out; /* -o, NULL: none */
    int64_t sample; /* --sample, 0: none */
    df_output output;
    const char *what; /* "OUT", for messages */
    df_provenance_takes takes;
} df_provenance_options;

/* Ends the program with a message and exit code 2 on bad usage; the model is needed unless nothing is rendered. */
void df_provenance_options_parse(df_provenance_options *o, const char *what, const char *doc, df_provenance_takes takes,
                                 int argc, char **argv);

#endif
