#include "engine/backend/cpu/kernel.h"

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_cpu_epilogue(k->ctx, r->out, r->in[0], r->n_rows, 1, df_shape_elements(df_cpu_out_shape(k)), NULL, k->node->act,
                    NULL);
    return DF_OK;
}

const df_cpu_op df_cpu_activation = { .run = run, .does_act = true };
