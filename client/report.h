/* What commands report about jobs and workers, as text for people and as JSON for programs. */
#ifndef DF_CLIENT_REPORT_H
#define DF_CLIENT_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "client/options.h"
#include "farm.pb-c.h"

bool df_job_ended(const Diffarm__JobStatus *j); /* nothing more will happen to it */
bool df_job_succeeded(const Diffarm__JobStatus *j); /* ended with every picture done */

json_t *df_report_job_json(const Diffarm__JobStatus *j);
void df_report_job_text(FILE *to, const Diffarm__JobStatus *j);
void df_report_failures_text(FILE *to, const Diffarm__JobStatus *j);
void df_report_jobs_text(FILE *to, const Diffarm__JobList *list); /* a table */
json_t *df_report_worker_json(const Diffarm__WorkerStatus *w);
void df_report_workers_text(FILE *to, const Diffarm__WorkerList *list);

/* How a job that has ended is told (JSON on stdout; failures on stderr); returns the exit code. */
int df_report_ended(const Diffarm__JobStatus *j, df_output output);

/* One line on stdout; takes the reference. */
void df_report_print_json(json_t *v);

/* "12 s", "3 min 20 s", "2 h 05 min"; returns out. */
char *df_report_duration(char *out, size_t out_bytes, double seconds);

#endif
