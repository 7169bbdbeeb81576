/* diffarm simulate WHAT. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/commands.h"
#include "client/simulate/pipeline.h"
#include "client/simulate/workers.h"

static void usage(FILE *to) {
    fputs("Usage: diffarm simulate farm [OPTIONS]\n"
          "  or:  diffarm simulate pipeline -m MODEL [OPTIONS]\n"
          "  or:  diffarm simulate --workers N --images M [OPTIONS]\n\n"
          "  farm         the coordinator's own code in worlds where disk, network, clock and peers fail\n"
          "  pipeline     what a pipeline would do: pace, latency, idle time, memory, for ranks that need not be "
          "there\n"
          "  --workers N  what the farm itself costs: a real coordinator, and workers that render nothing\n\n"
          "`diffarm simulate farm --help', `simulate pipeline --help' and `simulate --workers 1 --help' tell their "
          "options.\n",
          to);
}

int df_cmd_simulate(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "farm")) {
        argv[1] = (char *)"diffarm simulate farm";
        return df_simulate_farm(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "pipeline")) {
        argv[1] = (char *)"diffarm simulate pipeline";
        return df_simulate_pipeline(argc - 1, argv + 1);
    }
    bool asked = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "-h"));
    if (argc > 1 && !asked && argv[1][0] == '-') return df_simulate_workers(argc, argv);
    if (argc > 1 && !asked)
        fprintf(stderr, "diffarm simulate: '%s': `farm', `pipeline' or an option like --workers must come first\n\n",
                argv[1]);
    usage(asked ? stdout : stderr);
    return asked ? DF_EXIT_OK : DF_EXIT_USAGE;
}
