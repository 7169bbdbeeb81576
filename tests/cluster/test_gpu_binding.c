/* GPUs of pretended hosts: every rank is a thread with devices of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/gpu_binding.h"
#include "engine/backend/cuda/runtime.h"

enum { RANKS = 4 };

/* What a rank's process sees: GPUs first, first + 1, ... of the machine. */
typedef struct view {
    int n, first;
    bool no_driver;
} view;

static _Thread_local view sees;

static cudaError_t device_count(int *n) {
    *n = sees.n;
    return sees.n ? cudaSuccess : cudaErrorInsufficientDriver;
}

static cudaError_t device_properties(struct cudaDeviceProp *p, int device) {
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "a GPU");
    p->pciBusID = 16 * (1 + sees.first + device);
    p->uuid.bytes[0] = (char)(sees.first + device);
    return cudaSuccess;
}

static const char *error_text(cudaError_t e) {
    return e == cudaErrorInsufficientDriver ? "the driver is too old" : "an error";
}

static cudaError_t driver_version(int *version) {
    *version = sees.no_driver ? 0 : 13000;
    return cudaSuccess;
}

static const df_cuda_runtime_ops cuda = { .driver_version = driver_version,
                                          .device_count = device_count,
                                          .device_properties = device_properties,
                                          .error_text = error_text };

typedef struct rank_run {
    df_comm *comm;
    view sees;
    const char *no_nccl;
    int first;
    df_gpu_bindings b;
    df_code rc;
    df_err err;
    pthread_t thread;
} rank_run;

static void *agree(void *arg) {
    rank_run *r = arg;
    sees = r->sees;
    r->rc = df_gpu_bindings_agree(&r->b, r->comm, &cuda, r->first, r->no_nccl, &r->err);
    return NULL;
}

static void run(rank_run *r, const view *views) {
    df_comm *c[RANKS];
    df_err err;
    assert_int_equal(df_comm_threads_open(c, RANKS, &err), DF_OK);
    for (int i = 0; i < RANKS; i++) {
        r[i].comm = c[i];
        r[i].sees = views[i];
        assert_int_equal(pthread_create(&r[i].thread, NULL, agree, &r[i]), 0);
    }
    for (int i = 0; i < RANKS; i++) pthread_join(r[i].thread, NULL);
    for (int i = 0; i < RANKS; i++) c[i]->ops->close(&c[i]);
}

static void close_all(rank_run *r) {
    for (int i = 0; i < RANKS; i++) df_gpu_bindings_close(&r[i].b);
}

static void test_one_each(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    char text[256], host[64] = "", expected[256];
    run(r, (view[RANKS]) { { .n = 4 }, { .n = 4 }, { .n = 4 }, { .n = 4 } });
    gethostname(host, sizeof host - 1);
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(r[i].rc, DF_OK);
        assert_true(r[i].b.nccl);
        for (int k = 0; k < RANKS; k++) assert_int_equal(r[i].b.of[k].device, k);
    }
    snprintf(expected, sizeof expected, "rank 2 of 4 on %s: GPU 2 of 4 (a GPU, 0000:30:00)", host);
    assert_string_equal(df_gpu_binding_text(&r[1].b, 2, text, sizeof text), expected);
    close_all(r);
}

/* As with srun --gpus-per-task=1, or CUDA_VISIBLE_DEVICES of a wrapper: each sees its own as number 0. */
static void test_each_sees_its_own(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    run(r, (view[RANKS]) { { .n = 1 }, { .n = 1, .first = 1 }, { .n = 1, .first = 2 }, { .n = 1, .first = 3 } });
    for (int i = 0; i < RANKS; i++) {
        assert_true(r[i].b.nccl);
        assert_int_equal(r[i].b.of[i].device, 0);
    }
    close_all(r);
}

static void test_a_shared_one_is_told(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    run(r, (view[RANKS]) { { .n = 2 }, { .n = 2 }, { .n = 2 }, { .n = 2 } });
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(r[i].rc, DF_OK);
        assert_false(r[i].b.nccl);
        assert_non_null(strstr(r[i].b.reason, "ranks 0 and 2 share GPU 0 (0000:10:00) of "));
        assert_string_equal(r[i].b.reason, r[0].b.reason);
    }
    close_all(r);
}

static void test_a_rank_without_nccl(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    r[3].no_nccl = "NCCL is not installed";
    run(r, (view[RANKS]) { { .n = 4 }, { .n = 4 }, { .n = 4 }, { .n = 4 } });
    for (int i = 0; i < RANKS; i++) {
        assert_false(r[i].b.nccl);
        assert_string_equal(r[i].b.reason, "rank 3: NCCL is not installed");
    }
    close_all(r);
}

static void test_a_rank_without_a_gpu_is_told_to_all(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    setenv("CUDA_VISIBLE_DEVICES", "9", 1);
    run(r, (view[RANKS]) { { .n = 4 }, { .n = 4 }, { .n = 0 }, { .n = 4 } });
    unsetenv("CUDA_VISIBLE_DEVICES");
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(r[i].rc, DF_EUNSUPPORTED);
        assert_non_null(strstr(r[i].err.text, "rank 2 on "));
        assert_non_null(strstr(r[i].err.text, "no GPU: the driver is too old (CUDA_VISIBLE_DEVICES is '9')"));
    }
}

/* The second worker of a host says where its ranks begin. */
static void test_workers_part_the_gpus(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    for (int i = 0; i < RANKS; i++) r[i].first = 6;
    run(r, (view[RANKS]) { { .n = 8 }, { .n = 8 }, { .n = 8 }, { .n = 8 } });
    for (int i = 0; i < RANKS; i++) {
        assert_true(r[i].b.nccl);
        assert_int_equal(r[0].b.of[i].device, (6 + i) % 8);
    }
    close_all(r);
}

/* CUDA says of no driver that it is too old. */
static void test_a_host_without_a_driver(void **state) {
    (void)state;
    rank_run r[RANKS] = { 0 };
    run(r, (view[RANKS]) { { .n = 4 }, { .no_driver = true }, { .n = 4 }, { .n = 4 } });
    for (int i = 0; i < RANKS; i++) {
        assert_int_equal(r[i].rc, DF_EUNSUPPORTED);
        assert_non_null(strstr(r[i].err.text, "rank 1 on "));
        assert_non_null(strstr(r[i].err.text, "no GPU: no NVIDIA driver on this host"));
    }
}

static void test_the_launcher_says_which_rank_it_is(void **state) {
    (void)state;
    assert_int_equal(df_gpu_local_rank(), -1);
    setenv("SLURM_LOCALID", "3", 1);
    assert_int_equal(df_gpu_local_rank(), 3);
    setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1", 1); /* mpirun in a job of Slurm's: it has started the ranks */
    assert_int_equal(df_gpu_local_rank(), 1);
    setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1x", 1);
    assert_int_equal(df_gpu_local_rank(), 3);
    unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
    setenv("SLURM_LOCALID", "-2", 1);
    assert_int_equal(df_gpu_local_rank(), -1);
    unsetenv("SLURM_LOCALID");
}

static int no_launcher(void **state) {
    (void)state;
    unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
    unsetenv("SLURM_LOCALID");
    unsetenv("MPI_LOCALRANKID");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_each),
        cmocka_unit_test(test_each_sees_its_own),
        cmocka_unit_test(test_a_shared_one_is_told),
        cmocka_unit_test(test_a_rank_without_nccl),
        cmocka_unit_test(test_a_rank_without_a_gpu_is_told_to_all),
        cmocka_unit_test(test_workers_part_the_gpus),
        cmocka_unit_test(test_a_host_without_a_driver),
        cmocka_unit_test(test_the_launcher_says_which_rank_it_is),
    };
    return cmocka_run_group_tests(tests, no_launcher, NULL);
}
