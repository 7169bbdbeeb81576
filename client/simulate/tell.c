#include "client/simulate/tell.h"

#include <jansson.h>
#include <stdio.h>

#define GIB (1024.0 * 1024.0 * 1024.0)

/* Of the steady state, or of all where there is none. */
static df_time_shares shares_of(const df_timeline *l, int rank) {
    int64_t start = l->start_ns, end = l->end_ns;
    df_timeline_steady(l, &start, &end);
    return df_timeline_shares(l, rank, start, end);
}

/* Mean share of the ranks' time that is computing. */
static double efficiency_of(const df_timeline *l) {
    double sum = 0;
    for (int r = 0; r < l->n_ranks; r++) sum += shares_of(l, r).of[DF_SPAN_COMPUTE];
    return sum / l->n_ranks;
}

static double steady_rows(const df_simulated *s) {
    return s->replicas * s->report->steps_per_second / s->cfg->steps;
}

static void tell_rank(const df_simulated *s, int rank) {
    const df_time_shares t = shares_of(s->report->line, rank);
    printf("  %4d  %7.2f  %7.2f  %7.2f  %7.2f  %7.2f", rank, 100 * t.of[DF_SPAN_COMPUTE], 100 * t.of[DF_SPAN_SAMPLE],
           100 * t.of[DF_SPAN_SEND], 100 * t.of[DF_SPAN_RECEIVE], 100 * t.of[DF_SPAN_WAIT]);
    if (s->cfg->costs->memory_bytes) printf("  %7.3f GiB", (double)s->cfg->costs->memory_bytes[rank] / GIB);
    puts("");
}

void df_simulated_tell(const df_simulated *s) {
    const df_pipesim_cfg *c = s->cfg;
    const df_pipesim_report *r = s->report;
    printf(
        "simulated  %d pipeline%s of %d rank%s%s; %d micro-batch%s of up to %d picture%s in flight; %d pictures of %d "
        "steps, %d row%s a step\n",
        s->replicas, s->replicas == 1 ? "" : "s", c->costs->n_ranks, c->costs->n_ranks == 1 ? "" : "s",
        c->costs->n_halves > 1 ? " in two halves" : "", c->n_slots, c->n_slots == 1 ? "" : "es", c->micro_batch,
        c->micro_batch == 1 ? "" : "s", c->n_rows, c->steps, c->rows_per_step, c->rows_per_step == 1 ? "" : "s");
    printf(
        "pace       %.4g pictures/s in the steady state (%.4g steps/s); %.4g from the first to the last, in %.4g s\n",
        steady_rows(s), s->replicas * r->steps_per_second, s->replicas * r->rows_per_second, r->seconds);
    printf("latency    %.4g s in the median, %.4g s at most, of a picture among the others\n", r->latency_median,
           r->latency_most);
    printf("efficiency %.1f %% of the ranks' time is computing\n", 100 * efficiency_of(r->line));
    printf("  rank  compute  sampler     send  receive     wait %s\n", c->costs->memory_bytes ? "      memory" : "");
    for (int i = 0; i < c->costs->n_ranks; i++) tell_rank(s, i);
}

static json_t *json_of_rank(const df_simulated *s, int rank) {
    const df_time_shares t = shares_of(s->report->line, rank);
    json_t *o = json_pack("{s:i}", "rank", rank);
    for (int k = 0; k < DF_SPAN_THREAD_KINDS; k++)
        json_object_set_new(o, df_span_kind_name((df_span_kind)k), json_real(t.of[k]));
    if (s->cfg->costs->memory_bytes)
        json_object_set_new(o, "memory_bytes", json_integer((json_int_t)s->cfg->costs->memory_bytes[rank]));
    return o;
}

df_code df_simulated_tell_json(const df_simulated *s, df_err *err) {
    const df_pipesim_cfg *c = s->cfg;
    const df_pipesim_report *r = s->report;
    json_t *ranks = json_array();
    for (int i = 0; i < c->costs->n_ranks; i++) json_array_append_new(ranks, json_of_rank(s, i));
    json_t *o =
        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o}",
                  "pipeline", c->costs->n_ranks, "halves", c->costs->n_halves > 1 ? c->costs->n_halves : 1, "replicas",
                  s->replicas, "micro_batch", c->micro_batch, "slots", c->n_slots, "pictures", c->n_rows, "steps",
                  c->steps, "rows_per_step", c->rows_per_step, "seconds", r->seconds, "pictures_per_second",
                  s->replicas * r->rows_per_second, "steady_pictures_per_second", steady_rows(s),
                  "steady_steps_per_second", s->replicas * r->steps_per_second, "latency_median_seconds",
                  r->latency_median, "latency_most_seconds", r->latency_most, "efficiency", efficiency_of(r->line),
                  "passes", (json_int_t)r->n_passes, "messages", (json_int_t)r->n_messages, "ranks", ranks);
    if (!o || json_dumpf(o, stdout, JSON_INDENT(2))) {
        json_decref(o);
        return df_err_set(err, DF_EIO, "simulation: cannot be printed");
    }
    puts("");
    json_decref(o);
    return DF_OK;
}
