/* Errors: one type, returned.
 *
 *   df_code rc = df_thing_open(&t, path, &err);      0 is DF_OK
 *   if (rc) return df_err_wrap(&err, "%s", path);    the way up adds context, in front
 *
 * Every function that can fail returns a df_code and takes a df_err * as its last argument; NULL means
 * "I only want the code". The setters return the code, so that reporting and returning are one line.
 * Text says what was tried, with values, and what to do. It is logged once, at the top.
 * Threads: a df_err belongs to one caller. */
#ifndef DF_BASE_ERR_H
#define DF_BASE_ERR_H

/* code, name, default text */
#define DF_CODES(X)                                                                                                    \
    X(OK, "done")                                                                                                      \
    X(ENOMEM, "out of memory")                                                                                         \
    X(EINVAL, "bad argument")                                                                                          \
    X(ESHAPE, "wrong shape")                                                                                           \
    X(EFORMAT, "not a valid file or message")                                                                          \
    X(EUNSUPPORTED, "not supported")                                                                                   \
    X(ENOTFOUND, "not found")                                                                                          \
    X(EEXIST, "exists already")                                                                                        \
    X(EIO, "input or output failed")                                                                                   \
    X(ENOSPACE, "no space left")                                                                                       \
    X(ELIMIT, "over a limit")                                                                                          \
    X(EPROTOCOL, "protocol mismatch")                                                                                  \
    X(EUNREACHABLE, "could not be reached")                                                                            \
    X(ETIMEOUT, "timed out")                                                                                           \
    X(ECANCELLED, "cancelled")                                                                                         \
    X(EBACKEND, "a compute library failed")                                                                            \
    X(ENUMERIC, "not a finite number")                                                                                 \
    X(EINTERNAL, "internal error")

typedef enum df_code {
#define X(name, text) DF_##name,
    DF_CODES(X)
#undef X
} df_code;

#define DF_ERR_TEXT_BYTES 1024

typedef struct df_err {
    df_code code;
    char text[DF_ERR_TEXT_BYTES]; /* always terminated; cut with "..." when too long */
} df_err;

const char *df_code_name(df_code code); /* "ESHAPE" */
const char *df_code_text(df_code code); /* "wrong shape" */

/* Sets code and text, returns the code. err may be NULL. */
df_code df_err_set(df_err *err, df_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text that err holds; keeps and returns its code. err must not be NULL: the code
 * would be lost. Where it may be, keep a df_err of your own and hand it on. */
df_code df_err_wrap(df_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets an error from errno: "<what>: No space left on device". ENOSPC and EDQUOT become DF_ENOSPACE, ENOENT
 * DF_ENOTFOUND, ENOMEM DF_ENOMEM, EEXIST DF_EEXIST, the rest DF_EIO. */
df_code df_err_errno(df_err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
