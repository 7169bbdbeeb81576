#include "coordinator/web/view.h"

#include <stdlib.h>
#include <string.h>

df_view *df_view_new(void) {
    df_view *view = calloc(1, sizeof *view);
    if (view) atomic_init(&view->n_holders, 1);
    return view;
}

df_view *df_view_hold(df_view *view) {
    if (view) atomic_fetch_add(&view->n_holders, 1);
    return view;
}

void df_view_drop(df_view **view) {
    df_view *v = *view;
    *view = NULL;
    if (!v || atomic_fetch_sub(&v->n_holders, 1) > 1) return;
    for (size_t i = 0; i < v->n_pictures; i++) {
        free(v->pictures[i].out_dir);
        free(v->pictures[i].path);
    }
    free(v->event);
    free(v->metrics);
    free(v);
}

const df_view_picture *df_view_find_picture(const df_view *view, const char *job_id, uint64_t row) {
    for (size_t i = 0; i < view->n_pictures; i++)
        if (view->pictures[i].row == row && !strcmp(view->pictures[i].job_id, job_id)) return &view->pictures[i];
    return NULL;
}
