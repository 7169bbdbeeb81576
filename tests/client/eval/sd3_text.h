/* What SD3's transformer is told of a prompt, made of the three text encoders through `diffarm eval`. */
#ifndef DF_TESTS_CLIENT_EVAL_SD3_TEXT_H
#define DF_TESTS_CLIENT_EVAL_SD3_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "tests/client/eval/eval_call.h"

/* Gives c its cond, uncond, pooled_cond and pooled_uncond, for the prompts and max_sequence_length of a pipeline call.
 * t5 false: zeros for the third encoder. The memory is used anew by the next call. */
void sd3_text_give(eval_call *c, const char *model, const json_t *call, bool t5);

#endif
