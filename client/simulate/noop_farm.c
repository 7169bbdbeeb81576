#include "client/simulate/noop_farm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "client/commands.h"
#include "client/render/log_tail.h"
#include "client/simulate/crowd.h"
#include "coordinator/state_dir.h"

enum { START_MS = 120000, LOOK_MS = 5 }; /* a state folder of millions of rows is taken up first */

/* fork, and a child that does not outlive us. */
static pid_t fork_child(void) {
    pid_t parent = getpid(), pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    return 0;
}

/* the coordinator */

static int be_coordinator(df_noop_farm *f) {
    char *argv[] = { (char *)"diffarm coordinator", (char *)"--state",     f->state_dir,   (char *)"--bind",
                     (char *)"tcp://127.0.0.1:*",   (char *)"--log-level", (char *)"warn", NULL };
    return freopen(f->log_path, "we", stderr) ? df_cmd_coordinator(sizeof argv / sizeof *argv - 1, argv) : 1;
}

static df_code coordinator_ended(const df_noop_farm *f, df_err *err) {
    char line[512];
    df_log_tail(f->log_path, line, sizeof line);
    return df_err_set(err, DF_EUNREACHABLE, "the coordinator has ended: %s", line[0] ? line : "without a word");
}

df_code df_noop_farm_start(df_noop_farm *f, const char *state_dir, df_err *err) {
    char stale[2112];
    *f = (df_noop_farm) { 0 };
    snprintf(f->state_dir, sizeof f->state_dir, "%s", state_dir);
    snprintf(f->log_path, sizeof f->log_path, "%s/coordinator.log", f->state_dir);
    snprintf(stale, sizeof stale, "%s/endpoint", f->state_dir);
    df_code rc = df_file_mkdirs(state_dir, err);
    if (rc) return rc;
    unlink(stale);
    if (!(f->coordinator = fork_child())) _exit(be_coordinator(f));
    if (f->coordinator < 0) return df_err_errno(err, errno, "start a coordinator");
    for (int64_t until_ms = df_clock_ms() + START_MS; df_clock_ms() < until_ms; df_clock_sleep_ms(LOOK_MS)) {
        df_state_dir_read_endpoint(f->state_dir, f->endpoint);
        if (f->endpoint[0] || (rc = df_noop_farm_check(f, err))) return rc;
    }
    return df_err_set(err, DF_EUNREACHABLE, "the coordinator does not listen after %d s", START_MS / 1000);
}

/* the crowds */

static int be_crowd(const df_crowd_cfg *cfg, int stop_fd, int report_fd) {
    df_crowd_report report;
    df_err err = { 0 };
    df_code rc = df_crowd_run(cfg, stop_fd, &report, &err);
    if (rc) fprintf(stderr, "diffarm simulate: a crowd of workers: %s\n", err.text);
    return write(report_fd, &report, sizeof report) == sizeof report && !rc ? 0 : 1;
}

static df_code hire_crowd(df_noop_farm *f, const df_crowd_cfg *cfg, df_err *err) {
    int stop[2], report[2], i = f->n_crowds;
    if (pipe(stop)) return df_err_errno(err, errno, "a pipe");
    if (pipe(report)) return df_err_errno(err, errno, "a pipe");
    if (!(f->crowds[i] = fork_child())) {
        close(stop[1]); /* the parent's end alone keeps it open: those of earlier crowds as well */
        for (int k = 0; k < i; k++) close(f->stop_fds[k]);
        _exit(be_crowd(cfg, stop[0], report[1]));
    }
    close(stop[0]);
    close(report[1]);
    f->stop_fds[i] = stop[1];
    f->report_fds[i] = report[0];
    if (f->crowds[i] < 0) return df_err_errno(err, errno, "start a crowd of workers");
    f->n_crowds++;
    return DF_OK;
}

df_code df_noop_farm_hire(df_noop_farm *f, const df_noop_shape *shape, int n_workers, int n_processes, df_err *err) {
    df_crowd_cfg cfg = { .shape = *shape };
    df_code rc = DF_OK;
    cfg.shape.endpoint = f->endpoint;
    for (int i = 0; i < n_processes && !rc; i++, cfg.first += cfg.n_workers) {
        cfg.n_workers = (n_workers - cfg.first) / (n_processes - i);
        rc = hire_crowd(f, &cfg, err);
    }
    return rc;
}

/* watching and ending */

df_code df_noop_farm_check(df_noop_farm *f, df_err *err) {
    if (waitpid(f->coordinator, NULL, WNOHANG) == f->coordinator) {
        f->coordinator = 0;
        return coordinator_ended(f, err);
    }
    for (int i = 0; i < f->n_crowds; i++)
        if (f->crowds[i] && waitpid(f->crowds[i], NULL, WNOHANG) == f->crowds[i]) {
            f->crowds[i] = 0;
            return df_err_set(err, DF_EUNREACHABLE, "a crowd of workers has ended");
        }
    return DF_OK;
}

static bool end_child(pid_t pid) {
    int status;
    return !pid || (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
}

df_code df_noop_farm_stop(df_noop_farm *f, uint64_t *n_done, df_err *err) {
    bool whole = true;
    *n_done = 0;
    for (int i = 0; i < f->n_crowds; i++) {
        df_crowd_report report;
        close(f->stop_fds[i]);
        if (read(f->report_fds[i], &report, sizeof report) == sizeof report) *n_done += report.n_done;
        close(f->report_fds[i]);
        whole &= end_child(f->crowds[i]);
    }
    if (f->coordinator > 0) kill(f->coordinator, SIGTERM);
    whole &= end_child(f->coordinator > 0 ? f->coordinator : 0);
    *f = (df_noop_farm) { 0 };
    return whole ? DF_OK : df_err_set(err, DF_EINTERNAL, "not all of the farm's processes ended in good order");
}
