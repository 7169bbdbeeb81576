#include "tests/coordinator/bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fts.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"

enum { N_PNGS = 4096, SIDE = 64 };

/* folders */

char *bench_temp_dir(void) {
    char *dir = strdup("/tmp/df-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

char *bench_memory_dir(void) {
    if (access("/dev/shm", W_OK)) return bench_temp_dir();
    char *dir = strdup("/dev/shm/df-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

void bench_remove(char *dir) {
    assert_int_equal(df_file_remove_tree(dir, NULL), DF_OK);
    free(dir);
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_file(df_sha256 *hash, const char *path) {
    char *data;
    size_t bytes;
    assert_int_equal(df_file_read(path, 64 << 20, &data, &bytes, NULL), DF_OK);
    df_sha256_add(hash, data, bytes);
    free(data);
}

void bench_tree_hash(const char *dir, const char *except, char *hex) {
    char *roots[] = { (char *)dir, NULL };
    df_sha256 *hash = df_sha256_new();
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    for (FTSENT *e; (e = fts_read(walk));) {
        if (e->fts_info == FTS_DP || (except && !strcmp(e->fts_name, except))) continue;
        const char *relative = e->fts_path + strlen(dir);
        df_sha256_add(hash, relative, strlen(relative) + 1);
        if (e->fts_info == FTS_F) add_file(hash, e->fts_path);
    }
    fts_close(walk);
    df_sha256_end(&hash, hex);
}

char *bench_read(const char *dir, const char *name) {
    char path[4096], *data;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return df_file_read(path, 64 << 20, &data, &bytes, NULL) ? NULL : data;
}

bool bench_exists(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return !access(path, F_OK);
}

void bench_copy_store(const char *from_dir, const char *to_dir) {
    static const char *const names[] = { "farm.db", "farm.db-wal" };
    for (size_t i = 0; i < 2; i++) {
        char from[4096], to[4096], *data;
        size_t bytes;
        snprintf(from, sizeof from, "%s/%s", from_dir, names[i]);
        snprintf(to, sizeof to, "%s/%s", to_dir, names[i]);
        unlink(to);
        if (df_file_read(from, 64 << 20, &data, &bytes, NULL)) continue;
        FILE *f = fopen(to, "wb");
        assert_int_equal(fwrite(data, 1, bytes, f), bytes);
        fclose(f);
        free(data);
    }
}

/* rows, jobs, pictures */

static void put_big_endian(uint8_t *p, uint64_t v, int n) {
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

/* Around data that are in place already. */
static uint8_t *close_chunk(uint8_t *p, const char *name, uint32_t bytes) {
    put_big_endian(p, bytes, 4);
    memcpy(p + 4, name, 4);
    put_big_endian(p + 8 + bytes, libdeflate_crc32(0, p + 4, bytes + 4), 4);
    return p + 12 + bytes;
}

void bench_large_png(uint8_t *out, size_t bytes, uint64_t row, uint32_t width, uint32_t height) {
    static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    memset(out, 0, bytes);
    memcpy(out, signature, sizeof signature);
    uint8_t *p = out + sizeof signature;
    put_big_endian(p + 8, width, 4);
    put_big_endian(p + 12, height, 4);
    p = close_chunk(p, "IHDR", 13);
    put_big_endian(p + 8, row, 8);
    p = close_chunk(p, "IDAT", (uint32_t)(bytes - BENCH_PNG_BYTES) + 8);
    close_chunk(p, "IEND", 0);
}

void bench_png(uint8_t out[BENCH_PNG_BYTES], uint64_t row, uint32_t width, uint32_t height) {
    bench_large_png(out, BENCH_PNG_BYTES, row, width, height);
}

void bench_row(Diffarm__Row *row, uint64_t number) {
    static char prompts[64][32];
    char *prompt = prompts[number % 64];
    diffarm__row__init(row);
    snprintf(prompt, sizeof prompts[0], "prompt %" PRIu64, number);
    row->row = number;
    row->line = number + 1;
    row->prompt = prompt;
    row->seed = 1000 + number;
    row->width = row->height = SIDE;
    row->steps = 4;
    row->guidance = 7.5;
    row->task = (char *)"txt2img";
}

void bench_spec(Diffarm__JobSpec *spec, const char *job_id, const char *out_dir) {
    diffarm__job_spec__init(spec);
    spec->job_id = (char *)job_id;
    spec->title = (char *)"test.jsonl";
    spec->out_dir = (char *)out_dir;
    spec->model_path = (char *)"/models/a";
    spec->model_name = (char *)"a";
    spec->model_sha256 = (char *)MODEL_A;
    spec->dtype = (char *)"f32";
    spec->noise = (char *)"torch-cpu";
    spec->format = (char *)"png";
    spec->manifest_sha256 = (char *)"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
}

/* a farm without a socket */

static Diffarm__Message *copy_of(const Diffarm__Message *msg) {
    size_t n = diffarm__message__get_packed_size(msg);
    uint8_t *packed = malloc(n + 1);
    diffarm__message__pack(msg, packed);
    Diffarm__Message *copy = diffarm__message__unpack(NULL, n, packed);
    free(packed);
    assert_non_null(copy);
    return copy;
}

static df_code keep_sent(void *ctx, const void *to, size_t to_bytes, const Diffarm__Message *msg, df_err *err) {
    bench *b = ctx;
    bench_sent *s = calloc(1, sizeof *s);
    assert_true(to_bytes < sizeof s->to);
    memcpy(s->to, to, to_bytes);
    if (b->unreachable && !strcmp(b->unreachable, s->to)) {
        free(s);
        return df_err_set(err, DF_EUNREACHABLE, "peer is gone");
    }
    s->msg = copy_of(msg);
    *b->sent_end = s;
    b->sent_end = &s->next;
    return DF_OK;
}

static void open_farm(bench *b) {
    df_err err;
    df_wire_out wire = { b, keep_sent };
    if (df_farm_open(&b->farm, &b->cfg, &wire, b->now_ms, &err)) fail_msg("%s", err.text);
}

bench *bench_open(void) {
    return bench_open_at(bench_temp_dir());
}

bench *bench_open_at(char *dir) {
    bench *b = calloc(1, sizeof *b);
    df_err err;
    b->dir = dir;
    b->format = "png";
    assert_true(asprintf(&b->state, "%s/state", b->dir) > 0);
    assert_true(asprintf(&b->out, "%s/out", b->dir) > 0);
    assert_int_equal(df_file_mkdirs(b->state, &err), DF_OK);
    b->cfg = df_coordinator_cfg_default();
    b->cfg.state_dir = b->state;
    b->now_ms = 1000000;
    b->sent_end = &b->sent;
    b->pngs = calloc(N_PNGS, sizeof *b->pngs);
    open_farm(b);
    return b;
}

void bench_forget(bench *b) {
    for (bench_sent *s = b->sent, *next; s; s = next) {
        next = s->next;
        diffarm__message__free_unpacked(s->msg, NULL);
        free(s);
    }
    b->sent = NULL;
    b->sent_end = &b->sent;
}

void bench_close(bench *b) {
    df_farm_close(&b->farm);
    bench_forget(b);
    bench_remove(b->dir);
    free(b->state);
    free(b->out);
    free(b->pngs);
    free(b);
}

void bench_restart(bench *b) {
    df_farm_close(&b->farm);
    bench_forget(b);
    open_farm(b);
}

void bench_say(bench *b, const char *from, Diffarm__Message msg, const void *blob, size_t blob_bytes) {
    df_wire_in in = { .version = DF_PROTOCOL_VERSION, .identity_bytes = strlen(from) };
    memcpy(in.identity, from, in.identity_bytes);
    in.msg = copy_of(&msg);
    in.blob = (void *)blob;
    in.blob_bytes = blob_bytes;
    df_farm_take(b->farm, &in, b->now_ms);
    df_wire_in_free(&in);
    df_farm_turn(b->farm, b->now_ms);
}

void bench_wait(bench *b, int64_t ms) {
    for (int64_t end = b->now_ms + ms; b->now_ms < end;) {
        b->now_ms += 200 < end - b->now_ms ? 200 : end - b->now_ms;
        df_farm_turn(b->farm, b->now_ms);
    }
}

/* Heard messages go to the end of a list that is freed with the bench: simpler than telling every test to free. */
Diffarm__Message *bench_heard(bench *b, const char *to, Diffarm__Message__BodyCase kind) {
    for (bench_sent *s = b->sent; s; s = s->next)
        if (!strcmp(s->to, to) && s->msg->body_case == kind) {
            snprintf(s->to, sizeof s->to, "(heard)");
            return s->msg;
        }
    return NULL;
}

size_t bench_count(const bench *b, const char *to, Diffarm__Message__BodyCase kind) {
    size_t n = 0;
    for (const bench_sent *s = b->sent; s; s = s->next) n += !strcmp(s->to, to) && s->msg->body_case == kind;
    return n;
}

/* conversations */

static char last_text[1200];

const char *bench_text(const bench *b) {
    (void)b;
    return last_text;
}

static df_code replied(bench *b) {
    Diffarm__Message *m = bench_heard(b, "client", DIFFARM__MESSAGE__BODY_REPLY);
    assert_non_null(m);
    snprintf(last_text, sizeof last_text, "%s", m->reply->text);
    return (df_code)m->reply->code;
}

df_code bench_begin(bench *b, const char *job_id, const char *out_dir) {
    Diffarm__JobSpec spec;
    Diffarm__SubmitBegin begin = DIFFARM__SUBMIT_BEGIN__INIT;
    bench_spec(&spec, job_id, out_dir);
    spec.format = (char *)b->format;
    spec.priority = b->priority;
    spec.shared_sink = b->shared_sink;
    begin.job = &spec;
    bench_say(b, "client", DF_WIRE_MESSAGE(SUBMIT_BEGIN, submit_begin, &begin), NULL, 0);
    return replied(b);
}

df_code bench_rows(bench *b, const char *job_id, uint64_t batch, Diffarm__Row **rows, size_t n) {
    Diffarm__SubmitRows out = DIFFARM__SUBMIT_ROWS__INIT;
    out.job_id = (char *)job_id;
    out.batch = batch;
    out.rows = rows;
    out.n_rows = n;
    bench_say(b, "client", DF_WIRE_MESSAGE(SUBMIT_ROWS, submit_rows, &out), NULL, 0);
    return replied(b);
}

df_code bench_end(bench *b, const char *job_id, uint64_t n_rows) {
    Diffarm__SubmitEnd end = DIFFARM__SUBMIT_END__INIT;
    end.job_id = (char *)job_id;
    end.n_rows = n_rows;
    bench_say(b, "client", DF_WIRE_MESSAGE(SUBMIT_END, submit_end, &end), NULL, 0);
    return replied(b);
}

df_code bench_submit(bench *b, const char *job_id, const char *out_dir, uint64_t n_rows,
                     void (*change)(Diffarm__Row *row)) {
    df_code rc = bench_begin(b, job_id, out_dir);
    for (uint64_t i = 0; i < n_rows && !rc; i++) {
        Diffarm__Row row, *rows[] = { &row };
        bench_row(&row, i);
        if (change) change(&row);
        rc = bench_rows(b, job_id, i, rows, 1);
    }
    return rc ? rc : bench_end(b, job_id, n_rows);
}

df_code bench_cancel(bench *b, const char *job_id) {
    Diffarm__JobCancel cancel = DIFFARM__JOB_CANCEL__INIT;
    cancel.job_id = (char *)job_id;
    bench_say(b, "client", DF_WIRE_MESSAGE(JOB_CANCEL, job_cancel, &cancel), NULL, 0);
    return replied(b);
}

df_code bench_control(bench *b, const char *job_id, Diffarm__JobControl__Action action) {
    Diffarm__JobControl control = DIFFARM__JOB_CONTROL__INIT;
    control.job_id = (char *)job_id;
    control.action = action;
    bench_say(b, "client", DF_WIRE_MESSAGE(JOB_CONTROL, job_control, &control), NULL, 0);
    return replied(b);
}

void bench_hello(bench *b, const char *worker, const char *model, const char *held) {
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    Diffarm__ModelOffer offer = DIFFARM__MODEL_OFFER__INIT, *offers[] = { &offer };
    char *tokens[] = { (char *)held };
    hello.role = DIFFARM__HELLO__ROLE__WORKER;
    hello.worker_id = hello.name = (char *)worker;
    hello.any_model = !model;
    offer.sha256 = (char *)model;
    if (model) hello.models = offers, hello.n_models = 1;
    if (held) hello.leases_held = tokens, hello.n_leases_held = 1;
    bench_say(b, worker, DF_WIRE_MESSAGE(HELLO, hello, &hello), NULL, 0);
    assert_non_null(bench_heard(b, worker, DIFFARM__MESSAGE__BODY_WELCOME));
}

Diffarm__Lease *bench_ask(bench *b, const char *worker, uint32_t max_rows, double images_per_second) {
    Diffarm__LeaseRequest ask = DIFFARM__LEASE_REQUEST__INIT;
    ask.max_rows = max_rows;
    ask.images_per_second = images_per_second;
    ask.seconds_left = b->seconds_left;
    ask.work_per_second = b->work_per_second;
    bench_say(b, worker, DF_WIRE_MESSAGE(LEASE_REQUEST, lease_request, &ask), NULL, 0);
    Diffarm__Message *m = bench_heard(b, worker, DIFFARM__MESSAGE__BODY_LEASE);
    return m ? m->lease : NULL;
}

void bench_beat(bench *b, const char *worker, const char *token) {
    Diffarm__Heartbeat beat = DIFFARM__HEARTBEAT__INIT;
    char *tokens[] = { (char *)token };
    if (token) beat.tokens = tokens, beat.n_tokens = 1;
    bench_say(b, worker, DF_WIRE_MESSAGE(HEARTBEAT, heartbeat, &beat), NULL, 0);
}

static int acked(bench *b, const char *worker) {
    Diffarm__Message *m = bench_heard(b, worker, DIFFARM__MESSAGE__BODY_RESULT_ACK);
    return m ? m->result_ack->committed : -1;
}

int bench_result(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row) {
    assert_true(b->n_pngs < N_PNGS);
    uint8_t *png = b->pngs[b->n_pngs++];
    bench_png(png, row, SIDE, SIDE);
    return bench_result_of(b, worker, token, job_id, row, png, BENCH_PNG_BYTES);
}

int bench_result_of(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row, uint8_t *png,
                    size_t bytes) {
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    char sha256[DF_SHA256_HEX_BYTES];
    df_sha256_of(png, bytes, sha256);
    result.token = (char *)token;
    result.job_id = (char *)job_id;
    result.row = row;
    result.png_sha256 = sha256;
    result.scheduler = (char *)"ddim";
    result.seconds = 0.25;
    bench_say(b, worker, DF_WIRE_MESSAGE(RESULT, result, &result), png, bytes);
    return acked(b, worker);
}

int bench_failed(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row, df_code code) {
    Diffarm__RowFailed failed = DIFFARM__ROW_FAILED__INIT;
    failed.token = (char *)token;
    failed.job_id = (char *)job_id;
    failed.row = row;
    failed.code = code;
    failed.error = (char *)"it went wrong";
    bench_say(b, worker, DF_WIRE_MESSAGE(ROW_FAILED, row_failed, &failed), NULL, 0);
    return acked(b, worker);
}

Diffarm__JobStatus *bench_status(bench *b, const char *job_id) {
    Diffarm__JobQuery query = DIFFARM__JOB_QUERY__INIT;
    query.job_id = (char *)job_id;
    bench_say(b, "client", DF_WIRE_MESSAGE(JOB_QUERY, job_query, &query), NULL, 0);
    Diffarm__Message *m = bench_heard(b, "client", DIFFARM__MESSAGE__BODY_JOB_LIST);
    assert_non_null(m);
    return m->job_list->n_jobs ? m->job_list->jobs[0] : NULL;
}
