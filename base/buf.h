/* A growing byte buffer, for text and messages under construction.
 *
 *   df_buf b = { 0 };  df_buf_printf(&b, "x=%d", x);  use b.data, b.len;  df_buf_free(&b);
 *
 * data is always followed by a 0 byte that len does not count (data is NULL while nothing was added). Running out of
 * memory sets `failed` and drops what follows: check it once, at the end. */
#ifndef DF_BASE_BUF_H
#define DF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct df_buf {
    char *data;
    size_t len, cap;
    bool failed;
} df_buf;

void df_buf_add(df_buf *buf, const void *data, size_t bytes);
void df_buf_puts(df_buf *buf, const char *text);
void df_buf_printf(df_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void df_buf_free(df_buf *buf); /* leaves an empty buffer, ready for use */

#endif
