#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
#define X(name, text) #name,
    DF_CODES(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
    DF_CODES(X)
#undef X
};

static int known(df_code code) {
    return (size_t)code < sizeof names / sizeof *names;
}

const char *df_code_name(df_code code) {
    return known(code) ? names[code] : "?";
}

const char *df_code_text(df_code code) {
    return known(code) ? texts[code] : "unknown code";
}

/* Formats into err->text; what does not fit ends in "..." so that a reader sees the cut. */
static void format(df_err *err, const char *fmt, va_list args) {
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    if (n < 0)
        snprintf(err->text, sizeof err->text, "%s", df_code_text(err->code));
    else if ((size_t)n >= sizeof err->text)
        memcpy(err->text + sizeof err->text - 4, "...", 4);
}

df_code df_err_set(df_err *err, df_code code, const char *fmt, ...) {
    if (!err) return code;
    va_list args;
    err->code = code;
    va_start(args, fmt);
    format(err, fmt, args);
    va_end(args);
    return code;
}

df_code df_err_wrap(df_err *err, const char *fmt, ...) {
    if (!err) return DF_EINTERNAL;
    df_err inner = *err;
    va_list args;
    va_start(args, fmt);
    format(err, fmt, args);
    va_end(args);
    size_t used = strlen(err->text), room = sizeof err->text - used;
    if ((size_t)snprintf(err->text + used, room, ": %s", inner.text) >= room)
        memcpy(err->text + sizeof err->text - 4, "...", 4);
    return err->code;
}

static df_code code_of(int errnum) {
    switch (errnum) {
    case ENOSPC:
    case EDQUOT: return DF_ENOSPACE;
    case ENOENT:
    case ENOTDIR: return DF_ENOTFOUND;
    case ENOMEM: return DF_ENOMEM;
    case EEXIST: return DF_EEXIST;
    default: return DF_EIO;
    }
}

df_code df_err_errno(df_err *err, int errnum, const char *fmt, ...) {
    df_code code = code_of(errnum);
    if (!err) return code;
    va_list args;
    err->code = code;
    va_start(args, fmt);
    format(err, fmt, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errnum));
    return code;
}
