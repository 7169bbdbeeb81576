#include "tests/engine/backend/cuda/double/products.h"

#include <string.h>

enum { ROWS = 4, COLUMNS = 16 };

static void tile(float *sum, const float *a, const float *b, int64_t n, int64_t k, int64_t k_all) {
    float s[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; i++) memcpy(s[i], sum + i * n, sizeof s[i]);
    for (int64_t t = 0; t < k; t++)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++) s[i][j] += a[i * k_all + t] * b[t * n + j];
    for (int i = 0; i < ROWS; i++) memcpy(sum + i * n, s[i], sizeof s[i]);
}

static void element(float *sum, const float *a, const float *b, int64_t n, int64_t k) {
    for (int64_t t = 0; t < k; t++) *sum += a[t] * b[t * n];
}

void product_add(float *sum, const float *a, const float *b, int64_t m, int64_t n, int64_t k, int64_t k_all) {
    int64_t whole_m = m / ROWS * ROWS, whole_n = n / COLUMNS * COLUMNS;
    for (int64_t j = 0; j < whole_n; j += COLUMNS)
        for (int64_t i = 0; i < whole_m; i += ROWS) tile(sum + i * n + j, a + i * k_all, b + j, n, k, k_all);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = i < whole_m ? whole_n : 0; j < n; j++) element(sum + i * n + j, a + i * k_all, b + j, n, k);
}
