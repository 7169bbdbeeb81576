/* Any bytes as a manifest: JSON Lines or CSV, as its first character tells. */
#include <string.h>

#include "client/rows.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

enum { MAX_ROWS = 2000 };

long fuzz_accepted;

static df_code take(void *ctx, const Diffarm__Row *row, df_err *err) {
    int *n = ctx;
    char buf[256];
    FUZZ_CHECK(row->width > 0 && row->height > 0 && row->steps > 0);
    FUZZ_CHECK(!df_text_fault(row->prompt, DF_MAX_PROMPT_BYTES, buf, sizeof buf));
    FUZZ_CHECK(!row->name || !*row->name || !df_name_fault(row->name));
    return ++*n < MAX_ROWS ? DF_OK : df_err_set(err, DF_ELIMIT, "enough"); /* count may be a million */
}

static const df_model *bundled(void) {
    static df_model *m; /* reachable until the process ends */
    if (!m) FUZZ_CHECK(!df_model_open(&m, DF_SOURCE_DIR "/models/starter", NULL));
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    df_problems problems = { 0 };
    df_row_source src = { .defaults = { .line = { .prompt = "",
                                                  .negative = "",
                                                  .scheduler = "",
                                                  .width = 64,
                                                  .height = 64,
                                                  .steps = 20,
                                                  .count = 1,
                                                  .guidance = 4 },
                                        .model = bundled(),
                                        .files = df_input_files_new(fuzz_folder()) } };
    df_err err = { 0 };
    uint64_t n_rows = 0;
    int n = 0;
    df_code rc = df_manifest_open(&src.manifest, fuzz_put("manifest", data, size), &err);
    FUZZ_CHECK(!rc && src.defaults.files);
    rc = df_rows_each(&src, &problems, take, &n, &n_rows, &err);
    FUZZ_CHECK(rc == DF_OK || (err.code == rc && err.text[0]));
    if (!rc && !problems.n) fuzz_accepted++;
    df_problems_free(&problems);
    df_manifest_close(&src.manifest);
    df_input_files_free(&src.defaults.files);
    return 0;
}
