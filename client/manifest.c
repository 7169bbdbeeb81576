#include "client/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/manifest_reader.h"

static bool ends_in(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && !strcasecmp(path + n - m, suffix);
}

/* Copies what can be read only once into a nameless temporary file. */
static df_code spool(FILE **file, const char *title, df_err *err) {
    char part[65536];
    FILE *copy = tmpfile();
    if (!copy) return df_err_errno(err, errno, "%s: a temporary copy", title);
    for (size_t n; (n = fread(part, 1, sizeof part, *file));)
        if (fwrite(part, 1, n, copy) != n) break;
    bool bad = ferror(*file) || ferror(copy) || fflush(copy);
    if (bad) {
        int why = errno;
        fclose(copy);
        return df_err_errno(err, why, "%s: a temporary copy", title);
    }
    if (*file != stdin) fclose(*file);
    *file = copy;
    return DF_OK;
}

static df_code open_file(df_manifest *m, const char *path, df_err *err) {
    struct stat st;
    bool is_stdin = !strcmp(path, "-");
    m->file = is_stdin ? stdin : fopen(path, "rbe");
    if (!m->file) return df_err_errno(err, errno, "%s", path);
    if (fstat(fileno(m->file), &st)) return df_err_errno(err, errno, "%s", path);
    if (S_ISDIR(st.st_mode)) return df_err_set(err, DF_EINVAL, "%s: a folder, not a manifest", path);
    if (is_stdin || !S_ISREG(st.st_mode)) return spool(&m->file, m->title, err);
    return DF_OK;
}

static void sniff(df_manifest *m, const char *path) {
    m->csv = ends_in(path, ".csv");
    if (m->csv || ends_in(path, ".jsonl") || ends_in(path, ".ndjson") || ends_in(path, ".json")) return;
    int c;
    rewind(m->file);
    do c = getc(m->file);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == 0xef || c == 0xbb || c == 0xbf);
    m->csv = c != '{' && c != EOF;
}

df_code df_manifest_open(df_manifest **out, const char *path, df_err *err) {
    df_code rc;
    df_manifest *m = calloc(1, sizeof *m);
    if (!m) return df_err_set(err, DF_ENOMEM, "%s", path);
    const char *slash = strrchr(path, '/');
    m->title = strdup(!strcmp(path, "-") ? "stdin" : slash && slash[1] ? slash + 1 : path);
    if (!m->title) {
        rc = df_err_set(err, DF_ENOMEM, "%s", path);
        goto fail;
    }
    if ((rc = open_file(m, path, err))) goto fail;
    sniff(m, path);
    if ((rc = df_manifest_rewind(m, err))) goto fail;
    *out = m;
    return DF_OK;
fail:
    df_manifest_close(&m);
    return rc;
}

static void forget_header(df_manifest *m) {
    for (int i = 0; i < m->n_columns; i++) free(m->column[i]);
    m->n_columns = 0;
}

void df_manifest_close(df_manifest **m) {
    if (!*m) return;
    if ((*m)->file && (*m)->file != stdin) fclose((*m)->file);
    forget_header(*m);
    json_decref((*m)->json);
    df_buf_free(&(*m)->record);
    free((*m)->title);
    free(*m);
    *m = NULL;
}

/* Tools on Windows begin a file with a byte order mark. */
static void skip_mark(FILE *f) {
    unsigned char mark[3];
    if (fread(mark, 1, 3, f) != 3 || memcmp(mark, "\xef\xbb\xbf", 3)) rewind(f);
}

df_code df_manifest_rewind(df_manifest *m, df_err *err) {
    if (fseek(m->file, 0, SEEK_SET)) return df_err_errno(err, errno, "%s: read again", m->title);
    skip_mark(m->file);
    forget_header(m);
    m->number = 0;
    return DF_OK;
}

void df_manifest_begin_line(df_manifest *m, df_line *line, uint64_t number) {
    snprintf(m->where, sizeof m->where, "%s:%" PRIu64, m->title, number);
    *line = (df_line) { .where = m->where, .number = number };
}

df_code df_manifest_next(df_manifest *m, df_line *line, df_line_state *state, df_problems *problems, df_err *err) {
    df_code rc = m->csv ? df_manifest_next_csv(m, line, state, problems, err)
                        : df_manifest_next_json(m, line, state, problems, err);
    if (rc) return rc;
    if (ferror(m->file)) return df_err_set(err, DF_EIO, "%s: read failed", m->title);
    return DF_OK;
}

const char *df_manifest_title(const df_manifest *m) {
    return m->title;
}
