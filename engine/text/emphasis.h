/* Emphasis in prompts: "a (red:1.3) house" is text in pieces, each with a weight.
 *
 *   (text)       times 1.1             [text]  divided by 1.1            both nest
 *   (text:1.3)   times 1.3             \( \) \[ \] \\   the characters themselves
 *   What is never closed holds to the end; a bracket that closes nothing, and a number that is none, are text.
 *   BREAK, as a word of its own: where breaks count, the text behind it begins a chunk of its own (chunks.h).
 *
 * Source: parse_prompt_attention of AUTOMATIC1111's web UI (modules/prompt_parser.py), which lpw_stable_diffusion of
 * diffusers follows. */
#ifndef DF_ENGINE_TEXT_EMPHASIS_H
#define DF_ENGINE_TEXT_EMPHASIS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define DF_EMPHASIS_MAX_WEIGHT 100.0

typedef struct df_emphasis_piece {
    char *text; /* 0-terminated, without the marks */
    double weight;
    bool breaks; /* no text: a BREAK */
} df_emphasis_piece;

/* Start with zeros. */
typedef struct df_emphasis {
    df_emphasis_piece *piece; /* [n], neighbours differ in weight; at least one */
    size_t n, cap;
} df_emphasis;

/* weights: brackets and numbers count, else they are text; breaks: BREAK counts. DF_EINVAL: a piece weighs more than
 * DF_EMPHASIS_MAX_WEIGHT either way. */
df_code df_emphasis_parse(df_emphasis *out, const char *text, bool weights, bool breaks, df_err *err);
void df_emphasis_free(df_emphasis *e);

#endif
