/* Log: one event a line, `key=value`, to stderr or a file.
 *
 *   df_log log = df_log_to(stderr, DF_LOG_INFO, "worker");
 *   df_log_event(&log, DF_LOG_WARN, "lease_lost", "lease=%s rows=%d", id, n);
 *   -> ts=2026-11-23T22:54:01.250Z level=warn who=worker event=lease_lost lease=7f.. rows=3
 *
 * Values that may hold spaces or quotes go through df_log_quote. A library hands its text up in a df_err; only the
 * top of a program writes the log. Threads: one line is one write, so lines of several threads never mix. */
#ifndef DF_BASE_LOG_H
#define DF_BASE_LOG_H

#include <stddef.h>
#include <stdio.h>

typedef enum df_log_level { DF_LOG_DEBUG, DF_LOG_INFO, DF_LOG_WARN, DF_LOG_ERROR, DF_LOG_OFF } df_log_level;

typedef struct df_log {
    FILE *to; /* not owned */
    df_log_level level; /* events below it are dropped */
    char who[32]; /* program or role, on every line */
} df_log;

df_log df_log_to(FILE *to, df_log_level level, const char *who);

/* log may be NULL: nothing is written. */
void df_log_event(const df_log *log, df_log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes text as a double-quoted value, quotes and control characters escaped, cut to fit; returns out. */
char *df_log_quote(char *out, size_t out_bytes, const char *text);

/* "debug" | "info" | "warn" | "error" | "off" -> level, -1 if unknown. */
int df_log_level_of(const char *name);

#endif
