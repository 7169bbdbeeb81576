/* The values of manifest fields and options: what may stand in them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "client/fields.h"
#include "client/suggest.h"
#include "engine/models/task.h"
#include "engine/samplers/scheduler.h"

bool df_parse_int(const char *text, int64_t *out) {
    char *end;
    const char *digits = *text == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9') return false;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || *end) return false;
    *out = n;
    return true;
}

bool df_parse_real(const char *text, double *out) {
    char *end;
    if (!strchr("-.0123456789", *text) || !*text) return false; /* no blanks, no "inf" */
    double x = strtod(text, &end);
    if (*end || !isfinite(x)) return false;
    *out = x;
    return true;
}

bool df_parse_size(const char *text, int *width, int *height) {
    char side[2][8];
    const char *x = strpbrk(text, "xX");
    if (!x || (size_t)(x - text) >= sizeof side[0] || strlen(x + 1) >= sizeof side[1]) return false;
    snprintf(side[0], sizeof side[0], "%.*s", (int)(x - text), text);
    snprintf(side[1], sizeof side[1], "%s", x + 1);
    int64_t w, h;
    if (!df_parse_int(side[0], &w) || !df_parse_int(side[1], &h)) return false;
    if (w < 1 || h < 1 || w > DF_MAX_SIDE || h > DF_MAX_SIDE) return false;
    *width = (int)w;
    *height = (int)h;
    return true;
}

static const char tasks[] = "txt2img img2img inpaint upscale class uncond";

const char *df_task_fault(const char *task, char *buf, size_t buf_bytes) {
    char word[64];
    df_task known;
    if (df_task_named(&known, task)) return NULL;
    const char *near = df_suggest_list(task, tasks, word, sizeof word);
    snprintf(buf, buf_bytes, "unknown task '%.40s'%s%s%s; tasks: %s", task, near ? ", did you mean '" : "",
             near ? near : "", near ? "'?" : "", tasks);
    return buf;
}

const char *df_scheduler_fault(const char *name, char *buf, size_t buf_bytes) {
    char word[64];
    if (df_scheduler_name_known(name)) return NULL;
    const char *near = df_suggest_list(name, df_scheduler_names(), word, sizeof word);
    snprintf(buf, buf_bytes, "unknown scheduler '%.40s'%s%s%s; known: %s", name, near ? ", did you mean '" : "",
             near ? near : "", near ? "'?" : "", df_scheduler_names());
    return buf;
}

/* One part of a name, between slashes. A folder may not look like a picture: a.png/b and a would collide. */
static const char *part_fault(const char *part, size_t n, bool is_folder) {
    if (!n) return "an empty part: write it without leading, trailing or double '/'";
    if (part[0] == '.') return "a part that begins with '.' (pictures stay in OUT, and are no hidden files)";
    if (n > 200) return "a part over 200 bytes";
    if (is_folder && n > 4 && !strncmp(part + n - 4, ".png", 4)) return "a folder that ends in '.png'";
    return NULL;
}

const char *df_name_fault(const char *name) {
    if (strlen(name) > DF_MAX_NAME_BYTES) return "a name over 1024 bytes";
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\') return "a control character or '\\' in a name";
    if (!strncmp(name, "images/", 7) || !strcmp(name, "images"))
        return "'images/' is where pictures without a name lie; choose another folder";
    for (const char *part = name;;) {
        size_t n = strcspn(part, "/");
        const char *why = part_fault(part, n, part[n]);
        if (why || !part[n]) return why;
        part += n + 1;
    }
}

const char *df_text_fault(const char *text, size_t max_bytes, char *buf, size_t buf_bytes) {
    size_t n = strlen(text);
    if (n > max_bytes) {
        snprintf(buf, buf_bytes, "%zu bytes, at most %zu are taken", n, max_bytes);
        return buf;
    }
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &c);
        if (used <= 0) {
            snprintf(buf, buf_bytes, "not valid UTF-8 (byte 0x%02x at position %zu)", (unsigned char)text[i], i);
            return buf;
        }
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') {
            snprintf(buf, buf_bytes, "holds the control character 0x%02x at position %zu", (unsigned)c, i);
            return buf;
        }
        i += (size_t)used;
    }
    return NULL;
}
