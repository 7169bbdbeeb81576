/* --dry-run: what a job would do and need, from the configs alone. */
#ifndef DF_CLIENT_PLAN_REPORT_H
#define DF_CLIENT_PLAN_REPORT_H

#include "client/job_options.h"

/* Prints to stdout; returns an exit code. */
int df_plan_report(const df_draft *job, const df_job_options *o);

#endif
