#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const level_names[] = { "debug", "info", "warn", "error", "off" };

df_log df_log_to(FILE *to, df_log_level level, const char *who) {
    df_log log = { .to = to, .level = level };
    snprintf(log.who, sizeof log.who, "%s", who);
    return log;
}

void df_log_event(const df_log *log, df_log_level level, const char *event, const char *fmt, ...) {
    if (!log || !log->to || level < log->level || level >= DF_LOG_OFF) return;
    char line[4096], stamp[DF_CLOCK_STAMP_BYTES];
    int n = snprintf(line, sizeof line - 1, "ts=%s level=%s who=%s event=%s ",
                     df_clock_stamp(df_clock_wall_ms(), stamp), level_names[level], log->who, event);
    if (n < 0 || n > (int)sizeof line / 2) n = (int)sizeof line / 2; /* an absurdly long event: cut, its text follows */
    va_list args;
    va_start(args, fmt);
    int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, fmt, args);
    va_end(args);
    size_t end = (size_t)n + (m > 0 ? (size_t)m : 0);
    if (end > sizeof line - 2) end = sizeof line - 2;
    line[end++] = '\n';
    fwrite(line, 1, end, log->to);
    fflush(log->to);
}

/* One character as it stands between quotes; returns its length. */
static size_t escape(char out[5], unsigned char c) {
    static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
    const char *special = c ? strchr(plain, c) : NULL;
    if (special) return (size_t)snprintf(out, 5, "\\%c", letters[special - plain]);
    return (size_t)snprintf(out, 5, c < 32 || c == 127 ? "\\x%02x" : "%c", c);
}

char *df_log_quote(char *out, size_t out_bytes, const char *text) {
    size_t n = 0;
    if (out_bytes < 3) { /* no room for two quotes */
        if (out_bytes) out[0] = '\0';
        return out;
    }
    out[n++] = '"';
    for (; *text; text++) {
        char piece[5];
        size_t len = escape(piece, (unsigned char)*text);
        if (n + len + 2 > out_bytes) break;
        memcpy(out + n, piece, len);
        n += len;
    }
    if ((*text & 0xc0) == 0x80) { /* cut inside a UTF-8 character: leave it out */
        while (n > 1 && (out[n - 1] & 0xc0) == 0x80) n--;
        if (n > 1 && (out[n - 1] & 0xc0) == 0xc0) n--;
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

int df_log_level_of(const char *name) {
    for (int i = 0; i < (int)(sizeof level_names / sizeof *level_names); i++)
        if (!strcmp(name, level_names[i])) return i;
    return -1;
}
