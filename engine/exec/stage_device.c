/* A stage whose values lie in memory of its backend. */
#include <stdlib.h>

#include "engine/exec/stage_impl.h"

void *df_stage_device_value(df_stage *s, int slot, df_value_id v, int64_t n_rows) {
    size_t offset;
    return s->mirror && df_stage_offset(s, slot, v, n_rows, &offset) ? s->slots + offset : NULL;
}

void *df_stage_stream(const df_stage *s) {
    return s->mirror ? df_stage_space(s)->stream(s->ctx) : NULL;
}

void df_stage_keep_edges_on_device(df_stage *s) {
    if (s->mirror) df_mirror_skip_edges(s->mirror);
}

df_code df_stage_upload_crossing(df_stage *s, int slot, int64_t n_rows, df_err *err) {
    return s->mirror ? df_mirror_up(s->mirror, s, -1, slot, n_rows, false, err) : DF_OK;
}

df_code df_stage_download_outputs(df_stage *s, int slot, int64_t n_rows, df_err *err) {
    return s->mirror ? df_mirror_down(s->mirror, s, s->cfg.cut->n_segments, slot, n_rows, err) : DF_OK;
}

df_code df_stage_wait(df_stage *s, df_err *err) {
    if (!s->mirror) return DF_OK;
    df_code rc = df_stage_space(s)->wait(s->ctx, err);
    if (rc) df_kept_forget(s->kept); /* who knows which of them were made */
    return rc;
}

static df_code end_node(const df_stage_pass *a, int node, void *out, df_err *err) {
    (void)node, (void)out;
    return df_stage_space(a->s)->wait(a->s->ctx, err);
}

/* The tap looks at a copy. */
static df_code show_copy(const df_stage_pass *a, int node, void *out, df_err *err) {
    df_stage *s = a->s;
    const df_space *space = df_stage_space(s);
    const df_node *n = &s->cfg.graph->nodes[node];
    size_t bytes = df_stage_value_bytes(s, n->out, a->n_rows);
    void *copy = NULL;
    df_code rc = space->host_alloc(s->ctx, &copy, bytes, err);
    if (!rc) rc = space->download(s->ctx, copy, out, bytes, err);
    if (!rc) rc = space->wait(s->ctx, err);
    if (!rc) s->tap(s->tap_ctx, n, copy, a->n_rows);
    space->host_free(s->ctx, copy);
    return rc;
}

static df_code enqueue_all(const df_stage_pass *a, df_stage_node_end_fn end, df_err *err) {
    df_stage *s = a->s;
    df_code rc = df_mirror_up(s->mirror, s, a->segment, a->slot, a->n_rows, a->still, err);
    if (!rc) rc = df_stage_run_nodes(a, end, err);
    return rc ? rc : df_mirror_down(s->mirror, s, a->segment, a->slot, a->n_rows, err);
}

static df_code enqueue_plainly(void *arg, df_err *err) {
    df_err why = { 0 }; /* a node's error is added to */
    df_code rc = enqueue_all(arg, NULL, &why);
    return rc ? df_err_set(err, rc, "%s", why.text) : DF_OK;
}

df_code df_stage_enqueue_pass(const df_stage_pass *a, df_err *err) {
    df_stage *s = a->s;
    if (s->tap) return enqueue_all(a, show_copy, err);
    if (a->ns) return enqueue_all(a, end_node, err);
    const df_recording_key key = { a->slot, a->segment, a->n_rows, a->still };
    return df_recordings_run(s->recordings, &key, enqueue_plainly, (void *)(uintptr_t)a, err);
}

/* What a row takes of slots, kept results and scratch; the kernels' own scratch follows the rows too, about. */
static double bytes_of_row(const df_stage *s, int n_slots) {
    double slots = (double)(s->plan->slot_bytes + s->plan->kept_bytes) * n_slots;
    return slots + (double)s->plan->scratch_bytes;
}

df_code df_stage_no_room(df_stage *s, int64_t max_rows, int n_slots, const df_err *why, df_err *err) {
    const double gib = (double)((size_t)1 << 30), row = bytes_of_row(s, n_slots);
    s->max_rows = 0;
    df_stage_give_back(s, &s->slots);
    df_stage_give_back(s, &s->results);
    df_stage_give_back(s, &s->scratch);
    double left = (double)df_stage_space(s)->free_bytes(s->ctx) - (double)s->kernel_bytes;
    int64_t fit = left > 0 && row > 0 ? (int64_t)(left / row) : 0;
    return df_err_set(err, DF_ENOMEM,
                      "graph '%s', stage %d: %d slots of %lld rows take %.3f GiB (%s); about %lld rows would fit",
                      s->cfg.graph->name, s->cfg.stage, n_slots, (long long)max_rows, row * (double)max_rows / gib,
                      why->text, (long long)(fit < max_rows ? fit : max_rows - 1));
}
