#include "cluster/halves.h"

static df_half_place add(int64_t n_rows[DF_MOST_HALVES], int half) {
    return (df_half_place) { half, n_rows[half]++ };
}

void df_halves_put(int64_t n_rows[DF_MOST_HALVES], int n_halves, int n_model_rows, df_half_place out[2]) {
    int last = n_halves - 1;
    if (n_model_rows == 1) {
        out[0] = add(n_rows, n_rows[0] > n_rows[last] ? last : 0);
        return;
    }
    out[0] = add(n_rows, last);
    out[1] = add(n_rows, 0);
}

int64_t df_halves_most(int n_halves, int64_t n) {
    return (n + n_halves - 1) / n_halves;
}

void df_halves_split(int64_t n_rows[DF_MOST_HALVES], int n_halves, int64_t n) {
    n_rows[0] = df_halves_most(n_halves, n);
    n_rows[1] = n - n_rows[0];
}

df_half_place df_halves_place(const int64_t n_rows[DF_MOST_HALVES], int64_t i) {
    return i < n_rows[0] ? (df_half_place) { 0, i } : (df_half_place) { 1, i - n_rows[0] };
}
