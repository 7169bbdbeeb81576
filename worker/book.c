#include "worker/book.h"

#include <stdlib.h>
#include <string.h>

void df_result_free(df_result **r) {
    if (!*r) return;
    df_lease_drop(&(*r)->lease);
    free((*r)->png);
    free(*r);
    *r = NULL;
}

df_held *df_book_find(const df_book *b, const char *token) {
    df_held *h = b->leases;
    while (h && strcmp(h->lease->token, token)) h = h->next;
    return h;
}

df_code df_book_lease(df_book *b, df_lease *lease, bool *is_new, df_err *err) {
    *is_new = !df_book_find(b, lease->token);
    if (!*is_new) return DF_OK;
    df_held *h = calloc(1, sizeof *h);
    if (h) h->settled = calloc(lease->n_rows, sizeof *h->settled);
    if (!h || !h->settled) {
        free(h);
        return df_err_set(err, DF_ENOMEM, "a lease of %zu rows", lease->n_rows);
    }
    h->lease = df_lease_hold(lease);
    df_held **end = &b->leases;
    while (*end) end = &(*end)->next;
    *end = h;
    b->n_leases++;
    return DF_OK;
}

static void forget_lease(df_book *b, df_held *h) {
    df_held **at = &b->leases;
    while (*at != h) at = &(*at)->next;
    *at = h->next;
    b->n_leases--;
    df_lease_drop(&h->lease);
    free(h->settled);
    free(h);
}

/* Drops the results for which (token, row) match; row NULL: every row. */
static void forget_results(df_book *b, const char *token, const uint64_t *row) {
    for (df_kept **at = &b->results; *at;) {
        df_kept *k = *at;
        bool hit = !strcmp(k->r->lease->token, token) && (!row || k->r->lease->rows[k->r->i]->row == *row);
        if (!hit) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        b->n_results--;
        df_result_free(&k->r);
        free(k);
    }
}

df_lease *df_book_revoke(df_book *b, const char *token) {
    df_held *h = df_book_find(b, token);
    if (!h) return NULL;
    df_lease *lease = df_lease_hold(h->lease);
    forget_results(b, lease->token, NULL);
    forget_lease(b, h);
    return lease;
}

df_code df_book_result(df_book *b, df_result **r, df_err *err) {
    if (!df_book_find(b, (*r)->lease->token)) {
        df_result_free(r);
        return DF_OK;
    }
    df_kept *k = calloc(1, sizeof *k);
    if (!k) return df_err_set(err, DF_ENOMEM, "a result");
    k->r = *r;
    *r = NULL;
    df_kept **end = &b->results;
    while (*end) end = &(*end)->next;
    *end = k;
    b->n_results++;
    return DF_OK;
}

static void settle(df_held *h, size_t i) {
    if (!h->settled[i]) h->n_settled++;
    h->settled[i] = true;
}

void df_book_ack(df_book *b, const char *token, uint64_t row) {
    df_held *h = df_book_find(b, token);
    if (!h) return;
    forget_results(b, h->lease->token, &row);
    for (size_t i = 0; i < h->lease->n_rows; i++)
        if (h->lease->rows[i]->row == row) settle(h, i);
    if (h->n_settled == h->lease->n_rows) forget_lease(b, h);
}

void df_book_return(df_book *b, const char *token, size_t first) {
    df_held *h = df_book_find(b, token);
    if (!h) return;
    for (size_t i = first; i < h->lease->n_rows; i++) settle(h, i);
    if (h->n_settled == h->lease->n_rows) forget_lease(b, h);
}

void df_book_unsend(df_book *b, int64_t sent_before_ms) {
    for (df_kept *k = b->results; k; k = k->next)
        if (k->sent_ms < sent_before_ms) k->sent_ms = 0;
}

void df_book_unsend_row(df_book *b, const char *token, uint64_t row) {
    for (df_kept *k = b->results; k; k = k->next)
        if (!strcmp(k->r->lease->token, token) && k->r->lease->rows[k->r->i]->row == row) k->sent_ms = 0;
}

void df_book_clear(df_book *b) {
    while (b->leases) {
        df_lease *l = df_book_revoke(b, b->leases->lease->token);
        df_lease_drop(&l);
    }
}
