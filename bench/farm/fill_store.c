/* A state folder as a coordinator leaves it in the middle of a long job: N rows, the first M of them done.
 *
 *   fill_store STATE OUT N M
 *
 * Written through the coordinator's own store. The job is of format "none": OUT holds its claim and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "coordinator/out_dir.h"
#include "coordinator/simulate/random.h"
#include "coordinator/store.h"

enum { ROWS_A_TRANSACTION = 10000 };

static const char no_sha256[] = "0000000000000000000000000000000000000000000000000000000000000000";

static df_job *make_job(const char *out_dir) {
    const df_job_spec spec = { .job_id = "5151515151515151",
                               .title = "filled",
                               .out_dir = out_dir,
                               .model_name = "none",
                               .model_sha256 = no_sha256,
                               .manifest_sha256 = no_sha256,
                               .dtype = "f32",
                               .noise = "torch-cpu",
                               .format = "none" };
    return df_job_new(&spec);
}

static df_code add_row(df_store *s, const df_job *job, uint64_t number, bool done, df_err *err) {
    char prompt[64], sha256[DF_SHA256_HEX_BYTES];
    snprintf(prompt, sizeof prompt, "a simulated picture, number %llu of its job", (unsigned long long)number);
    const df_row row = { .row = number,
                         .seed = number,
                         .line = number + 1,
                         .width = 512,
                         .height = 512,
                         .steps = 25,
                         .guidance = 7.5,
                         .prompt = prompt,
                         .negative = "",
                         .scheduler = "ddim",
                         .task = "txt2img",
                         .name = "",
                         .extras = "" };
    df_code rc = df_store_add_row(s, job->key, &row, err);
    if (rc || !done) return rc;
    df_sha256_of(&number, sizeof number, sha256);
    const df_row_result result = { .png_sha256 = sha256,
                                   .flags = "",
                                   .scheduler = "ddim",
                                   .worker = "filler",
                                   .pixels_hash = df_sim_random_from(number).state, /* scattered, as hashes are */
                                   .seconds = 1,
                                   .finished_ms = 1 };
    return df_store_row_done(s, job->key, number, &result, err);
}

static df_code add_rows(df_store *s, df_job *job, uint64_t n_rows, uint64_t n_done, df_err *err) {
    df_code rc = DF_OK;
    for (uint64_t first = 0; first < n_rows && !rc; first += ROWS_A_TRANSACTION) {
        rc = df_store_begin(s, false, err);
        for (uint64_t i = first; i < n_rows && i < first + ROWS_A_TRANSACTION && !rc; i++)
            rc = add_row(s, job, i, i < n_done, err);
        if (!rc) rc = df_store_commit(s, err);
    }
    return rc;
}

static df_code fill(const char *state_dir, df_job *job, uint64_t n_rows, uint64_t n_done, df_err *err) {
    df_store *s = NULL;
    df_code rc = df_file_mkdirs(state_dir, err);
    if (!rc) rc = df_store_open(&s, state_dir, err);
    if (!rc) rc = df_store_set_cache(s, 1 << 20, err);
    if (!rc) rc = df_store_begin(s, true, err);
    if (!rc) rc = df_store_add_job(s, job, err);
    if (!rc) rc = df_store_commit(s, err);
    if (!rc) rc = add_rows(s, job, n_rows, n_done, err);
    if (!rc) rc = df_out_dir_claim(job->spec.out_dir, job->spec.job_id, err);
    job->n_rows = n_rows;
    job->state = DF_JOB_RUNNING;
    if (!rc) rc = df_store_begin(s, true, err);
    if (!rc) rc = df_store_save_job(s, job, err);
    if (!rc) rc = df_store_commit(s, err);
    df_store_close(&s);
    return rc;
}

int main(int argc, char **argv) {
    df_err err = { 0 };
    if (argc != 5 || argv[2][0] != '/') {
        fprintf(stderr, "usage: fill_store STATE /OUT ROWS DONE\n");
        return 2;
    }
    df_job *job = make_job(argv[2]);
    df_code rc = job ? fill(argv[1], job, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), &err) : DF_ENOMEM;
    df_job_free(&job);
    if (rc) fprintf(stderr, "fill_store: %s\n", err.text);
    return rc != DF_OK;
}
