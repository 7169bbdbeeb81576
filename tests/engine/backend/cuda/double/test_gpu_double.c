/* What the runtime's double finds, each with the same done right beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { BYTES = 256, SEEDS = 12 };

static const df_cuda_runtime_ops *const gpu = &gpu_double;

/* Two streams, memory of a device and of the host, an event. */
typedef struct bench {
    cudaStream_t a, b;
    cudaEvent_t e;
    void *data, *other, *pinned;
} bench;

static bench open_bench(unsigned seed) {
    bench x;
    gpu_double_reset(seed);
    assert_int_equal(gpu->select(0), cudaSuccess);
    assert_int_equal(gpu->stream_create(&x.a) + gpu->stream_create(&x.b) + gpu->event_create(&x.e), cudaSuccess);
    assert_int_equal(gpu->alloc(&x.data, BYTES) + gpu->alloc(&x.other, BYTES), cudaSuccess);
    assert_int_equal(gpu->host_alloc(&x.pinned, BYTES), cudaSuccess);
    return x;
}

static void wait_for_both(const bench *x) {
    gpu->stream_wait(x->a);
    gpu->stream_wait(x->b);
}

static void close_bench(const bench *x) {
    gpu->stream_destroy(x->a);
    gpu->stream_destroy(x->b);
    gpu->event_destroy(x->e);
    gpu->free(x->data);
    gpu->free(x->other);
    gpu->host_free(x->pinned);
}

static void assert_fault(const char *part) {
    if (!strstr(gpu_double_fault(), part)) fail_msg("the fault is \"%s\", not \"%s\"", gpu_double_fault(), part);
}

static void assert_no_fault(const bench *x) {
    close_bench(x);
    assert_string_equal(gpu_double_end(), "");
}

static void test_use_before_ready(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < SEEDS; seed++)
        for (int ordered = 0; ordered < 2; ordered++) {
            bench x = open_bench(seed);
            gpu_double_fill(x.a, x.data, BYTES, 7);
            if (ordered) {
                gpu->event_record(x.e, x.a);
                gpu->stream_wait_event(x.b, x.e);
            }
            gpu_double_expect(x.b, x.data, BYTES, 7);
            wait_for_both(&x);
            if (ordered)
                assert_no_fault(&x);
            else
                assert_true(*gpu_double_fault());
        }
}

static void test_an_event_recorded_too_early(void **state) {
    (void)state;
    bench x = open_bench(1);
    gpu->event_record(x.e, x.a);
    gpu_double_fill(x.a, x.data, BYTES, 7);
    gpu->stream_wait_event(x.b, x.e);
    gpu_double_fill(x.b, x.data, BYTES, 8);
    wait_for_both(&x);
    assert_fault("that are being written by another stream or the host");
}

static void test_freed_in_flight(void **state) {
    (void)state;
    for (int waited = 0; waited < 2; waited++) {
        bench x = open_bench(2);
        void *more;
        gpu->alloc(&more, BYTES);
        gpu_double_fill(x.a, more, BYTES, 1);
        if (waited) gpu->stream_wait(x.a);
        gpu->free(more);
        if (waited)
            assert_no_fault(&x);
        else
            assert_fault("memory is freed in flight");
    }
}

static void test_use_after_free(void **state) {
    (void)state;
    bench x = open_bench(3);
    void *more;
    gpu->alloc(&more, BYTES);
    gpu->free(more);
    gpu_double_fill(x.a, more, BYTES, 1);
    gpu->stream_wait(x.a);
    assert_fault("of memory that was freed");
    x = open_bench(3);
    gpu->alloc(&more, BYTES);
    gpu->free(more);
    gpu->free(more);
    assert_fault("memory is freed twice");
}

static void test_beyond_the_end(void **state) {
    (void)state;
    bench x = open_bench(3);
    gpu_double_fill(x.a, x.data, BYTES + 1, 1);
    gpu->stream_wait(x.a);
    assert_fault("beyond the end of what was allocated");
}

static void test_what_was_destroyed(void **state) {
    (void)state;
    bench x = open_bench(4);
    gpu->event_record(x.e, x.a);
    gpu->event_destroy(x.e);
    assert_int_equal(gpu->stream_wait_event(x.b, x.e), cudaErrorInvalidResourceHandle);
    assert_fault("an event is used that was destroyed");
    x = open_bench(4);
    gpu->stream_destroy(x.b);
    assert_int_equal(gpu->stream_wait(x.b), cudaErrorInvalidResourceHandle);
    assert_fault("a stream is used that was destroyed");
}

static void test_the_host_reads_before_it_waits(void **state) {
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        bench x = open_bench(5);
        memset(x.pinned, 1, BYTES);
        gpu_double_fill(x.a, x.data, BYTES, 7);
        gpu->copy(x.pinned, x.data, BYTES, cudaMemcpyDeviceToHost, x.a);
        gpu->event_record(x.e, x.a);
        if (waits) gpu->event_wait(x.e);
        gpu_double_touch(x.pinned, BYTES, false);
        assert_int_equal(*(char *)x.pinned, waits ? 7 : 1); /* the copy is late */
        gpu->stream_wait(x.a);
        if (waits)
            assert_no_fault(&x);
        else
            assert_fault("writes 256 bytes that are being read");
    }
}

static void test_waits_are_counted(void **state) {
    (void)state;
    bench x = open_bench(5);
    gpu_double_fill(x.a, x.data, BYTES, 7);
    gpu->event_record(x.e, x.a);
    gpu->stream_query(x.a);
    assert_int_equal(gpu_double_waits(), 0);
    gpu->event_wait(x.e);
    gpu->stream_wait(x.a);
    assert_int_equal(gpu_double_waits(), 2);
    assert_no_fault(&x);
}

/* As many as there are clocks for at a time, but more in all. */
static void test_streams_come_and_go(void **state) {
    (void)state;
    bench x = open_bench(5);
    for (int i = 0; i < 1000; i++) {
        cudaStream_t s;
        gpu->stream_create(&s);
        gpu_double_fill(s, x.data, BYTES, i % 100);
        gpu->stream_wait(s);
        gpu->stream_destroy(s);
    }
    assert_no_fault(&x);
}

static void test_an_event_that_was_never_recorded(void **state) {
    (void)state;
    bench x = open_bench(6);
    gpu->stream_wait_event(x.a, x.e);
    assert_fault("wait for an event that was never recorded");
    x = open_bench(6);
    gpu->event_wait(x.e);
    assert_fault("an event is waited for that was never recorded");
}

static void test_memory_never_written(void **state) {
    (void)state;
    bench x = open_bench(7);
    gpu_double_fill(x.a, x.data, BYTES / 2, 1);
    gpu_double_fill(x.a, (char *)x.data + BYTES / 2, BYTES / 2, 1);
    gpu->copy(x.other, x.data, BYTES, cudaMemcpyDeviceToDevice, x.a);
    gpu->stream_wait(x.a);
    assert_no_fault(&x);
    x = open_bench(7);
    gpu_double_fill(x.a, x.data, BYTES - 1, 1);
    gpu->copy(x.other, x.data, BYTES, cudaMemcpyDeviceToDevice, x.a);
    gpu->stream_wait(x.a);
    assert_fault("some of which were never written");
    x = open_bench(7);
    gpu->copy(x.pinned, x.data, BYTES, cudaMemcpyDeviceToHost, x.a);
    gpu->stream_wait(x.a);
    float first;
    memcpy(&first, x.pinned, sizeof first);
    assert_true(first != first);
}

static void test_another_device(void **state) {
    (void)state;
    bench x = open_bench(8);
    cudaStream_t there;
    gpu->select(1);
    gpu->stream_create(&there);
    gpu_double_fill(there, x.data, BYTES, 1);
    gpu->stream_wait(there);
    assert_fault("of GPU 1 writes memory of GPU 0");
}

static void test_leaks(void **state) {
    (void)state;
    void *p;
    cudaStream_t s;
    cudaEvent_t e;
    gpu_double_reset(9);
    gpu->alloc(&p, 100);
    assert_string_equal(gpu_double_end(), "100 bytes of a device's memory are left that were not freed");
    gpu_double_reset(9);
    gpu->host_alloc(&p, 100);
    assert_string_equal(gpu_double_end(), "100 bytes of pinned memory are left that were not freed");
    gpu_double_reset(9);
    gpu->stream_create(&s);
    assert_string_equal(gpu_double_end(), "a stream is left that was not destroyed");
    gpu_double_reset(9);
    gpu->timer_create(&e);
    assert_string_equal(gpu_double_end(), "an event is left that was not destroyed");
}

static void test_memory_of_the_host_that_is_not_pinned(void **state) {
    (void)state;
    bench x = open_bench(10);
    char bytes[BYTES];
    memset(bytes, 3, sizeof bytes);
    gpu->copy(x.data, bytes, BYTES, cudaMemcpyHostToDevice, x.a);
    memset(bytes, 4, sizeof bytes);
    gpu->copy(bytes, x.data, BYTES, cudaMemcpyDeviceToHost, x.a);
    assert_int_equal(bytes[BYTES - 1], 3);
    assert_no_fault(&x);
}

static void test_timers(void **state) {
    (void)state;
    bench x = open_bench(11);
    cudaEvent_t from, to;
    float ms = -1;
    gpu->timer_create(&from);
    gpu->timer_create(&to);
    gpu->event_record(from, x.a);
    gpu_double_fill(x.a, x.data, BYTES, 1);
    gpu->event_record(to, x.a);
    assert_int_equal(gpu->event_elapsed(&ms, from, to), cudaErrorNotReady);
    gpu->event_wait(to);
    assert_int_equal(gpu->event_elapsed(&ms, from, to), cudaSuccess);
    assert_true(ms > 0);
    gpu->event_destroy(from);
    gpu->event_destroy(to);
    assert_no_fault(&x);
}

/* graphs */

static cudaGraphExec_t instantiate(cudaStream_t s) {
    cudaGraph_t g;
    cudaGraphExec_t out;
    assert_int_equal(gpu->capture_end(s, &g), cudaSuccess);
    assert_int_equal(gpu->graph_instantiate(&out, g), cudaSuccess);
    assert_int_equal(gpu->graph_destroy(g), cudaSuccess);
    return out;
}

/* a fills, b reads it beside what a does next, a goes on when b has ended; without some event. */
static cudaGraphExec_t capture_two(bench *x, bool forks) {
    gpu->capture_begin(x->a);
    gpu_double_fill(x->a, x->data, BYTES, 5);
    if (!forks) gpu_double_fill(x->a, x->other, BYTES, 6);
    gpu->event_record(x->e, x->a);
    gpu->stream_wait_event(x->b, x->e);
    if (forks) gpu_double_fill(x->a, x->data, BYTES, 6);
    gpu->copy(x->other, x->data, BYTES, cudaMemcpyDeviceToDevice, x->b);
    gpu->event_record(x->e, x->b);
    gpu->stream_wait_event(x->a, x->e);
    gpu_double_expect(x->a, x->other, BYTES, 5);
    return instantiate(x->a);
}

static void test_graphs_are_replayed(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        bench x = open_bench(seed);
        cudaGraphExec_t g = capture_two(&x, false);
        gpu->stream_wait(x.a);
        gpu_double_fill(x.a, x.data, BYTES, 1); /* nothing has run yet */
        gpu_double_expect(x.a, x.data, BYTES, 1);
        for (int i = 0; i < 3; i++) {
            gpu_double_fill(x.a, x.other, BYTES, 0);
            assert_int_equal(gpu->graph_launch(g, x.a), cudaSuccess);
        }
        gpu->event_record(x.e, x.a);
        gpu->stream_wait_event(x.b, x.e);
        gpu_double_expect(x.b, x.other, BYTES, 5);
        wait_for_both(&x);
        gpu->graph_exec_destroy(g);
        assert_no_fault(&x);
    }
}

static void test_branches_of_a_graph_are_not_ordered(void **state) {
    (void)state;
    bench x = open_bench(1);
    cudaGraphExec_t g = capture_two(&x, true);
    gpu->graph_launch(g, x.a);
    gpu->stream_wait(x.a);
    assert_fault("another stream or the host");
}

static void test_a_graph_beside_a_stream(void **state) {
    (void)state;
    bench x = open_bench(1);
    cudaGraphExec_t g = capture_two(&x, false);
    gpu->graph_launch(g, x.a);
    gpu_double_expect(x.b, x.other, BYTES, 5);
    wait_for_both(&x);
    assert_true(*gpu_double_fault());
}

static void test_a_graph_with_stale_pointers(void **state) {
    (void)state;
    bench x = open_bench(1);
    cudaGraphExec_t g = capture_two(&x, false);
    gpu->free(x.other);
    gpu->alloc(&x.other, BYTES);
    gpu->graph_launch(g, x.a);
    gpu->stream_wait(x.a);
    assert_fault("of memory that was freed");
}

static void test_what_a_capture_forbids(void **state) {
    (void)state;
    void *p;
    static const char *const found[] = { "a stream is waited for", "an event is asked for", "memory is allocated",
                                         "memory is freed", "memory is allocated" };
    for (int i = 0; i < 5; i++) {
        bench x = open_bench(2);
        gpu->event_record(x.e, x.b);
        gpu->capture_begin(x.a);
        cudaError_t e = i == 0   ? gpu->stream_wait(x.a)
                        : i == 1 ? gpu->event_query(x.e)
                        : i == 2 ? gpu->alloc(&p, 4)
                        : i == 3 ? gpu->free(x.data)
                                 : gpu->host_alloc(&p, 4);
        assert_int_equal(e, cudaErrorStreamCaptureUnsupported);
        assert_int_equal(gpu->last_error(), cudaErrorStreamCaptureUnsupported);
        assert_fault(found[i]);
        assert_fault("while a stream is captured");
    }
}

static void test_captures_that_fail(void **state) {
    (void)state;
    cudaGraph_t g;
    bench x = open_bench(3);
    gpu->capture_begin(x.a);
    gpu->event_record(x.e, x.a);
    gpu->stream_wait_event(x.b, x.e);
    gpu_double_fill(x.b, x.data, BYTES, 5);
    assert_int_equal(gpu->capture_end(x.a, &g), cudaErrorStreamCaptureUnjoined);
    assert_fault("before its other streams have come back");
    x = open_bench(3);
    gpu->event_record(x.e, x.b);
    gpu->capture_begin(x.a);
    assert_int_equal(gpu->stream_wait_event(x.a, x.e), cudaErrorStreamCaptureIsolation);
    assert_fault("an event from before the capture");
    assert_int_equal(gpu->capture_end(x.a, &g), cudaErrorStreamCaptureInvalidated);
    x = open_bench(3);
    gpu->capture_begin(x.a);
    gpu->event_record(x.e, x.a);
    cudaGraphExec_t exec = instantiate(x.a);
    gpu->event_wait(x.e);
    assert_fault("that was recorded while its stream was captured");
    gpu->graph_exec_destroy(exec);
    x = open_bench(3);
    gpu->capture_begin(x.a);
    gpu_double_fill(x.a, x.data, BYTES, 5);
    exec = instantiate(x.a);
    close_bench(&x);
    assert_string_equal(gpu_double_end(), "an instantiated graph is left that was not destroyed");
}

/* machines */

static void assert_count(gpu_machine m, cudaError_t wanted, int n) {
    int got = -1;
    gpu_double_reset(1);
    gpu_double_machine(&m);
    assert_int_equal(gpu->device_count(&got), wanted);
    assert_int_equal(got, n);
}

static void test_machines(void **state) {
    (void)state;
    gpu_machine m = gpu_machine_usual;
    cudaStream_t s;
    int version;
    m.n_devices = 2;
    assert_count(m, cudaSuccess, 2);
    assert_int_equal(gpu->select(2), cudaErrorInvalidDevice);
    struct cudaDeviceProp p;
    assert_int_equal(gpu->device_properties(&p, 1), cudaSuccess);
    assert_int_equal(p.major, 9);
    m.n_devices = 0;
    assert_count(m, cudaErrorNoDevice, 0);
    m.driver = 11080;
    assert_count(m, cudaErrorInsufficientDriver, 0);
    assert_int_equal(gpu->driver_version(&version), cudaSuccess);
    assert_int_equal(version, 11080);
    assert_int_equal(gpu->stream_create(&s), cudaErrorInsufficientDriver);
    assert_int_equal(gpu->last_error(), cudaErrorInsufficientDriver);
    assert_int_equal(gpu->last_error(), cudaSuccess);
}

static void test_memory_ends(void **state) {
    (void)state;
    gpu_machine m = gpu_machine_usual;
    size_t free_bytes, total;
    void *a, *b;
    m.memory = 1000;
    gpu_double_reset(1);
    gpu_double_machine(&m);
    assert_int_equal(gpu->alloc(&a, 600), cudaSuccess);
    assert_int_equal(gpu->memory_info(&free_bytes, &total), cudaSuccess);
    assert_int_equal(free_bytes, 400);
    assert_int_equal(total, 1000);
    assert_int_equal(gpu->alloc(&b, 401), cudaErrorMemoryAllocation);
    gpu->free(a);
    assert_int_equal(gpu->alloc(&b, 401), cudaSuccess);
    m.refused = 2;
    gpu_double_machine(&m);
    assert_int_equal(gpu->alloc(&a, 1), cudaSuccess);
    gpu->free(a);
    assert_int_equal(gpu->host_alloc(&a, 1), cudaErrorMemoryAllocation);
    gpu->free(b);
    assert_string_equal(gpu_double_end(), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_use_before_ready),
        cmocka_unit_test(test_an_event_recorded_too_early),
        cmocka_unit_test(test_freed_in_flight),
        cmocka_unit_test(test_use_after_free),
        cmocka_unit_test(test_beyond_the_end),
        cmocka_unit_test(test_what_was_destroyed),
        cmocka_unit_test(test_the_host_reads_before_it_waits),
        cmocka_unit_test(test_waits_are_counted),
        cmocka_unit_test(test_streams_come_and_go),
        cmocka_unit_test(test_an_event_that_was_never_recorded),
        cmocka_unit_test(test_memory_never_written),
        cmocka_unit_test(test_another_device),
        cmocka_unit_test(test_leaks),
        cmocka_unit_test(test_memory_of_the_host_that_is_not_pinned),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_graphs_are_replayed),
        cmocka_unit_test(test_branches_of_a_graph_are_not_ordered),
        cmocka_unit_test(test_a_graph_beside_a_stream),
        cmocka_unit_test(test_a_graph_with_stale_pointers),
        cmocka_unit_test(test_what_a_capture_forbids),
        cmocka_unit_test(test_captures_that_fail),
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
