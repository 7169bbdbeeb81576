#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

static bool reserve(df_buf *buf, size_t more) {
    size_t need;
    if (buf->failed || !df_size_add(&need, buf->len, more) || !df_size_add(&need, need, 1)) return false;
    if (need <= buf->cap) return true;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap < need)
        if (!df_size_mul(&cap, cap, 2)) return false;
    char *data = realloc(buf->data, cap);
    if (!data) return false;
    buf->data = data;
    buf->cap = cap;
    return true;
}

void df_buf_add(df_buf *buf, const void *data, size_t bytes) {
    if (!reserve(buf, bytes)) {
        buf->failed = true;
        return;
    }
    if (bytes) memcpy(buf->data + buf->len, data, bytes);
    buf->len += bytes;
    buf->data[buf->len] = '\0';
}

void df_buf_puts(df_buf *buf, const char *text) {
    df_buf_add(buf, text, strlen(text));
}

void df_buf_printf(df_buf *buf, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !reserve(buf, (size_t)n)) {
        buf->failed = true;
    } else {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
}

void df_buf_free(df_buf *buf) {
    free(buf->data);
    *buf = (df_buf) { 0 };
}
