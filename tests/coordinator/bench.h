/* A bench for coordinator tests: made-up jobs, rows and pictures, folders to compare, and a farm whose wire and clock
 * belong to the test. */
#ifndef DF_TESTS_COORDINATOR_BENCH_H
#define DF_TESTS_COORDINATOR_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coordinator/farm.h"

#define MODEL_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MODEL_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define JOB_1 "1111111111111111"
#define JOB_2 "2222222222222222"

/* folders */

char *bench_temp_dir(void); /* fresh, to be freed; see bench_remove */
char *bench_memory_dir(void); /* the same in memory, where there is such a place: for thousands of synced files */
void bench_remove(char *dir); /* the tree, and frees the name */
/* Every file below dir but `except` (may be NULL), names and bytes, as one hash into hex[65]; hidden ones too. */
void bench_tree_hash(const char *dir, const char *except, char *hex);
char *bench_read(const char *dir, const char *name); /* whole file, freed by the caller; NULL if absent */
bool bench_exists(const char *dir, const char *name);
void bench_copy_store(const char *from_dir, const char *to_dir); /* database and log, as a crash would leave them */

/* rows, jobs, pictures */

enum { BENCH_PNG_BYTES = 65 };

/* Whole chunks (IHDR, IDAT, IEND), with bytes made from row for pixels: the same row gives the same bytes, whoever
 * makes it. */
void bench_png(uint8_t out[BENCH_PNG_BYTES], uint64_t row, uint32_t width, uint32_t height);
void bench_large_png(uint8_t *out, size_t bytes, uint64_t row, uint32_t width, uint32_t height);
void bench_row(Diffarm__Row *row, uint64_t number); /* "prompt N", 64x64, 4 steps */
void bench_spec(Diffarm__JobSpec *spec, const char *job_id, const char *out_dir); /* model A, png */

/* a farm without a socket */

typedef struct bench_sent {
    struct bench_sent *next;
    char to[64];
    Diffarm__Message *msg;
} bench_sent;

typedef struct bench {
    char *dir, *state, *out; /* a folder of its own, with state and OUT in it */
    df_coordinator_cfg cfg;
    df_farm *farm;
    int64_t now_ms;
    bench_sent *sent, **sent_end;
    const char *unreachable; /* sending to this peer fails */
    const char *format; /* of jobs submitted from now on */
    int priority; /* of these as well */
    bool shared_sink; /* the same */
    double seconds_left; /* that workers say they have; 0: no end */
    double work_per_second; /* that they say they do, in pixels times steps; 0: they do not */
    uint8_t (*pngs)[BENCH_PNG_BYTES]; /* results are borrowed from here */
    size_t n_pngs;
} bench;

bench *bench_open(void);
bench *bench_open_at(char *dir); /* takes dir */
void bench_close(bench *b);
void bench_restart(bench *b); /* as after a crash: what was not committed is gone */

/* A message of peer `from`, then a turn. */
void bench_say(bench *b, const char *from, Diffarm__Message msg, const void *blob, size_t blob_bytes);
void bench_wait(bench *b, int64_t ms); /* the clock goes on in small steps, with turns */

/* The oldest message of this kind to the peer, taken off; NULL if there is none. Freed with the bench's next message
 * of that kind, or by bench_close. */
Diffarm__Message *bench_heard(bench *b, const char *to, Diffarm__Message__BodyCase kind);
size_t bench_count(const bench *b, const char *to, Diffarm__Message__BodyCase kind);
void bench_forget(bench *b); /* drops all that was sent so far */

/* Whole conversations. */
df_code bench_submit(bench *b, const char *job_id, const char *out_dir, uint64_t n_rows,
                     void (*change)(Diffarm__Row *row));
df_code bench_begin(bench *b, const char *job_id, const char *out_dir);
df_code bench_rows(bench *b, const char *job_id, uint64_t batch, Diffarm__Row **rows, size_t n);
df_code bench_end(bench *b, const char *job_id, uint64_t n_rows);
df_code bench_cancel(bench *b, const char *job_id);
df_code bench_control(bench *b, const char *job_id, Diffarm__JobControl__Action action);
const char *bench_text(const bench *b); /* of the last reply */

void bench_hello(bench *b, const char *worker, const char *model,
                 const char *held); /* model NULL: any; held may be NULL */
Diffarm__Lease *bench_ask(bench *b, const char *worker, uint32_t max_rows, double images_per_second); /* NULL: none */
void bench_beat(bench *b, const char *worker, const char *token); /* token NULL: names none */
/* Sends the result of a row; returns what its ack says: 1 committed, 0 dropped, -1 no ack. */
int bench_result(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row);
int bench_result_of(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row, uint8_t *png,
                    size_t bytes); /* the same with another picture; borrowed */
int bench_failed(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row, df_code code);
Diffarm__JobStatus *bench_status(bench *b, const char *job_id); /* NULL: unknown job */

#endif
