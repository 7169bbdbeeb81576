#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/cluster/nccl_farm.h"

#include "cluster/comm_nccl.h"
#include "tests/cluster/nccl_double.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

df_code nccl_farm_open(df_comm **out, int size, df_err *err) {
    const df_comm_nccl_cfg cfg = { .nccl = &nccl_double, .cuda = &gpu_double };
    df_code rc = df_comm_threads_open(out, size, err);
    for (int i = 0; i < size && !rc; i++) rc = df_comm_nccl_open(&out[i], &cfg, err);
    return rc;
}

void nccl_farm_requests(const df_model *m, int side, int first_steps, df_request q[NCCL_FARM_PICTURES]) {
    static const char *const schedulers[NCCL_FARM_PICTURES] = { "euler_a", "ddim", "dpmpp_2m" };
    df_err err;
    for (int i = 0; i < NCCL_FARM_PICTURES; i++) {
        q[i] = (df_request) { .prompt = i ? "ghost" : "red apple", .negative = "", .seed = (uint64_t)i };
        q[i].width = q[i].height = side;
        q[i].steps = first_steps + i;
        q[i].guidance = i == 1 ? 1 : 5;
        if (df_scheduler_named(&q[i].scheduler, schedulers[i], df_model_scheduler_path(m), &err))
            fail_msg("%s", err.text);
    }
}
