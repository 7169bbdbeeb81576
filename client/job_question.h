/* Options of the commands that ask a coordinator about one thing: one argument, --connect, --timeout, --output. */
#ifndef DF_CLIENT_JOB_QUESTION_H
#define DF_CLIENT_JOB_QUESTION_H

#include "client/link.h"
#include "client/options.h"

typedef struct df_job_question {
    df_connect_options connect;
    df_output output;
    const char *job; /* the argument */
    const char *what; /* "JOB", for messages */
} df_job_question;

/* Ends the program with a message and exit code 2 when the argument is missing or there are two. */
void df_job_question_parse(df_job_question *q, const char *what, const char *doc, int argc, char **argv);

#endif
