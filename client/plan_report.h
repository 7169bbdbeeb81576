/* --dry-run: what a job would do and need, from the configs alone. */
#ifndef DF_CLIENT_PLAN_REPORT_H
#define DF_CLIENT_PLAN_REPORT_H

#include "client/job_options.h"

/* Prints to stdout; returns an exit code. n_halves: of each worker's ranks (cluster/halves.h). */
int df_plan_report(const df_draft *job, const df_job_options *o, int n_halves);

#endif
