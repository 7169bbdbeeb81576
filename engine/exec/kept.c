#include "engine/exec/kept.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* An input that kept nodes of the segment read. */
typedef struct source {
    int segment;
    df_value_id value;
    size_t offset; /* of its copy, bytes per row */
} source;

struct df_kept {
    bool *node; /* [n_nodes] on this stage */
    source *sources; /* by segment */
    int n_sources, n_segments, n_slots;
    size_t row_bytes; /* of all copies */
    int64_t max_rows;
    char *copies; /* [n_slots][max_rows * row_bytes] */
    int64_t *rows; /* [n_slots][n_segments] that the results are of; 0: there are none */
};

static bool is_known(const df_kept *k, int segment, df_value_id v) {
    for (int i = 0; i < k->n_sources; i++)
        if (k->sources[i].segment == segment && k->sources[i].value == v) return true;
    return false;
}

static void add_sources(df_kept *k, const df_graph *g, int segment, const df_segment *seg) {
    for (int i = seg->first_node; i < seg->end_node; i++) {
        df_value_id reads[DF_NODE_MAX_READS];
        int n_reads = k->node[i] ? df_node_reads(&g->nodes[i], reads) : 0;
        for (int r = 0; r < n_reads; r++) {
            if (!is_known(k, segment, reads[r]))
                k->sources[k->n_sources++] = (source) { .segment = segment, .value = reads[r] };
        }
    }
}

df_code df_kept_open(df_kept **out, const df_graph *g, const df_cut *cut, int stage, const df_memory_plan *plan,
                     df_err *err) {
    size_t n_nodes = (size_t)g->n_nodes + 1;
    df_kept *k = calloc(1, sizeof *k);
    if (k) {
        k->n_segments = cut->n_segments;
        k->node = calloc(n_nodes, sizeof *k->node);
        k->sources = calloc(n_nodes * DF_NODE_MAX_READS, sizeof *k->sources);
    }
    if (!k || !k->node || !k->sources) {
        df_kept_close(&k);
        return df_err_set(err, DF_ENOMEM, "graph '%s': kept results", g->name);
    }
    for (int i = 0; i < g->n_nodes; i++)
        k->node[i] = cut->stage_of[i] == stage && plan->of[g->nodes[i].out].region == DF_REGION_KEPT;
    for (int s = 0; s < cut->n_segments; s++)
        if (cut->segments[s].stage == stage) add_sources(k, g, s, &cut->segments[s]);
    *out = k;
    return DF_OK;
}

void df_kept_close(df_kept **kept) {
    if (!kept || !*kept) return;
    df_kept *k = *kept;
    free(k->node);
    free(k->sources);
    free(k->copies);
    free(k->rows);
    free(k);
    *kept = NULL;
}

df_code df_kept_reserve(df_kept *k, const df_stage *s, int64_t max_rows, int n_slots, df_err *err) {
    size_t bytes, states = (size_t)n_slots * (size_t)k->n_segments;
    free(k->copies);
    free(k->rows);
    k->copies = NULL;
    k->rows = NULL;
    k->row_bytes = 0;
    for (int i = 0; i < k->n_sources; i++) {
        k->sources[i].offset = k->row_bytes;
        k->row_bytes += df_stage_value_bytes(s, k->sources[i].value, 1);
    }
    k->max_rows = max_rows;
    k->n_slots = n_slots;
    if (!df_size_mul(&bytes, k->row_bytes, (size_t)max_rows) || !df_size_mul(&bytes, bytes, (size_t)n_slots))
        return df_err_set(err, DF_ELIMIT, "copies of what %lld rows keep", (long long)max_rows);
    k->copies = malloc(bytes + 1);
    k->rows = calloc(states + 1, sizeof *k->rows);
    return k->copies && k->rows ? DF_OK : df_err_set(err, DF_ENOMEM, "%zu bytes of kept operands", bytes);
}

size_t df_kept_bytes(const df_kept *k) {
    return k->row_bytes * (size_t)k->max_rows * (size_t)k->n_slots;
}

bool df_kept_has(const df_kept *k, int node) {
    return k->node[node];
}

static char *copy_of(const df_kept *k, const source *from, int slot) {
    return k->copies + ((size_t)slot * k->row_bytes + from->offset) * (size_t)k->max_rows;
}

bool df_kept_still(df_kept *k, df_stage *s, int slot, int segment, int64_t n_rows) {
    int64_t *rows = &k->rows[slot * k->n_segments + segment];
    bool still = *rows == n_rows;
    for (int i = 0; i < k->n_sources; i++) {
        const source *from = &k->sources[i];
        if (from->segment != segment) continue;
        const void *now = df_stage_value(s, slot, from->value, n_rows);
        char *then = copy_of(k, from, slot);
        size_t bytes = df_stage_value_bytes(s, from->value, n_rows);
        if (still && !memcmp(now, then, bytes)) continue;
        still = false;
        memcpy(then, now, bytes);
    }
    if (!still) *rows = 0;
    return still;
}

void df_kept_done(df_kept *k, int slot, int segment, int64_t n_rows) {
    k->rows[slot * k->n_segments + segment] = n_rows;
}

void df_kept_forget(df_kept *k) {
    if (k->rows) memset(k->rows, 0, (size_t)k->n_slots * (size_t)k->n_segments * sizeof *k->rows);
}
