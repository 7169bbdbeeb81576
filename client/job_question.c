#include "client/job_question.h"

#include <string.h>

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_job_question *q = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &q->connect;
        state->child_inputs[1] = &q->output;
        return 0;
    case ARGP_KEY_ARG:
        if (q->job) argp_error(state, "'%s' is one argument too many", arg);
        q->job = arg;
        return 0;
    case ARGP_KEY_END:
        if (!q->job || !*q->job) argp_error(state, "give a %s; `diffarm jobs` lists the ids of jobs", q->what);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void df_job_question_parse(df_job_question *q, const char *what, const char *doc, int argc, char **argv) {
    static const struct argp_child children[] = { { &df_connect_argp, 0, NULL, 0 },
                                                  { &df_output_argp, 0, "", 3 },
                                                  { 0 } };
    const struct argp argp = { .parser = parse, .args_doc = what, .doc = doc, .children = children };
    *q = (df_job_question) { .what = what };
    df_connect_options_init(&q->connect);
    df_options_parse(&argp, argc, argv, q);
}
