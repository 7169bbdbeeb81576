#include "engine/backend/cpu/kernel.h"

/* A product of two values is one vector gated by another. */
static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    int64_t elements = r->n_rows * df_shape_elements(df_cpu_out_shape(k));
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, elements);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(elements, parts, part, &begin, &end);
        x->simd->gate(df_cpu_to(x, r->out, begin), df_cpu_from(x, r->in[0], begin), 1, end - begin,
                      df_cpu_from(x, r->in[1], begin), NULL);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_mul = { .run = run };
