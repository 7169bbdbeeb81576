/* Commands that this build was made without. */
#include <stdio.h>

#include "client/commands.h"

__attribute__((unused)) static int missing(char **argv) {
    fprintf(stderr, "diffarm: error: `%s` is not part of this build\n", argv[0]);
    return DF_EXIT_USAGE;
}

#ifndef DF_HAVE_BENCH
int df_cmd_bench(int argc, char **argv) {
    (void)argc;
    return missing(argv);
}
#endif

#ifndef DF_HAVE_EVAL
int df_cmd_eval(int argc, char **argv) {
    (void)argc;
    return missing(argv);
}
#endif

#ifndef DF_HAVE_INSPECT
int df_cmd_inspect(int argc, char **argv) {
    (void)argc;
    return missing(argv);
}
#endif

#ifndef DF_HAVE_FORWARD
int df_cmd_forward(int argc, char **argv) {
    (void)argc;
    return missing(argv);
}
#endif

#ifndef DF_HAVE_CALIBRATE
int df_cmd_calibrate(int argc, char **argv) {
    (void)argc;
    return missing(argv);
}
#endif
