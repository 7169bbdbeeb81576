#include "client/suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD 48

static size_t min3(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Restricted Damerau-Levenshtein distance; words over MAX_WORD are as far as can be. */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    if (n > MAX_WORD || m > MAX_WORD) return MAX_WORD;
    size_t rows[3][MAX_WORD + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++) last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

const char *df_suggest(const char *typed, const char *const *words, size_t n) {
    const char *best = NULL;
    size_t best_distance = strlen(typed) / 3 + 2; /* one of the first letters, two of a longer word */
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(typed, words[i]);
        if (d >= best_distance || d >= strlen(words[i])) continue;
        best = words[i];
        best_distance = d;
    }
    return best;
}

const char *df_suggest_list(const char *typed, const char *list, char *out, size_t out_bytes) {
    char copy[1024];
    const char *words[64];
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *save, *w = strtok_r(copy, " ", &save); w && n < 64; w = strtok_r(NULL, " ", &save)) words[n++] = w;
    const char *found = df_suggest(typed, words, n);
    if (!found) return NULL;
    snprintf(out, out_bytes, "%s", found);
    return out;
}
