/* The parent's side: a driver that crashes or hangs takes a child with it (probe_gpu.c). */
#include "client/doctor/checkup.h"
#include "worker/trial.h"

void df_check_gpu(const df_checkup *c) {
    const char *argv[] = { c->self, "doctor", "--probe=gpu", c->gpu ? "--gpu" : NULL, NULL };
    df_trial p;
    char why[320];
    df_trial_run(&p, argv, NULL, false, c->limit_seconds);
    df_findings_read(c->found, p.text);
    if (!df_trial_succeeded(&p))
        df_found(c->found, DF_FOUND_PROBLEM, "gpu", "`nvidia-smi` should work before a GPU can be used",
                 "looking at the driver failed: %s", df_trial_why(&p, why, sizeof why));
}
