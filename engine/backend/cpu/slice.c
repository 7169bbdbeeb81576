/* Parts of a value: some channels of every position, or some of a row's tokens. Both are copies of one piece out of
 * every line of a table. */
#include <string.h>

#include "engine/backend/cpu/kernel.h"

/* [first, first + count) of every line of `width` elements. */
static void copy_columns(const df_kernel *k, const df_cpu_run *r, int64_t lines, int64_t width, int64_t first,
                         int64_t count) {
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, lines * count);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(lines, parts, part, &begin, &end);
        for (int64_t i = begin; i < end; i++)
            memcpy(df_cpu_to(x, r->out, i * count), df_cpu_from(x, r->in[0], i * width + first),
                   (size_t)count * x->unit);
    }
}

static df_code run_slice(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape x = df_cpu_in_shape(k, 0);
    int64_t width = df_cpu_last_dim(x), lines = r->n_rows * (df_shape_elements(x) / width);
    copy_columns(k, r, lines, width, k->node->attr.slice.first, k->node->attr.slice.count);
    return DF_OK;
}

static df_code run_slice_tokens(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape x = df_cpu_in_shape(k, 0);
    int64_t d = df_cpu_last_dim(x);
    copy_columns(k, r, r->n_rows, df_shape_elements(x), k->node->attr.slice.first * d, k->node->attr.slice.count * d);
    return DF_OK;
}

const df_cpu_op df_cpu_slice = { .run = run_slice };
const df_cpu_op df_cpu_slice_tokens = { .run = run_slice_tokens };
