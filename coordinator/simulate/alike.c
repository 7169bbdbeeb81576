/* Pictures that show what another one shows: what must hold of the flag and its count, whoever came first. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/simulate/world.h"

enum { PATH_BYTES = 512 };

/* The first row before this one that is done and looks the same; the row itself if there is none. */
static uint64_t first_alike(const df_sim_job *job, const df_row_state *state, uint64_t row) {
    for (uint64_t i = 0; i < row; i++)
        if (state[i] == DF_ROW_DONE && df_sim_row_pixels(&job->rows[i]) == df_sim_row_pixels(&job->rows[row])) return i;
    return row;
}

void df_sim_check_alike(df_sim_world *w, const df_sim_job *job, const df_job *is, const df_row_state *state) {
    uint64_t n = 0;
    for (uint64_t row = 0; row < job->n_rows; row++)
        n += state[row] == DF_ROW_DONE && first_alike(job, state, row) != row;
    if (n != is->flagged.n_duplicate)
        df_sim_broken(w, "job %s counts %" PRIu64 " duplicates, there are %" PRIu64, job->id, is->flagged.n_duplicate,
                      n);
}

static void check_line(df_sim_world *w, const df_sim_job *job, const df_row_state *state, const char *line, size_t n) {
    json_t *v = json_loadb(line, n, 0, NULL);
    uint64_t row = (uint64_t)json_integer_value(json_object_get(v, "row"));
    const json_t *told = json_object_get(v, "duplicate_of"), *flags = json_object_get(v, "flags");
    uint64_t is = told ? (uint64_t)json_integer_value(told) : row;
    if (!v || row >= job->n_rows || is != first_alike(job, state, row) || json_array_size(flags) != (is != row))
        df_sim_broken(w, "job %s: wrong about duplicates: %.*s", job->id, (int)n, line);
    json_decref(v);
}

void df_sim_check_alike_lines(df_sim_world *w, const df_sim_job *job, const df_row_state *state) {
    char path[PATH_BYTES];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/metadata.jsonl", job->out_dir);
    const char *at = df_sim_disk_look(w->disk, path, true, &n);
    for (const char *end; at && n && (end = memchr(at, '\n', n)); at = end + 1) {
        check_line(w, job, state, at, (size_t)(end - at));
        n -= (size_t)(end - at) + 1;
    }
}
