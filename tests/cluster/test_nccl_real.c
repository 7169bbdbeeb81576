/* NCCL itself, where there is no GPU: it is found, says its version and makes ids, and that there is no driver in one
 * line. With a GPU the transport's own tests say more (label gpu). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cluster/channels.h"
#include "cluster/comm_nccl.h"
#include "cluster/nccl/api.h"
#include "cluster/nccl/load.h"
#include "engine/backend/cuda/module.h"
#include "engine/backend/cuda/runtime.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

static const df_nccl_api *loaded(void) {
    const df_nccl_api *nccl = NULL;
    df_err err;
    if (df_nccl_load(&nccl, &err)) fail_msg("%s", err.text);
    return nccl;
}

static const df_cuda_runtime_ops *runtime(void) {
    const df_cuda_module *m = NULL;
    df_err err;
    if (df_cuda_module_load(&m, &err)) fail_msg("%s", err.text);
    return m->runtime;
}

static int n_gpus(void) {
    int n = 0;
    return runtime()->device_count(&n) ? 0 : n;
}

static void test_version_and_id(void **state) {
    (void)state;
    int version = 0;
    char text[16];
    ncclUniqueId a, b;
    assert_int_equal(loaded()->version(&version), ncclSuccess);
    assert_true(version >= 21800);
    assert_int_equal(loaded()->unique_id(&a), ncclSuccess);
    assert_int_equal(loaded()->unique_id(&b), ncclSuccess);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_string_equal(df_nccl_version_text(22809, text), "2.28.9");
}

static void test_without_a_driver_there_is_no_communicator(void **state) {
    (void)state;
    if (n_gpus()) skip();
    df_comm *c[2];
    df_err err;
    const df_comm_nccl_cfg cfg = { .nccl = loaded(), .cuda = runtime() };
    assert_int_equal(df_comm_threads_open(c, 2, &err), DF_OK);
    assert_int_equal(df_comm_nccl_open(&c[0], &cfg, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "rank 0: GPU 0: "));
    assert_null(strchr(err.text, '\n'));
    assert_string_equal(c[0]->ops->name, "threads");
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

/* Streams of the double, NCCL's own communicators. */
static void test_without_a_driver_no_link_comes_up(void **state) {
    (void)state;
    if (n_gpus()) skip();
    df_comm *c[2];
    df_comm_request *req = NULL;
    df_err err;
    char byte = 0;
    const df_comm_nccl_cfg cfg = { .nccl = loaded(), .cuda = &gpu_double };
    assert_int_equal(df_comm_threads_open(c, 2, &err), DF_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(df_comm_nccl_open(&c[i], &cfg, &err), DF_OK);
    df_code rc = c[0]->ops->send(c[0], 1, DF_CHANNEL_DATA, &byte, 1, &req, &err);
    for (bool done = false; !rc && !done;) rc = c[0]->ops->test(c[0], &req, &done, &err);
    assert_int_equal(rc, DF_EUNREACHABLE);
    print_message("%s\n", err.text);
    assert_non_null(strstr(err.text, "rank 0: NCCL to rank 1: "));
    assert_null(strchr(err.text, '\n'));
    if (req) c[0]->ops->cancel(c[0], &req);
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_and_id),
        cmocka_unit_test(test_without_a_driver_there_is_no_communicator),
        cmocka_unit_test(test_without_a_driver_no_link_comes_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
