/* diffarm verify: a finished OUT held against its lists, its hash chain, and on request against the model. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/exit_code.h"
#include "client/provenance/again.h"
#include "client/provenance/options.h"
#include "client/provenance/out_check.h"
#include "client/report.h"

static const char doc[] =
    "Checks a finished OUT: every picture against its SHA-256 in metadata.jsonl, that list against the root of its "
    "hash "
    "chain in job.json, and with --sample N that N pictures, rendered again, have the same pixels. Exit code 0: all is "
    "as it was, 1: something differs (it is listed).";

typedef struct verify {
    const df_provenance_options *o;
    df_again *again; /* NULL: nothing is rendered */
    uint64_t n_lines, n_sampled, n_differ;
} verify;

static void on_bad(void *ctx, const char *file_name, const char *why) {
    (void)ctx;
    fprintf(stderr, "diffarm: %s: %s\n", file_name, why);
}

/* Spread evenly, the first and the last among them. */
static bool is_sampled(const verify *v, uint64_t index) {
    uint64_t n = (uint64_t)v->o->sample, last = v->n_lines - 1;
    if (n >= v->n_lines) return true;
    if (n == 1) return !index;
    uint64_t k = (index * (n - 1) + last - 1) / last; /* the first sample at or behind it */
    return last * k / (n - 1) == index;
}

static df_code render_again(void *ctx, uint64_t index, const char *name, char **bytes_there, size_t n_there,
                            df_err *err) {
    verify *v = ctx;
    df_recipe *r = NULL;
    df_difference d;
    unsigned char *png = NULL;
    size_t bytes = 0;
    if (!is_sampled(v, index)) return DF_OK;
    df_code rc = df_recipe_take(&r, name, *bytes_there, n_there, err);
    *bytes_there = NULL;
    if (!rc) rc = df_recipe_find_files(r, v->o->files, v->o->n_files, err);
    if (!rc) rc = df_again_render(v->again, r, &png, &bytes, err);
    if (!rc) rc = df_again_compare(png, bytes, r->png, r->png_bytes, &d, err);
    if (!rc) {
        v->n_sampled++;
        if (!d.same_size || d.n_pixels) {
            v->n_differ++;
            fprintf(stderr, "diffarm: %s: rendered again, %" PRIu64 " pixels differ, by %d of 255 at most\n", name,
                    d.n_pixels, d.largest);
        }
    }
    free(png);
    df_recipe_free(&r);
    return rc;
}

static void report(const df_out_check *c, const verify *v, bool good) {
    const char *chain = !c->has_root ? "absent" : c->root_matches ? "intact" : "broken";
    if (v->o->output == DF_OUTPUT_JSON)
        df_report_print_json(json_pack("{s:b, s:I, s:I, s:s, s:I, s:I}", "good", good, "pictures",
                                       (json_int_t)c->n_rows, "bad", (json_int_t)c->n_bad, "chain", chain,
                                       "rendered_again", (json_int_t)v->n_sampled, "differ", (json_int_t)v->n_differ));
    else if (v->o->output == DF_OUTPUT_TEXT)
        printf("%s: %" PRIu64 " pictures, %" PRIu64 " bad; hash chain %s; %" PRIu64 " rendered again, %" PRIu64
               " differ\n",
               good ? "good" : "NOT good", c->n_rows, c->n_bad, chain, v->n_sampled, v->n_differ);
}

/* One pass to check and to count; a second, when the number of lines is known, to render the sample. */
static df_code run(verify *v, int *code, df_err *err) {
    df_out_check c = { .dir = v->o->path, .on_bad = on_bad, .ctx = v };
    df_code rc = df_out_check_run(&c, err);
    if (!rc && v->o->sample && c.n_rows) {
        df_out_check again = { .dir = v->o->path, .on_good = render_again, .ctx = v };
        v->n_lines = c.n_rows;
        rc = df_again_open(&v->again, v->o->model, v->o->config_dir, v->o->threads, err);
        if (!rc) rc = df_out_check_run(&again, err);
        df_again_close(&v->again);
    }
    if (rc) return rc;
    bool good = !c.n_bad && !v->n_differ && (!c.has_root || c.root_matches);
    report(&c, v, good);
    *code = good ? DF_EXIT_OK : DF_EXIT_SOME_FAILED;
    return DF_OK;
}

int df_cmd_verify(int argc, char **argv) {
    df_provenance_options o;
    df_err err;
    int code = DF_EXIT_OK;
    df_provenance_options_parse(&o, "OUT", doc, DF_PROVENANCE_SAMPLE, argc, argv);
    verify v = { .o = &o };
    return run(&v, &code, &err) ? df_exit_with(&err) : code;
}
