#include "client/doctor/findings.h"

#include <stdarg.h>
#include <string.h>

static const char *const names[DF_FOUND_LEVELS] = { "ok", "note", "warning", "problem" };

/* Other programs' words among them: nothing that moves a terminal's cursor gets through. */
static void keep_printable(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = ' ';
}

static void tell(const df_findings *f, const df_finding *of) {
    if (f->to) {
        fprintf(f->to, "%-8s %-14s %s\n", names[of->level], of->name, of->text);
        if (*of->fix) fprintf(f->to, "%-8s %-14s -> %s\n", "", "", of->fix);
        fflush(f->to);
    }
    if (f->list)
        json_array_append_new(f->list, json_pack("{s:s, s:s, s:s, s:s}", "name", of->name, "level", names[of->level],
                                                 "text", of->text, "fix", of->fix));
    if (f->lines) {
        fprintf(f->lines, "%s\t%s\t%s\t%s\n", names[of->level], of->name, of->text, of->fix);
        fflush(f->lines); /* a driver may end this process before its time */
    }
}

static void add(df_findings *f, df_finding *of) {
    keep_printable(of->name);
    keep_printable(of->text);
    keep_printable(of->fix);
    f->n[of->level]++;
    tell(f, of);
}

void df_found(df_findings *f, df_level level, const char *name, const char *fix, const char *text, ...) {
    df_finding of = { .level = level };
    va_list args;
    va_start(args, text);
    vsnprintf(of.text, sizeof of.text, text, args);
    va_end(args);
    snprintf(of.name, sizeof of.name, "%s", name);
    snprintf(of.fix, sizeof of.fix, "%s", fix ? fix : "");
    add(f, &of);
}

/* The next field of the line, up to a tab or the line's end; false where there is none. */
static int take_field(const char **at, const char *end, char *out, size_t bytes) {
    if (*at > end) return 0;
    const char *stop = memchr(*at, '\t', (size_t)(end - *at));
    if (!stop) stop = end;
    snprintf(out, bytes, "%.*s", (int)(stop - *at), *at);
    *at = stop + 1;
    return 1;
}

static int read_line(df_finding *of, const char *at, const char *end) {
    char level[16];
    *of = (df_finding) { .level = DF_FOUND_LEVELS };
    if (!take_field(&at, end, level, sizeof level) || !take_field(&at, end, of->name, sizeof of->name) ||
        !take_field(&at, end, of->text, sizeof of->text) || !take_field(&at, end, of->fix, sizeof of->fix))
        return 0;
    for (int i = 0; i < DF_FOUND_LEVELS; i++)
        if (!strcmp(level, names[i])) of->level = (df_level)i;
    return of->level != DF_FOUND_LEVELS && *of->name;
}

int df_findings_read(df_findings *f, const char *text) {
    int n = 0;
    for (const char *end; *text; text = *end ? end + 1 : end) {
        df_finding of;
        end = text + strcspn(text, "\n");
        if (!read_line(&of, text, end)) continue;
        add(f, &of);
        n++;
    }
    return n;
}
