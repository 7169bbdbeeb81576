/* A timeline as a Chrome trace: "Trace Event Format", Google 2016. Times are microseconds from the first span. */
#include <inttypes.h>

#include "base/buf.h"
#include "base/file.h"
#include "cluster/timeline.h"
#include "engine/models/model.h"

static void put_us(df_buf *b, const char *key, int64_t ns) {
    df_buf_printf(b, ",\"%s\":%" PRId64 ".%03d", key, ns / 1000, (int)(ns % 1000));
}

static void put_name(df_buf *b, const df_span *s) {
    if (s->component < 0)
        df_buf_printf(b, "\"name\":\"%s\"", df_span_kind_name((df_span_kind)s->kind));
    else if (s->component < DF_DENOISER)
        df_buf_printf(b, "\"name\":\"%s\"", df_component_name((df_component)s->component));
    else
        df_buf_printf(b, "\"name\":\"%s %dx%d\"", df_component_name((df_component)s->component), s->latent_w,
                      s->latent_h);
}

static void put_args(df_buf *b, const df_span *s) {
    df_buf_printf(b, ",\"args\":{\"command\":%" PRId64 ",\"slot\":%d,\"rows\":%d,\"segment\":%d", s->command, s->slot,
                  s->n_rows, s->segment);
    if (s->first_step >= 0) df_buf_printf(b, ",\"steps\":[%d,%d]", s->first_step, s->last_step);
    if (s->kind >= DF_SPAN_THREAD_KINDS) df_buf_printf(b, ",\"peer\":%d,\"bytes\":%" PRId64, s->peer, s->bytes);
    df_buf_puts(b, "}");
}

static void put_event(df_buf *b, const char *phase, int rank, const df_span *s, int64_t at_ns) {
    df_buf_printf(b, ",\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":0,\"cat\":\"%s\",", phase, rank,
                  df_span_kind_name((df_span_kind)s->kind));
    put_name(b, s);
    put_us(b, "ts", at_ns);
}

static void put_thread_span(df_buf *b, int rank, const df_span *s, int64_t zero_ns) {
    put_event(b, "X", rank, s, s->start_ns - zero_ns);
    put_us(b, "dur", s->end_ns - s->start_ns);
    if (s->component >= 0) put_args(b, s);
    df_buf_puts(b, "}");
}

/* An asynchronous pair: such may overlap. */
static void put_message(df_buf *b, int rank, const df_span *s, int64_t zero_ns, int64_t id) {
    put_event(b, "b", rank, s, s->start_ns - zero_ns);
    df_buf_printf(b, ",\"id\":%" PRId64, id);
    put_args(b, s);
    df_buf_puts(b, "}");
    put_event(b, "e", rank, s, s->end_ns - zero_ns);
    df_buf_printf(b, ",\"id\":%" PRId64 "}", id);
}

static void put_rank(df_buf *b, const df_timeline *l, int rank, int64_t *id) {
    df_buf_printf(b, "%s{\"ph\":\"M\",\"pid\":%d,\"tid\":0,\"name\":\"process_name\",\"args\":{\"name\":\"rank %d\"}}",
                  rank ? ",\n" : "", rank, rank);
    df_buf_printf(b, ",\n{\"ph\":\"M\",\"pid\":%d,\"tid\":0,\"name\":\"thread_name\",\"args\":{\"name\":\"work\"}}",
                  rank);
    for (int64_t i = 0; i < l->rank[rank].n_spans; i++) {
        const df_span *s = &l->rank[rank].spans[i];
        if (s->kind < DF_SPAN_THREAD_KINDS)
            put_thread_span(b, rank, s, l->start_ns);
        else
            put_message(b, rank, s, l->start_ns, ++*id);
    }
}

static void put_shares(df_buf *b, const df_timeline *l, int rank, int64_t start_ns, int64_t end_ns) {
    const df_rank_line *k = &l->rank[rank];
    df_time_shares s = df_timeline_shares(l, rank, start_ns, end_ns);
    df_buf_printf(b, "%s\n{\"rank\":%d", rank ? "," : "", rank);
    for (int i = 0; i < DF_SPAN_THREAD_KINDS; i++)
        df_buf_printf(b, ",\"%s\":%.6f", df_span_kind_name((df_span_kind)i), s.of[i]);
    df_buf_printf(b, ",\"other\":%.6f,\"spans\":%" PRId64 ",\"dropped\":%" PRId64, s.other, k->n_spans, k->n_dropped);
    df_buf_printf(b, ",\"clock_ahead_ns\":[%" PRId64 ",%" PRId64 "],\"clock_round_trip_ns\":[%" PRId64 ",%" PRId64 "]}",
                  k->first.ahead_ns, k->last.ahead_ns, k->first.round_trip_ns, k->last.round_trip_ns);
}

static void put_summary(df_buf *b, const df_timeline *l) {
    int64_t start = l->start_ns, end = l->end_ns;
    bool steady = df_timeline_steady(l, &start, &end);
    df_buf_printf(b, "\"diffarm\":{\"shares_of\":\"%s\"", steady ? "steady state" : "all");
    put_us(b, "from_us", start - l->start_ns);
    put_us(b, "to_us", end - l->start_ns);
    df_buf_puts(b, ",\"ranks\":[");
    for (int r = 0; r < l->n_ranks; r++) put_shares(b, l, r, start, end);
    df_buf_puts(b, "]}");
}

df_code df_timeline_write(const df_timeline *l, const char *path, df_err *err) {
    df_buf b = { 0 };
    int64_t id = 0;
    df_buf_puts(&b, "{\"displayTimeUnit\":\"ms\",\n");
    put_summary(&b, l);
    df_buf_puts(&b, ",\n\"traceEvents\":[\n");
    for (int r = 0; r < l->n_ranks; r++) put_rank(&b, l, r, &id);
    df_buf_puts(&b, "\n]}\n");
    df_code rc = b.failed ? df_err_set(err, DF_ENOMEM, "%s: a trace", path) : df_file_write(path, b.data, b.len, err);
    df_buf_free(&b);
    return rc;
}

df_code df_timeline_write_empty(const char *path, df_err *err) {
    static const char text[] = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[]}\n";
    return df_file_write(path, text, sizeof text - 1, err);
}
