/* diffarm bench WHAT -m MODEL: how long one pass of a component takes, and how much memory. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "client/backend_choice.h"
#include "client/bench/gpu/gpu.h"
#include "client/bench/measure.h"
#include "client/bench/median.h"
#include "client/bench/pipeline.h"
#include "client/bench/scale/scale.h"
#include "client/commands.h"
#include "client/exit_code.h"
#include "engine/adapters/int8_scales.h"

#define GIB (1024.0 * 1024.0 * 1024.0)

/* One line; takes the reference. */
static void print_json(json_t *v) {
    json_dumpf(v, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(v);
}

static void tell_run(const df_bench_options *o, int run, double seconds) {
    if (o->output == DF_OUTPUT_JSON) print_json(json_pack("{s:f}", "seconds", seconds));
    if (o->output == DF_OUTPUT_TEXT) printf("run %-3d %10.4f s\n", run + 1, seconds);
    fflush(stdout);
}

static void tell_ops(const df_bench_options *o, const df_measure *m, double least) {
    df_op_time ops[DF_OP_COUNT];
    df_measure_ops(m, ops);
    for (int op = 0; op < DF_OP_COUNT; op++) {
        if (!(ops[op].seconds > 0)) continue;
        const char *name = df_op_name((df_op)op);
        if (o->output == DF_OUTPUT_JSON)
            print_json(json_pack("{s:s, s:i, s:f}", "op", name, "nodes", ops[op].nodes, "op_seconds", ops[op].seconds));
        if (o->output == DF_OUTPUT_TEXT)
            printf("  %-20s %5d nodes %10.4f s %5.1f %%\n", name, ops[op].nodes, ops[op].seconds,
                   100 * ops[op].seconds / least);
    }
}

static void tell_median(const df_bench_options *o, double median) {
    int64_t rss = df_memory_peak_bytes();
    if (o->output == DF_OUTPUT_JSON)
        print_json(json_pack("{s:f, s:I}", "median", median, "peak_rss_bytes", (json_int_t)rss));
    if (o->output == DF_OUTPUT_TEXT)
        printf("median  %10.4f s, at most %.2f GiB in memory\n", median, (double)rss / GIB);
}

/* Another program measures between our runs: it tells when the machine is ours. False: it needs no more of them. */
static bool wait_for_turn(void) {
    int c;
    while ((c = getchar()) != EOF && c != '\n')
        ;
    return c != EOF;
}

static df_code run_all(const df_bench_options *o, df_measure *m, df_err *err) {
    double *seconds = calloc((size_t)o->runs, sizeof *seconds);
    df_code rc = seconds ? DF_OK : df_err_set(err, DF_ENOMEM, "%d runs", o->runs);
    int runs = 0;
    for (; !rc && runs < o->runs && (!o->in_turns || wait_for_turn()); runs++) {
        rc = df_measure_run(m, &seconds[runs], err);
        if (!rc) tell_run(o, runs, seconds[runs]);
    }
    if (!rc && runs) {
        double median = df_median(seconds, runs);
        if (o->ops) tell_ops(o, m, seconds[0]);
        tell_median(o, median);
    }
    free(seconds);
    return rc;
}

static df_code bench(const df_bench_options *o, df_err *err) {
    char path[PATH_MAX];
    const df_adapter_use scales = { .kind = DF_ADAPTER_INT8_SCALES, .path = path };
    const df_model_options how = {
        .config_dir = o->config_dir, .adapters = &scales, .n_adapters = o->backend_cfg.int8, .tokenizer_optional = true
    }; /* no text is read */
    df_model *model = NULL;
    df_measure *m = NULL;
    df_code rc = o->backend_cfg.int8 ? df_int8_scales_find(path, sizeof path, o->model, o->int8_scales, err) : DF_OK;
    if (!rc) rc = df_model_open_with(&model, o->model, &how, err);
    if (!rc) rc = df_measure_open(&m, model, o, err);
    if (!rc) rc = run_all(o, m, err);
    df_measure_close(&m);
    df_model_close(&model);
    return rc;
}

int df_cmd_bench(int argc, char **argv) {
    df_bench_options o;
    df_err err = { 0 };
    if (argc > 1 && !strcmp(argv[1], "pipeline")) {
        argv[1] = (char *)"diffarm bench pipeline";
        return df_bench_pipeline(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "gpu")) {
        argv[1] = (char *)"diffarm bench gpu";
        return df_bench_gpu(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "scale")) {
        argv[1] = (char *)"diffarm bench scale";
        return df_bench_scale(argc - 1, argv + 1);
    }
    df_bench_options_parse(&o, argc, argv);
    if (df_backend_choose(&o.backend, o.backend_name, o.backend_cfg.gpu, &err))
        return df_exit_without_backend(o.backend_name, &err);
    df_code rc = bench(&o, &err);
    if (!rc) return DF_EXIT_OK;
    fprintf(stderr, "diffarm: error: %s\n", err.text);
    return df_exit_of_run(rc);
}
