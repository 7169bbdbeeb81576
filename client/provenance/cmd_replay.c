/* diffarm replay: a picture rendered again from what its PNG says, and held against it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "client/exit_code.h"
#include "client/provenance/again.h"
#include "client/provenance/options.h"
#include "client/report.h"

static const char doc[] =
    "Renders a picture again, from what its PNG says, and tells whether the bytes are the same or how far the pixels "
    "are apart. Exit code 0: the pixels are equal, 1: they differ.";

static void report(const df_difference *d, const df_recipe *r, df_output output) {
    if (output == DF_OUTPUT_JSON) {
        df_report_print_json(json_pack("{s:b, s:b, s:i, s:I, s:s}", "same_bytes", d->same_bytes, "same_size",
                                       d->same_size, "largest_difference", d->largest, "pixels_that_differ",
                                       (json_int_t)d->n_pixels, "made_by", r->software));
    } else if (output == DF_OUTPUT_TEXT) {
        if (d->same_bytes)
            puts("equal: the same bytes");
        else if (!d->same_size)
            puts("differs: a picture of another size");
        else if (!d->n_pixels)
            printf("equal: the same pixels; the file was written by %s, or saved anew since\n", r->software);
        else
            printf("differs: %" PRIu64 " pixels, by %d of 255 at most\n", d->n_pixels, d->largest);
    }
}

static df_code replay(const df_provenance_options *o, df_recipe *r, int *code, df_err *err) {
    df_again *again = NULL;
    df_difference d;
    unsigned char *png = NULL;
    size_t bytes = 0;
    df_code rc = df_recipe_find_files(r, o->files, o->n_files, err);
    if (!rc) rc = df_again_open(&again, o->model, o->config_dir, o->threads, err);
    if (!rc) rc = df_again_render(again, r, &png, &bytes, err);
    if (!rc && o->out) rc = df_file_write(o->out, png, bytes, err);
    if (!rc) rc = df_again_compare(png, bytes, r->png, r->png_bytes, &d, err);
    if (!rc) {
        report(&d, r, o->output);
        *code = d.same_size && !d.n_pixels ? DF_EXIT_OK : DF_EXIT_SOME_FAILED;
    }
    free(png);
    df_again_close(&again);
    return rc;
}

int df_cmd_replay(int argc, char **argv) {
    df_provenance_options o;
    df_recipe *r = NULL;
    df_err err;
    int code = DF_EXIT_OK;
    df_provenance_options_parse(&o, "IMAGE.png", doc, DF_PROVENANCE_OUT, argc, argv);
    df_code rc = df_recipe_read(&r, o.path, &err);
    if (!rc) rc = replay(&o, r, &code, &err);
    df_recipe_free(&r);
    return rc ? df_exit_with(&err) : code;
}
