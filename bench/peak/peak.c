/* peak [THREADS [ROUNDS]]: what the cores and the memory of this machine can do, the yardstick of shares of peak.
 *
 * Prints one JSON line: multiply-add throughput in f32, bf16 and int8 (a multiply-add counts as 2 operations; 0 where
 * the processor has no such instruction), and bandwidth of reading and of copying (bytes read and bytes written),
 * medians over the rounds, kinds in turns. THREADS: all cores this process may use.
 *
 * The loops hold enough independent accumulators in registers to cover the latency of the units: 24 of AVX-512's 32
 * registers, 12 of AVX2's 16. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 256, MAX_ROUNDS = 99, BUFFER_BYTES = 64 << 20, PASSES = 3 };
static const int64_t iterations = 2000000;

#define UNROLL _Pragma("GCC unroll 24")

/* Runs `instruction` on n_accumulators registers, `iterations` times; returns how many instructions that was. */
#define MULTIPLY_ADD(name, isa, vector, one, n_accumulators, instruction)                                              \
    __attribute__((target(isa))) static double name(void) {                                                            \
        vector x = one, sum[n_accumulators];                                                                           \
        UNROLL for (int i = 0; i < n_accumulators; i++) sum[i] = x;                                                    \
        for (int64_t k = 0; k < iterations; k++) {                                                                     \
            UNROLL for (int i = 0; i < n_accumulators;                                                                 \
                        i++) __asm__ volatile(instruction " %1, %1, %0" : "+v"(sum[i]) : "v"(x));                      \
        }                                                                                                              \
        return (double)iterations * n_accumulators;                                                                    \
    }

MULTIPLY_ADD(f32_avx2, "avx2,fma", __m256, _mm256_set1_ps(1), 12, "vfmadd231ps")
MULTIPLY_ADD(f32_avx512, "avx512f", __m512, _mm512_set1_ps(1), 24, "vfmadd231ps")
MULTIPLY_ADD(bf16_avx512, "avx512f,avx512bf16", __m512i, _mm512_set1_epi32(0x3f803f80), 24, "vdpbf16ps")
MULTIPLY_ADD(int8_avx512, "avx512f,avx512bw,avx512vnni", __m512i, _mm512_set1_epi8(1), 24, "vpdpbusd")

static double measure_f32(char *a, char *b) {
    (void)a, (void)b;
    if (__builtin_cpu_supports("avx512f")) return 2 * 16 * f32_avx512();
    return __builtin_cpu_supports("fma") ? 2 * 8 * f32_avx2() : 0;
}

static double measure_bf16(char *a, char *b) {
    (void)a, (void)b;
    return __builtin_cpu_supports("avx512bf16") ? 2 * 32 * bf16_avx512() : 0;
}

static double measure_int8(char *a, char *b) {
    (void)a, (void)b;
    return __builtin_cpu_supports("avx512vnni") ? 2 * 64 * int8_avx512() : 0;
}

static double measure_read(char *a, char *b) {
    typedef uint64_t wide __attribute__((vector_size(64)));
    wide sum[4] = { { 0 } };
    for (int pass = 0; pass < PASSES; pass++)
        for (size_t i = 0; i < BUFFER_BYTES; i += sizeof sum)
            for (size_t k = 0; k < 4; k++) sum[k] += *(const wide *)(a + i + k * sizeof(wide));
    memcpy(b, sum, sizeof sum);
    return (double)PASSES * BUFFER_BYTES;
}

static double measure_copy(char *a, char *b) {
    for (int pass = 0; pass < PASSES; pass++) {
        memcpy(b, a, BUFFER_BYTES);
        __asm__ volatile("" ::: "memory");
    }
    return 2.0 * PASSES * BUFFER_BYTES;
}

static const struct {
    const char *name;
    double (*measure)(char *a, char *b); /* operations or bytes of one thread */
} kinds[] = {
    { "f32_gflops", measure_f32 }, { "bf16_gflops", measure_bf16 }, { "int8_gops", measure_int8 },
    { "read_gbs", measure_read },  { "copy_gbs", measure_copy },
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    size_t kind;
    char *a, *b; /* BUFFER_BYTES each */
    double work, seconds;
} worker;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *run(void *arg) {
    worker *w = arg;
    pthread_barrier_wait(w->start);
    double start = now();
    w->work = kinds[w->kind].measure(w->a, w->b);
    w->seconds = now() - start;
    return NULL;
}

/* 1e9 a second of all threads together; the slowest thread counts. */
static double throughput(worker *w, int n, size_t kind) {
    pthread_barrier_t start;
    double work = 0, seconds = 0;
    pthread_barrier_init(&start, NULL, (unsigned)n);
    for (int i = 0; i < n; i++) {
        w[i].kind = kind;
        w[i].start = &start;
        if (pthread_create(&w[i].thread, NULL, run, &w[i])) exit(1);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(w[i].thread, NULL);
        work += w[i].work;
        if (w[i].seconds > seconds) seconds = w[i].seconds;
    }
    pthread_barrier_destroy(&start);
    return work / seconds * 1e-9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : cores(), rounds = argc > 2 ? atoi(argv[2]) : 7;
    static worker w[MAX_THREADS];
    static double results[N_KINDS][MAX_ROUNDS];
    if (n < 1 || n > MAX_THREADS || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: peak [THREADS (1 to %d) [ROUNDS (1 to %d)]]\n", MAX_THREADS, MAX_ROUNDS);
        return 2;
    }
    for (int i = 0; i < n; i++) {
        w[i].a = aligned_alloc(64, BUFFER_BYTES);
        w[i].b = aligned_alloc(64, BUFFER_BYTES);
        if (!w[i].a || !w[i].b) {
            fprintf(stderr, "peak: no memory\n");
            return 1;
        }
        memset(w[i].a, 1, BUFFER_BYTES);
        memset(w[i].b, 1, BUFFER_BYTES);
    }
    for (int round = 0; round < rounds; round++)
        for (size_t kind = 0; kind < N_KINDS; kind++) results[kind][round] = throughput(w, n, kind);
    printf("{\"threads\": %d", n);
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        qsort(results[kind], (size_t)rounds, sizeof **results, by_value);
        printf(", \"%s\": %.1f", kinds[kind].name, results[kind][rounds / 2]);
    }
    printf("}\n");
    for (int i = 0; i < n; i++) {
        free(w[i].a);
        free(w[i].b);
    }
    return 0;
}
