#include "engine/text/added_tokens.h"

#include <stdlib.h>
#include <string.h>

df_code df_added_tokens_add(df_added_tokens *t, const int32_t *text, size_t n, int32_t first_id, int n_ids,
                            df_err *err) {
    for (int i = 0; i < t->n; i++)
        if (t->all[i].n == n && !memcmp(t->all[i].text, text, n * sizeof *text))
            return df_err_set(err, DF_EINVAL, "two tokens of one name");
    df_added_token *all = reallocarray(t->all, (size_t)t->n + 1, sizeof *all);
    if (all) t->all = all;
    int32_t *copy = malloc(n * sizeof *copy);
    if (!all || !copy) {
        free(copy);
        return df_err_set(err, DF_ENOMEM, "a token of %zu characters", n);
    }
    memcpy(copy, text, n * sizeof *copy);
    t->all[t->n++] = (df_added_token) { .text = copy, .n = n, .first_id = first_id, .n_ids = n_ids };
    return DF_OK;
}

void df_added_tokens_free(df_added_tokens *t) {
    for (int i = 0; i < t->n; i++) free(t->all[i].text);
    free(t->all);
    *t = (df_added_tokens) { 0 };
}

static const df_added_token *longest_at(const df_added_tokens *t, const int32_t *text, size_t n) {
    const df_added_token *best = NULL;
    for (int i = 0; i < t->n; i++) {
        const df_added_token *a = &t->all[i];
        if (a->n > n || (best && a->n <= best->n)) continue;
        if (!memcmp(a->text, text, a->n * sizeof *text)) best = a;
    }
    return best;
}

const df_added_token *df_added_tokens_find(const df_added_tokens *t, const int32_t *text, size_t n, size_t *at) {
    for (size_t i = 0; i < n && t->n; i++) {
        const df_added_token *found = longest_at(t, text + i, n - i);
        if (!found) continue;
        *at = i;
        return found;
    }
    return NULL;
}
