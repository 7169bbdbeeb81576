/* `diffarm simulate`, run in this process. */
#ifndef DF_TESTS_CLIENT_SIMULATE_RUN_SIMULATE_H
#define DF_TESTS_CLIENT_SIMULATE_RUN_SIMULATE_H

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "client/commands.h"
#include "tests/support/golden.h"

/* kind: "pipeline", or NULL for the farm of simulated workers; args: NULL at the end. The command's exit code; its
 * stdout, as JSON, in *out (NULL: it is none). */
static inline int run_simulate(json_t **out, const char *kind, const char *const *args) {
    char file[4096], *argv[32] = { (char *)"diffarm simulate" };
    int argc = 1;
    snprintf(file, sizeof file, "%s/out", golden_temp_dir());
    if (kind) argv[argc++] = (char *)kind;
    for (; *args; args++) argv[argc++] = (char *)*args;
    int to = open(file, O_CREAT | O_TRUNC | O_WRONLY, 0600), saved = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(to, STDOUT_FILENO);
    close(to);
    int code = df_cmd_simulate(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    *out = json_load_file(file, 0, NULL);
    return code;
}

#endif
