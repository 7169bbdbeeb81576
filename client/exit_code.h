/* How a command ends: errors on stderr, and the exit code that the contract names (commands.h). */
#ifndef DF_CLIENT_EXIT_CODE_H
#define DF_CLIENT_EXIT_CODE_H

#include <signal.h>

#include "base/err.h"
#include "client/commands.h"

/* DF_EXIT_USAGE for what the user can put right in the command or its files, else DF_EXIT_NO_FARM. */
int df_exit_of(df_code code);

/* Of a command that starts no farm: DF_EXIT_USAGE likewise, and DF_EXIT_SOME_FAILED for what failed while running. */
int df_exit_of_run(df_code code);

/* Prints "diffarm: error: TEXT" and returns df_exit_of. */
int df_exit_with(const df_err *err);

/* From now on SIGINT and SIGTERM set the flag that is returned; the second one ends the process as usual. */
const volatile sig_atomic_t *df_stop_on_signals(void);

#endif
