/* Which rows of a job are pending next, kept in memory: without it each lease would read a thousand rows to choose
 * some.
 *
 * A window is a prefix of the pending rows. Rows that are lent leave it, and it is filled up from behind; a row that
 * comes back into it makes it void, and it is read anew. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/store_internal.h"

enum { WINDOW_ROWS = 2 * DF_STORE_WINDOW_ROWS };

uint64_t df_store_hash(const char *text) { /* FNV-1a */
    uint64_t hash = *text ? 0xcbf29ce484222325u : 0;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static df_store_window *find(df_store *s, int64_t job) {
    for (int i = 0; i < DF_STORE_MAX_WINDOWS; i++)
        if (s->windows[i].job == job) return &s->windows[i];
    return NULL;
}

/* what becomes of rows */

static size_t place_of(const df_store_window *w, uint64_t row) {
    size_t low = 0, high = w->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->picks[middle].row < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void df_store_window_lent(df_store *s, int64_t job, uint64_t row) {
    df_store_window *w = find(s, job);
    size_t at = w ? place_of(w, row) : 0;
    if (!w || at == w->n || w->picks[at].row != row) return;
    w->n--;
    memmove(&w->picks[at], &w->picks[at + 1], (w->n - at) * sizeof *w->picks);
}

static void forget(df_store_window *w) {
    w->job = 0;
    w->n = 0;
    w->next_row = 0;
    w->is_whole = false;
}

void df_store_window_came_back(df_store *s, int64_t job, uint64_t row) {
    df_store_window *w = find(s, job);
    if (w && (row < w->next_row || w->is_whole)) forget(w);
}

void df_store_window_forget(df_store *s, int64_t job) {
    df_store_window *w = find(s, job);
    if (w) forget(w);
}

void df_store_window_forget_all(df_store *s) {
    for (int i = 0; i < DF_STORE_MAX_WINDOWS; i++) forget(&s->windows[i]);
}

/* filling */

static df_store_window *window_of(df_store *s, int64_t job) {
    df_store_window *w = find(s, job), *oldest = &s->windows[0];
    for (int i = 1; i < DF_STORE_MAX_WINDOWS; i++)
        if (s->windows[i].used < oldest->used) oldest = &s->windows[i];
    if (!w) forget(w = oldest);
    if (!w->picks && !(w->picks = malloc(WINDOW_ROWS * sizeof *w->picks))) return NULL;
    w->job = job;
    w->used = ++s->window_uses;
    return w;
}

static df_row_pick pick_of(sqlite3_stmt *stmt) {
    return (df_row_pick) {
        .row = (uint64_t)sqlite3_column_int64(stmt, 0),
        .width = (uint32_t)sqlite3_column_int64(stmt, 1),
        .height = (uint32_t)sqlite3_column_int64(stmt, 2),
        .steps = (uint32_t)sqlite3_column_int64(stmt, 3),
        .lost = sqlite3_column_int(stmt, 4),
        .failed_by = df_store_hash(df_store_text(stmt, 5)),
        .adapters = df_store_hash(df_store_text(stmt, 6)),
        .share = sqlite3_column_double(stmt, 7),
    };
}

static df_code fill(df_store *s, df_store_window *w, df_err *err) {
    df_sql_query q;
    size_t room = WINDOW_ROWS - w->n, n = 0;
    df_code rc = df_sql_open(&q, &s->db, err,
                             "SELECT r.row, r.width, r.height, r.steps, p.lost,"
                             " CASE WHEN p.attempts > 0 THEN p.worker END,"
                             " CASE r.extras WHEN '' THEN NULL ELSE IFNULL(json_extract(r.extras, '$.lora'), '') ||"
                             " IFNULL(json_extract(r.extras, '$.embedding'), '') END,"
                             " CASE r.extras WHEN '' THEN 1 ELSE IFNULL(json_extract(r.extras, '$.strength'), 1) END"
                             " FROM progress p JOIN rows r ON r.job = p.job AND r.row = p.row"
                             " WHERE p.job = ? AND p.state = 0 AND p.row >= ? ORDER BY p.row LIMIT ?",
                             "iii", w->job, (int64_t)w->next_row, (int64_t)room);
    for (; !rc && !(rc = df_sql_next(&q, err)) && q.has_row; n++) w->picks[w->n + n] = pick_of(q.stmt);
    df_sql_end(&q);
    if (rc) return rc;
    w->n += n;
    w->is_whole = n < room;
    if (n) w->next_row = w->picks[w->n - 1].row + 1;
    return DF_OK;
}

df_code df_store_pending(df_store *s, int64_t job, const df_row_pick **picks, size_t *n, df_err *err) {
    df_store_window *w = window_of(s, job);
    if (!w) return df_err_set(err, DF_ENOMEM, "window of %d rows", WINDOW_ROWS);
    df_code rc = w->n >= DF_STORE_WINDOW_ROWS || w->is_whole ? DF_OK : fill(s, w, err);
    *picks = w->picks;
    *n = rc ? 0 : w->n;
    if (rc) forget(w);
    return rc;
}
