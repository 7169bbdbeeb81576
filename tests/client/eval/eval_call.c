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

/* The words of a command line; argp takes a char **, but nothing writes to the strings. */
typedef struct words {
    char *word[MAX_ARGS + 1];
    int n;
} words;

static void add_word(const eval_call *c, words *w, const char *text) {
    if (w->n == MAX_ARGS || !(w->word[w->n++] = df_arena_strdup(c->arena, text))) fail_msg("too many arguments");
}

static void add_words(const eval_call *c, words *w, const char *model, const char *call, va_list more) {
    const char *const first[] = { "--model", model, "--call", call, "--in", c->in, "--out", c->out };
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) add_word(c, w, first[i]);
    for (const char *word; (word = va_arg(more, const char *));) add_word(c, w, word);
}

static void write_given(eval_call *c) {
    df_err err;
    must(df_safetensors_writer_write(c->given, c->in, &err), &err);
}

void eval_call_take(eval_call *c) {
    df_err err;
    df_safetensors_close(&c->result);
    must(df_safetensors_open(&c->result, c->out, &err), &err);
}

void eval_call_run(eval_call *c, const char *model, const char *call, ...) {
    words w = { 0 };
    va_list more;
    add_word(c, &w, "diffarm eval");
    va_start(more, call);
    add_words(c, &w, model, call, more);
    va_end(more);
    write_given(c);
    assert_int_equal(df_cmd_eval(w.n, w.word), DF_EXIT_OK);
    eval_call_take(c);
}

static const char child_mark[] = "--as-eval";

bool eval_call_is_child(int argc, char **argv) {
    return argc > 1 && strcmp(argv[1], child_mark) == 0;
}

int eval_call_child(int argc, char **argv) {
    static char name[] = "diffarm eval";
    argv[1] = name;
    return df_cmd_eval(argc - 1, argv + 1);
}

/* Runs the words as a process, stderr into a file; its exit code, -1 if a signal ended it. */
static int spawn(eval_call *c, words *w) {
    df_err err;
    size_t bytes;
    int status;
    write_given(c);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int to = open(c->messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(to, STDERR_FILENO);
        execvp(w->word[0], w->word);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    free(c->message);
    c->message = NULL;
    must(df_file_read(c->messages, 1 << 20, &c->message, &bytes, &err), &err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *own_path(const eval_call *c) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    assert_true(n > 0);
    path[n] = '\0';
    return df_arena_strdup(c->arena, path);
}

int eval_call_try(eval_call *c, const char *model, const char *call, ...) {
    words w = { 0 };
    va_list more;
    add_word(c, &w, own_path(c));
    add_word(c, &w, child_mark);
    va_start(more, call);
    add_words(c, &w, model, call, more);
    va_end(more);
    return spawn(c, &w);
}

int eval_call_mpirun(eval_call *c, const char *n, const char *model, const char *call, ...) {
    /* Open MPI keeps memory until the end of the process: no leak of ours. */
    const char *const launcher[] = { "mpirun",
                                     "--oversubscribe",
                                     "--allow-run-as-root",
                                     "--mca",
                                     "mpi_yield_when_idle",
                                     "1",
                                     "-x",
                                     "ASAN_OPTIONS=detect_leaks=0",
                                     "-np",
                                     n };
    words w = { 0 };
    va_list more;
    for (size_t i = 0; i < sizeof launcher / sizeof launcher[0]; i++) add_word(c, &w, launcher[i]);
    add_word(c, &w, own_path(c));
    add_word(c, &w, child_mark);
    va_start(more, call);
    add_words(c, &w, model, call, more);
    va_end(more);
    return spawn(c, &w);
}

const char *eval_call_message(const eval_call *c) {
    return c->message;
}

bool eval_call_has_output(const eval_call *c) {
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
