#include "tests/client/eval/eval_call.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "client/commands.h"
#include "tests/support/golden.h"

enum { MAX_ARGS = 48 };

struct eval_call {
    df_arena *arena;
    const char *in, *out, *messages;
    df_safetensors_writer *given;
    df_safetensors *result;
    char *message;
};

static void must(df_code rc, const df_err *err) {
    if (rc) fail_msg("%s: %s", df_code_name(rc), err->text);
}

eval_call *eval_call_new(void) {
    eval_call *c = calloc(1, sizeof *c);
    if (!c || !(c->arena = df_arena_new())) fail_msg("out of memory");
    const char *dir = golden_temp_dir();
    c->in = df_arena_printf(c->arena, "%s/in.safetensors", dir);
    c->out = df_arena_printf(c->arena, "%s/out.safetensors", dir);
    c->messages = df_arena_printf(c->arena, "%s/stderr", dir);
    if (!(c->given = df_safetensors_writer_new())) fail_msg("out of memory");
    return c;
}

void eval_call_free(eval_call **call) {
    eval_call *c = *call;
    df_safetensors_close(&c->result);
    df_safetensors_writer_free(&c->given);
    df_arena_free(&c->arena);
    free(c->message);
    free(c);
    *call = NULL;
}

void eval_call_give(eval_call *c, const char *name, const df_tensor_view *t) {
    df_err err;
    must(df_safetensors_writer_add(c->given, name, t->dtype, t->dim, t->rank, t->data, &err), &err);
}

void eval_call_give_f32(eval_call *c, const char *name, const float *data, const int64_t *dim, int rank) {
    df_err err;
    must(df_safetensors_writer_add(c->given, name, DF_F32, dim, rank, data, &err), &err);
}

void eval_call_give_i32(eval_call *c, const char *name, const int32_t *data, const int64_t *dim, int rank) {
    df_err err;
    must(df_safetensors_writer_add(c->given, name, DF_I32, dim, rank, data, &err), &err);
}

const char *eval_call_file(eval_call *c, const char *name, const char *text) {
    df_err err;
    const char *path = df_arena_printf(c->arena, "%s.%s", c->in, name);
    if (!path) fail_msg("out of memory");
    must(df_file_write(path, text, strlen(text), &err), &err);
    return path;
}

/* argp takes a char **; nothing writes to the strings. */
static int fill_args(eval_call *c, char **argv, const char *model, const char *call, va_list more) {
    const char *first[] = { "diffarm eval", "--model", model, "--call", call, "--in", c->in, "--out", c->out };
    int argc = 0;
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) argv[argc++] = df_arena_strdup(c->arena, first[i]);
    for (const char *arg; (arg = va_arg(more, const char *)) && argc < MAX_ARGS;)
        argv[argc++] = df_arena_strdup(c->arena, arg);
    argv[argc] = NULL;
    return argc;
}

static void write_given(eval_call *c) {
    df_err err;
    must(df_safetensors_writer_write(c->given, c->in, &err), &err);
}

void eval_call_run(eval_call *c, const char *model, const char *call, ...) {
    char *argv[MAX_ARGS + 1];
    df_err err;
    va_list more;
    va_start(more, call);
    int argc = fill_args(c, argv, model, call, more);
    va_end(more);
    write_given(c);
    df_safetensors_close(&c->result);
    assert_int_equal(df_cmd_eval(argc, argv), DF_EXIT_OK);
    must(df_safetensors_open(&c->result, c->out, &err), &err);
}

int eval_call_try(eval_call *c, const char *model, const char *call, ...) {
    char *argv[MAX_ARGS + 1];
    df_err err;
    size_t bytes;
    va_list more;
    va_start(more, call);
    int argc = fill_args(c, argv, model, call, more);
    va_end(more);
    write_given(c);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int to = open(c->messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(to, STDERR_FILENO);
        exit(df_cmd_eval(argc, argv));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    free(c->message);
    c->message = NULL;
    must(df_file_read(c->messages, 1 << 20, &c->message, &bytes, &err), &err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char *eval_call_message(const eval_call *c) {
    return c->message;
}

int eval_call_has_output(const eval_call *c) {
    return access(c->out, F_OK) == 0;
}

const df_tensor_view *eval_call_view(const eval_call *c, const char *name) {
    const df_tensor_view *t = df_safetensors_find(c->result, name);
    if (!t) fail_msg("no result '%s'", name);
    return t;
}

const float *eval_call_f32(const eval_call *c, const char *name, size_t *n) {
    const df_tensor_view *t = eval_call_view(c, name);
    float *x = df_arena_alloc(c->arena, sizeof *x * (size_t)t->n_elements + 1);
    df_err err;
    if (!x) fail_msg("out of memory");
    must(df_tensor_to_f32(t, x, &err), &err);
    if (n) *n = (size_t)t->n_elements;
    return x;
}
