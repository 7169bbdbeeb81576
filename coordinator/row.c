#include "coordinator/row.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/row_extras.h"
#include "coordinator/text.h"

enum { MAX_PART_BYTES = 200, MAX_WORD_BYTES = 64 };

/* names */

/* "images/DDDDDD/DDDDDDDD": where pictures without a name go. */
static bool is_numbered(const char *name) {
    static const char pattern[] = "images/dddddd/dddddddd";
    size_t n = sizeof pattern - 1;
    if (strlen(name) < n) return false;
    for (size_t i = 0; i < n; i++)
        if (pattern[i] == 'd' ? !isdigit((unsigned char)name[i]) : name[i] != pattern[i]) return false;
    return name[strspn(name + n, "0123456789") + n] == '\0';
}

static bool is_reserved_folder(const char *part, size_t bytes) {
    static const char *const lists[] = { "metadata.jsonl", "failures.jsonl", "runs.jsonl", "job.json" };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strlen(lists[i]) == bytes && !memcmp(part, lists[i], bytes)) return true;
    return bytes > 6 && !memcmp(part, "shard-", 6);
}

static df_code check_part(const char *name, const char *part, size_t bytes, bool is_last, df_err *err) {
    if (!bytes) return df_err_set(err, DF_EINVAL, "name \"%s\" has an empty part", name);
    if (*part == '.')
        return df_err_set(err, DF_EINVAL, "name \"%s\": no part may begin with a dot, so that it stays in OUT", name);
    if (bytes > MAX_PART_BYTES)
        return df_err_set(err, DF_EINVAL, "name \"%.64s...\" has a part of %zu bytes, at most %d are taken", name,
                          bytes, MAX_PART_BYTES);
    if (!is_last && bytes >= 4 && !memcmp(part + bytes - 4, ".png", 4))
        return df_err_set(err, DF_EINVAL, "name \"%s\": a folder may not end in .png, it could be a picture's", name);
    return DF_OK;
}

df_code df_row_check_name(const char *name, df_err *err) {
    size_t bytes = strlen(name);
    if (bytes > DF_ROW_MAX_NAME_BYTES)
        return df_err_set(err, DF_EINVAL, "name of %zu bytes, at most %d are taken", bytes, DF_ROW_MAX_NAME_BYTES);
    if (!df_text_is_utf8(name) || df_text_has_control(name))
        return df_err_set(err, DF_EINVAL, "name has control characters or is not UTF-8");
    if (strchr(name, '\\')) return df_err_set(err, DF_EINVAL, "name \"%s\": use / between its parts", name);
    if (*name == '/') return df_err_set(err, DF_EINVAL, "name \"%s\" is absolute, it must be relative to OUT", name);
    for (const char *part = name, *end; part; part = *end ? end + 1 : NULL) {
        end = strchrnul(part, '/');
        size_t n = (size_t)(end - part);
        df_code rc = check_part(name, part, n, !*end, err);
        if (rc) return rc;
        if (part == name && *end && is_reserved_folder(part, n))
            return df_err_set(err, DF_EINVAL, "name \"%s\": \"%.*s\" is a file of OUT's own", name, (int)n, part);
    }
    if (is_numbered(name)) return df_err_set(err, DF_EINVAL, "name \"%s\" is where pictures without a name go", name);
    return DF_OK;
}

char *df_row_path(char *out, uint64_t row, const char *name) {
    if (*name)
        snprintf(out, DF_ROW_PATH_BYTES, "%s.png", name);
    else
        snprintf(out, DF_ROW_PATH_BYTES, "images/%06" PRIu64 "/%08" PRIu64 ".png", row / 1000, row);
    return out;
}

/* rows */

static df_code check_text(const char *text, const char *what, size_t max_bytes, df_err *err) {
    size_t bytes = strlen(text);
    if (bytes > max_bytes)
        return df_err_set(err, DF_EINVAL, "%s has %zu bytes, at most %zu are taken", what, bytes, max_bytes);
    if (!df_text_is_utf8(text)) return df_err_set(err, DF_EINVAL, "%s is not UTF-8", what);
    return DF_OK;
}

static df_code check_row(const df_row *r, df_err *err) {
    df_code rc;
    if (r->row >= DF_ROW_MAX_ROWS)
        return df_err_set(err, DF_EINVAL, "row %" PRIu64 ": a job has at most %d", r->row, DF_ROW_MAX_ROWS);
    if (r->seed > INT64_MAX) return df_err_set(err, DF_EINVAL, "seed %" PRIu64 " is over %" PRId64, r->seed, INT64_MAX);
    if (!r->width || !r->height || r->width > DF_ROW_MAX_SIDE || r->height > DF_ROW_MAX_SIDE)
        return df_err_set(err, DF_EINVAL, "size %ux%u, sides are 1..%d", r->width, r->height, DF_ROW_MAX_SIDE);
    if (!r->steps || r->steps > DF_ROW_MAX_STEPS)
        return df_err_set(err, DF_EINVAL, "%u steps, 1..%d are taken", r->steps, DF_ROW_MAX_STEPS);
    if (!isfinite(r->guidance)) return df_err_set(err, DF_EINVAL, "guidance is not a finite number");
    if ((rc = check_text(r->prompt, "prompt", DF_ROW_MAX_TEXT_BYTES, err))) return rc;
    if ((rc = check_text(r->negative, "negative prompt", DF_ROW_MAX_TEXT_BYTES, err))) return rc;
    if ((rc = check_text(r->scheduler, "scheduler", MAX_WORD_BYTES, err))) return rc;
    if ((rc = check_text(r->task, "task", MAX_WORD_BYTES, err))) return rc;
    return *r->name ? df_row_check_name(r->name, err) : DF_OK;
}

df_code df_row_from_wire(df_row *out, const Diffarm__Row *in, df_arena *arena, df_err *err) {
    df_err why;
    df_row r = {
        .row = in->row,
        .seed = in->seed,
        .line = in->line > INT64_MAX ? 0 : in->line,
        .width = in->width,
        .height = in->height,
        .steps = in->steps,
        .guidance = in->guidance,
        .prompt = in->prompt,
        .negative = in->negative,
        .scheduler = in->scheduler,
        .task = in->task,
        .name = in->name,
    };
    df_code rc = check_row(&r, &why);
    if (!rc) rc = df_row_extras_from_wire(&r.extras, in, arena, &why);
    if (rc) return df_err_set(err, rc, "line %" PRIu64 ": %s", r.line, why.text);
    *out = r;
    return DF_OK;
}

df_code df_row_to_wire(Diffarm__Row *out, const df_row *in, df_arena *arena, df_err *err) {
    diffarm__row__init(out);
    out->row = in->row;
    out->seed = in->seed;
    out->line = in->line;
    out->width = in->width;
    out->height = in->height;
    out->steps = in->steps;
    out->guidance = in->guidance;
    out->prompt = (char *)in->prompt; /* protobuf-c has no const; packing only reads */
    out->negative = (char *)in->negative;
    out->scheduler = (char *)in->scheduler;
    out->task = (char *)in->task;
    out->name = (char *)in->name;
    return df_row_extras_to_wire(out, in->extras, arena, err);
}
