/* Options shared by commands, as argp children.
 *
 * df_render_argp: what `render` and `submit` have in common with manifest lines (DESIGN, section 5). Its input is a
 * df_render_options, set to its defaults by df_render_options_init. Every value is checked where it is parsed: a bad
 * one ends the program with argp's message, a hint at --help, and exit code 2. */
#ifndef DF_CLIENT_OPTIONS_H
#define DF_CLIENT_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/fields.h"

#define DF_DEFAULT_STEPS 25
#define DF_DEFAULT_GUIDANCE 7.5
#define DF_DEFAULT_ENDPOINT "tcp://127.0.0.1:7700"
#define DF_DEFAULT_TIMEOUT_MS 10000

typedef struct df_render_options {
    int64_t steps, seed, count;
    bool seed_given;
    double guidance;
    const char *scheduler; /* "": the model's own */
    const char *negative;
    int width, height; /* 0: the model's */
    const char *dtype, *backend, *noise, *format;
    bool shared_sink; /* workers write pictures beside OUT */
    bool fast_conv;
    const char *int8_scales; /* NULL: beside the model, where dtype is int8 */
    df_line asked; /* task, image, mask, strength, ...: fields of a manifest line, where they were given */
    int micro_batch; /* 0: the worker's choice */
    int workers, pipeline; /* 0: not given; of an embedded farm */
} df_render_options;

void df_render_options_init(df_render_options *o);
extern const struct argp df_render_argp;

typedef enum df_output { DF_OUTPUT_TEXT, DF_OUTPUT_JSON, DF_OUTPUT_QUIET } df_output;
extern const struct argp df_output_argp; /* input: df_output */

/* Where the coordinator is, and how long a command waits for its answer. */
typedef struct df_connect_options {
    const char *endpoint;
    const char *keys_dir; /* NULL: none */
    int timeout_ms;
} df_connect_options;
void df_connect_options_init(df_connect_options *o);
extern const struct argp df_connect_argp;

/* For options of single commands: a whole number in min..max, else argp_error naming the option. */
int64_t df_option_int(struct argp_state *state, const char *option, const char *arg, int64_t min, int64_t max);

/* Parses, with the usage rules of every command. argv[0] is "diffarm NAME". */
void df_options_parse(const struct argp *argp, int argc, char **argv, void *input);

#endif
