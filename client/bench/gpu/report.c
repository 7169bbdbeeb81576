#include "client/bench/gpu/report.h"

#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *o, const char *name) {
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "";
}

static double number(const json_t *o, const char *name) {
    return json_number_value(json_object_get(o, name));
}

static const json_t *at(const json_t *file, const char *list, size_t i) {
    return json_array_get(json_object_get(file, list), i);
}

static size_t count(const json_t *file, const char *list) {
    return json_array_size(json_object_get(file, list));
}

static bool is_part(const json_t *entry, const char *part) {
    return !strcmp(text(entry, "part"), part);
}

static bool has_part(const json_t *file, const char *part) {
    for (size_t i = 0; i < count(file, "measured"); i++)
        if (is_part(at(file, "measured", i), part)) return true;
    return false;
}

/* "62 %"; "-": not known. */
static void add_share(df_buf *out, double share) {
    if (share > 0)
        df_buf_printf(out, " %.0f %% |", 100 * share);
    else
        df_buf_puts(out, " - |");
}

static void add_number(df_buf *out, double x, const char *format) {
    if (x > 0)
        df_buf_printf(out, format, x);
    else
        df_buf_puts(out, " - |");
}

static double tflops(const json_t *e) {
    return number(e, "flops") / number(e, "seconds") * 1e-12;
}

static double of_peak(const json_t *e) {
    return number(e, "peak_tflops") > 0 ? tflops(e) / number(e, "peak_tflops") : 0;
}

static double of_roofline(const json_t *e) {
    return number(e, "roofline_seconds") / number(e, "seconds");
}

/* the head */

static void add_head(df_buf *out, const json_t *file) {
    const json_t *s = json_object_get(file, "setting"), *peak = json_object_get(s, "peak");
    df_buf_printf(out, "# diffarm on %s\n\n%s, backend `%s`, %s.\n", text(s, "device"), text(s, "software"),
                  text(s, "backend"), text(s, "dtype"));
    if (number(peak, "tensor_tflops") > 0)
        df_buf_printf(out,
                      "Peak%s%s: %.4g TFLOP/s in 16 bits (dense), %.4g TFLOP/s in f32 without tensor cores, %.4g GB/s. "
                      "The roofline is the time that these allow at least for the arithmetic and the bytes of the "
                      "model's own graph: *modelled*, and reached by nothing.\n",
                      *text(s, "type") ? " of " : "", text(s, "type"), number(peak, "tensor_tflops"),
                      number(peak, "vector_tflops"), number(peak, "gigabytes_per_second"));
    else
        df_buf_puts(out, "What the device can do at most is not known (`--peak` tells it): there are no shares.\n");
}

/* pictures and steps */

static double anchor_of(const json_t *file, const json_t *e) {
    const char *type = text(json_object_get(file, "setting"), "type");
    for (size_t i = 0; i < count(file, "modelled"); i++) {
        const json_t *m = at(file, "modelled", i);
        if (!strcmp(text(m, "type"), type) && !strcmp(text(m, "model"), text(e, "model")) &&
            number(m, "width") == number(e, "width") && number(m, "height") == number(e, "height") &&
            number(m, "steps") == number(e, "steps"))
            return number(m, "mlperf_pictures_per_second");
    }
    return 0;
}

static void add_pictures(df_buf *out, const json_t *file) {
    df_buf_puts(out,
                "\n## Pictures a second\n\n| model | setting | micro-batch | measured | TFLOP/s | of peak | roofline "
                "(modelled) | of roofline | MLPerf v5.1, this type |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count(file, "measured"); i++) {
        const json_t *e = at(file, "measured", i);
        if (!is_part(e, "pictures")) continue;
        double roofline = number(e, "roofline_seconds");
        df_buf_printf(out, "| %s%s | %.0fx%.0f, %.0f steps | %.0f | %.4g | %.4g |", text(e, "model"),
                      json_is_true(json_object_get(e, "random_weights")) ? " (random weights)" : "", number(e, "width"),
                      number(e, "height"), number(e, "steps"), number(e, "rows"), 1 / number(e, "seconds"), tflops(e));
        add_share(out, of_peak(e));
        add_number(out, roofline > 0 ? 1 / roofline : 0, " %.3g |");
        add_share(out, of_roofline(e));
        add_number(out, anchor_of(file, e), " %.2f |");
        df_buf_puts(out, "\n");
    }
}

static void add_steps(df_buf *out, const json_t *file) {
    df_buf_puts(out,
                "\n## One denoising step\n\n| network | size | rows | ms, measured | TFLOP/s | of peak | ms, roofline "
                "(modelled) | of roofline |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count(file, "measured"); i++) {
        const json_t *e = at(file, "measured", i);
        if (!is_part(e, "step")) continue;
        df_buf_printf(out, "| %s %s | %.0fx%.0f | %.0f | %.4g | %.4g |", text(e, "model"), text(e, "component"),
                      number(e, "width"), number(e, "height"), number(e, "rows"), 1e3 * number(e, "seconds"),
                      tflops(e));
        add_share(out, of_peak(e));
        add_number(out, 1e3 * number(e, "roofline_seconds"), " %.4g |");
        add_share(out, of_roofline(e));
        df_buf_puts(out, "\n");
    }
}

/* operations */

static double all_seconds(const json_t *e) {
    return number(e, "seconds") * number(e, "nodes");
}

static int by_time(const void *a, const void *b) {
    double x = all_seconds(*(const json_t *const *)a), y = all_seconds(*(const json_t *const *)b);
    return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_same_network(const json_t *a, const json_t *b) {
    static const char *const names[] = { "model", "component", "rows", "width", "height" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!json_equal(json_object_get(a, names[i]), json_object_get(b, names[i]))) return false;
    return is_part(a, "ops") && is_part(b, "ops");
}

static void add_network(df_buf *out, const json_t **ops, size_t n) {
    double total = 0;
    const json_t *first = ops[0];
    for (size_t i = 0; i < n; i++) total += all_seconds(ops[i]);
    qsort(ops, n, sizeof *ops, by_time);
    df_buf_printf(out, "\n### %s %s, %.0fx%.0f, %.0f rows\n\n", text(first, "model"), text(first, "component"),
                  number(first, "width"), number(first, "height"), number(first, "rows"));
    df_buf_printf(out, "%.4g ms in all, each operation by itself.\n\n", 1e3 * total);
    df_buf_puts(out, "| operation | times | us | of all | TFLOP/s | of peak | GB/s | of roofline |\n"
                     "|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        const json_t *e = ops[i];
        df_buf_printf(out, "| %s | %.0f | %.4g | %.1f %% | %.3g |", text(e, "operation"), number(e, "nodes"),
                      1e6 * number(e, "seconds"), 100 * all_seconds(e) / total, tflops(e));
        add_share(out, of_peak(e));
        df_buf_printf(out, " %.4g |", number(e, "bytes") / number(e, "seconds") * 1e-9);
        add_share(out, of_roofline(e));
        df_buf_puts(out, "\n");
    }
}

static void add_operations(df_buf *out, const json_t *file) {
    size_t n = count(file, "measured");
    const json_t **ops = calloc(n + 1, sizeof *ops);
    if (!ops) {
        out->failed = true;
        return;
    }
    df_buf_puts(out, "\n## Operations\n\nOperands that fit the device's cache are found there: bandwidth may come out "
                     "above the memory's.\n");
    for (size_t i = 0; i < n; i++) {
        const json_t *e = at(file, "measured", i);
        size_t n_ops = 0;
        bool seen = !is_part(e, "ops");
        for (size_t k = 0; k < i && !seen; k++) seen = is_same_network(e, at(file, "measured", k));
        for (size_t k = i; k < n && !seen; k++)
            if (is_same_network(e, at(file, "measured", k))) ops[n_ops++] = at(file, "measured", k);
        if (!seen) add_network(out, ops, n_ops);
    }
    free(ops);
}

/* expectations */

static void add_modelled(df_buf *out, const json_t *file) {
    df_buf_puts(out,
                "\n## What types of GPUs could do at most, modelled\n\nBy their rooflines, for the graphs of these "
                "models; nothing reaches it.\n\n| model | setting | micro-batch | "
                "type | pictures/s (modelled) | step, ms (modelled) | MLPerf v5.1, pictures/s |\n"
                "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count(file, "modelled"); i++) {
        const json_t *m = at(file, "modelled", i);
        df_buf_printf(out, "| %s | %.0fx%.0f, %.0f steps | %.0f | %s | %.3g | %.4g |", text(m, "model"),
                      number(m, "width"), number(m, "height"), number(m, "steps"), number(m, "micro_batch"),
                      text(m, "type"), number(m, "pictures_per_second"), 1e3 * number(m, "step_seconds"));
        add_number(out, number(m, "mlperf_pictures_per_second"), " %.2f |");
        df_buf_puts(out, "\n");
    }
}

void df_gpu_report(df_buf *out, const json_t *file, bool operations) {
    if (count(file, "measured")) add_head(out, file);
    if (has_part(file, "pictures")) add_pictures(out, file);
    if (has_part(file, "step")) add_steps(out, file);
    if (has_part(file, "ops") && operations) add_operations(out, file);
    if (count(file, "modelled")) add_modelled(out, file);
}
