#include "cluster/renderer_impl.h"

void df_renderer_append(df_renderer *r, df_row *row) {
    df_row **at = &r->rows;
    while (*at) at = &(*at)->next;
    row->next = NULL;
    *at = row;
}

static void unlink_row(df_renderer *r, const df_row *row) {
    for (df_row **at = &r->rows; *at; at = &(*at)->next)
        if (*at == row) {
            *at = row->next;
            return;
        }
}

void df_renderer_to_end(df_renderer *r, df_row *row) {
    unlink_row(r, row);
    df_renderer_append(r, row);
}

void df_renderer_drop(df_renderer *r, df_row *row) {
    unlink_row(r, row);
    df_row_free(&row);
    r->n_rows--;
}

void df_renderer_fail(df_renderer *r, df_row *row, const df_err *why) {
    uint64_t id = row->id;
    bool cancelled = row->cancelled;
    df_renderer_drop(r, row); /* first: the callback may add a request in its place */
    if (!cancelled) r->cfg.on_failed(r->cfg.ctx, id, why);
}
