#include "worker/lease.h"

#include <stdbool.h>
#include <stdlib.h>

static bool rows_are_whole(const Diffarm__Lease *m) {
    for (size_t i = 0; i < m->n_rows; i++)
        for (size_t k = 0; k < m->rows[i]->n_adapters; k++)
            if (!m->rows[i]->adapters[k]->file) return false;
    return true;
}

df_code df_lease_new(df_lease **out, Diffarm__Message **msg, df_err *err) {
    const Diffarm__Lease *m = (*msg)->lease;
    if (!m->token[0] || !m->job || !m->n_rows)
        return df_err_set(err, DF_EPROTOCOL, "a lease without %s", !m->token[0] ? "token" : !m->job ? "job" : "rows");
    if (!rows_are_whole(m)) return df_err_set(err, DF_EPROTOCOL, "a lease with an adapter without file");
    df_lease *l = calloc(1, sizeof *l);
    if (!l) return df_err_set(err, DF_ENOMEM, "a lease");
    l->msg = *msg;
    *msg = NULL;
    l->token = m->token;
    l->job = m->job;
    l->rows = m->rows;
    l->n_rows = m->n_rows;
    atomic_init(&l->holders, 1);
    *out = l;
    return DF_OK;
}

df_lease *df_lease_hold(df_lease *l) {
    atomic_fetch_add(&l->holders, 1);
    return l;
}

void df_lease_drop(df_lease **l) {
    if (*l && atomic_fetch_sub(&(*l)->holders, 1) == 1) {
        diffarm__message__free_unpacked((*l)->msg, NULL);
        free(*l);
    }
    *l = NULL;
}
