/* diffarm inspect MODEL: what is in a model, and the plan for P ranks. */
#include <stdio.h>

#include "client/commands.h"
#include "client/inspect/facts.h"

int df_cmd_inspect(int argc, char **argv) {
    df_inspect_options o;
    df_facts f = { 0 };
    df_err err;
    df_inspect_options_parse(&o, argc, argv);
    df_code rc = df_facts_gather(&f, &o, &err);
    if (!rc && o.json)
        rc = df_report_json(&f, &err);
    else if (!rc)
        df_report_text(&f, o.values);
    df_facts_free(&f);
    if (!rc) return DF_EXIT_OK;
    fprintf(stderr, "diffarm: error: %s\n", err.text);
    return DF_EXIT_USAGE;
}
