/* `diffarm eval`, called in this process with files in a temporary folder.
 *
 *   eval_call *c = eval_call_new();
 *   eval_call_give(c, "sample", golden_view(g, "unet.sample"));
 *   eval_call_run(c, model, "unet", "--backend", "cpu", NULL);            fails the test unless it returns 0
 *   golden_compare(g, "unet.out.t500", eval_call_f32(c, "out", &n), ...);
 *   eval_call_free(&c); */
#ifndef DF_TESTS_CLIENT_EVAL_EVAL_CALL_H
#define DF_TESTS_CLIENT_EVAL_EVAL_CALL_H

#include <stdbool.h>

#include "engine/weights/safetensors.h"

typedef struct eval_call eval_call;

eval_call *eval_call_new(void);
void eval_call_free(eval_call **c);

void eval_call_give(eval_call *c, const char *name, const df_tensor_view *t); /* borrowed until run */
void eval_call_give_f32(eval_call *c, const char *name, const float *data, const int64_t *dim, int rank);
void eval_call_give_i32(eval_call *c, const char *name, const int32_t *data, const int64_t *dim, int rank);
/* A file beside the inputs; its path, valid as long as the call. */
const char *eval_call_file(eval_call *c, const char *name, const char *text);

/* More arguments follow, ended by NULL. */
void eval_call_run(eval_call *c, const char *model, const char *call, ...) __attribute__((sentinel));
/* In a process of its own, since argp ends the program: the exit code; what it wrote to stderr is then
 * eval_call_message. The test program itself is run again: its main begins with
 *   if (eval_call_is_child(argc, argv)) return eval_call_child(argc, argv); */
int eval_call_try(eval_call *c, const char *model, const char *call, ...) __attribute__((sentinel));
/* The same under mpirun with n ranks. */
int eval_call_mpirun(eval_call *c, const char *n, const char *model, const char *call, ...) __attribute__((sentinel));
bool eval_call_is_child(int argc, char **argv);
int eval_call_child(int argc, char **argv);
const char *eval_call_message(const eval_call *c);
bool eval_call_has_output(const eval_call *c); /* the file is there */

/* Reads the results that a try has left. */
void eval_call_take(eval_call *c);
/* Results of the last run, owned by the call; the test fails if the tensor is absent. */
const df_tensor_view *eval_call_view(const eval_call *c, const char *name);
const float *eval_call_f32(const eval_call *c, const char *name, size_t *n);

#endif
