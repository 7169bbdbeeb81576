#include "client/exit_code.h"

#include <stdio.h>

int df_exit_of(df_code code) {
    switch (code) {
    case DF_OK: return DF_EXIT_OK;
    case DF_EINVAL:
    case DF_ESHAPE:
    case DF_EFORMAT:
    case DF_EUNSUPPORTED:
    case DF_ENOTFOUND:
    case DF_EEXIST:
    case DF_ELIMIT: return DF_EXIT_USAGE;
    default: return DF_EXIT_NO_FARM;
    }
}

int df_exit_of_run(df_code code) {
    switch (code) {
    case DF_OK: return DF_EXIT_OK;
    case DF_ENOMEM:
    case DF_EIO:
    case DF_ENOSPACE:
    case DF_EUNREACHABLE:
    case DF_ETIMEOUT:
    case DF_ECANCELLED:
    case DF_EBACKEND:
    case DF_ENUMERIC:
    case DF_EINTERNAL: return DF_EXIT_SOME_FAILED;
    default: return DF_EXIT_USAGE;
    }
}

int df_exit_with(const df_err *err) {
    fprintf(stderr, "diffarm: error: %s\n", err->text);
    return df_exit_of(err->code);
}

/* A signal handler can reach nothing but a global. */
static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

const volatile sig_atomic_t *df_stop_on_signals(void) {
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    return &stop;
}
