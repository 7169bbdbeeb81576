#include "worker/keeper.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"

#define QUICK_MS 5000 /* an end so soon after the start is a failure to start */
#define FIRST_PAUSE_MS 250
#define MAX_PAUSE_MS 10000

df_code df_keeper_start(df_keeper *k, df_err *err) {
    df_code rc = df_child_start(&k->pid, &k->child, err);
    if (rc) {
        k->pid = 0;
        k->state = DF_KEEPER_BROKEN;
        return rc;
    }
    k->state = DF_KEEPER_RUNNING;
    k->started_ms = df_clock_ms();
    df_log_event(k->log, DF_LOG_DEBUG, "child_started", "child=\"%s\" pid=%ld", k->name, (long)k->pid);
    return DF_OK;
}

static int pause_ms(int failures) {
    int pause = FIRST_PAUSE_MS;
    while (failures-- > 1 && pause < MAX_PAUSE_MS) pause *= 2;
    return pause < MAX_PAUSE_MS ? pause : MAX_PAUSE_MS;
}

static void on_failure(df_keeper *k) {
    char how[64];
    int64_t now = df_clock_ms();
    k->quick_failures = now - k->started_ms < QUICK_MS ? k->quick_failures + 1 : 0;
    bool over = k->max_quick_failures && k->quick_failures >= k->max_quick_failures;
    k->state = over ? DF_KEEPER_BROKEN : DF_KEEPER_WAITING;
    k->start_at_ms = now + pause_ms(k->quick_failures);
    df_log_event(k->log, DF_LOG_WARN, over ? "child_given_up" : "child_ended",
                 "child=\"%s\" how=\"%s\" again_in_ms=%lld", k->name, df_child_status_text(k->status, how, sizeof how),
                 over ? -1LL : (long long)(k->start_at_ms - now));
}

static void on_end(df_keeper *k) {
    k->pid = 0;
    int code = WIFEXITED(k->status) ? WEXITSTATUS(k->status) : -1;
    if (code == 0)
        k->state = DF_KEEPER_ENDED;
    else if (code == 2 || code == 3)
        k->state = DF_KEEPER_REFUSED;
    else
        on_failure(k);
}

void df_keeper_poll(df_keeper *k) {
    df_err err;
    if (k->pid && waitpid(k->pid, &k->status, WNOHANG) == k->pid) on_end(k);
    if (k->state == DF_KEEPER_WAITING && df_clock_ms() >= k->start_at_ms && df_keeper_start(k, &err))
        df_log_event(k->log, DF_LOG_ERROR, "child_unstartable", "child=\"%s\" error=\"%s\"", k->name, err.text);
}

void df_keeper_signal(df_keeper *k, int number) {
    if (k->pid) kill(k->pid, number);
}

static void end_child(df_keeper *k, int number, int timeout_ms) {
    int64_t until = df_clock_ms() + timeout_ms;
    df_keeper_signal(k, number);
    while (k->pid && waitpid(k->pid, &k->status, WNOHANG) != k->pid) {
        if (df_clock_ms() >= until) {
            if (!k->cleans_up) kill(-k->pid, SIGKILL);
            kill(k->pid, SIGKILL);
            waitpid(k->pid, &k->status, 0);
            break;
        }
        df_clock_sleep_ms(10);
    }
    k->pid = 0;
}

void df_keeper_stop(df_keeper *k, int number, int timeout_ms) {
    end_child(k, number, timeout_ms);
    k->state = DF_KEEPER_ENDED;
}

void df_keeper_replace(df_keeper *k, int number, int timeout_ms) {
    end_child(k, number, timeout_ms);
    on_failure(k);
}
