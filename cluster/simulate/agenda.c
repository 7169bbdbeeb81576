#include "cluster/simulate/agenda.h"

#include <stdlib.h>

static bool is_before(const df_agenda_item *a, const df_agenda_item *b) {
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static bool grow(df_agenda *a) {
    int room = a->room ? 2 * a->room : 256;
    df_agenda_item *heap = realloc(a->heap, (size_t)room * sizeof *heap);
    if (!heap) return false;
    a->heap = heap;
    a->room = room;
    return true;
}

bool df_agenda_add(df_agenda *a, double at, int kind, int rank, int what) {
    if (a->n == a->room && !grow(a)) return false;
    const df_agenda_item item = { at, a->n_added++, kind, rank, what };
    int i = a->n++;
    for (int up; i > 0 && is_before(&item, &a->heap[up = (i - 1) / 2]); i = up) a->heap[i] = a->heap[up];
    a->heap[i] = item;
    return true;
}

const df_agenda_item *df_agenda_first(const df_agenda *a) {
    return a->n ? a->heap : NULL;
}

df_agenda_item df_agenda_take(df_agenda *a) {
    df_agenda_item first = a->heap[0], last = a->heap[--a->n];
    int i = 0;
    for (int down; (down = 2 * i + 1) < a->n; i = down) {
        if (down + 1 < a->n && is_before(&a->heap[down + 1], &a->heap[down])) down++;
        if (!is_before(&a->heap[down], &last)) break;
        a->heap[i] = a->heap[down];
    }
    a->heap[i] = last;
    return first;
}

void df_agenda_free(df_agenda *a) {
    free(a->heap);
    *a = (df_agenda) { 0 };
}
