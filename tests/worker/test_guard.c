/* The guard, over models that were damaged so that they fail in one type, or in all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/weights/safetensors.h"
#include "tests/worker/feed.h"
#include "worker/guard.h"

#define STARTER DF_SOURCE_DIR "/models/starter"

enum { MAX_ROWS = 4, RGB_BYTES = 64 * 64 * 3 };

/* models */

/* Every stride-th number of a tensor becomes the value. */
typedef struct damage {
    const char *tensor;
    size_t from, stride;
    float value;
} damage;

static void hurt(float *x, const df_tensor_view *t, const damage *d, int n) {
    for (int k = 0; k < n; k++)
        if (!strcmp(d[k].tensor, t->name))
            for (size_t i = d[k].from; i < (size_t)t->n_elements; i += d[k].stride) x[i] = d[k].value;
}

static void write_weights(const char *from, const char *to, const damage *d, int n) {
    df_safetensors *f = NULL;
    df_safetensors_writer *w = df_safetensors_writer_new();
    assert_int_equal(df_safetensors_open(&f, from, NULL), DF_OK);
    int n_tensors = df_safetensors_count(f);
    float **x = calloc((size_t)n_tensors, sizeof *x);
    for (int i = 0; i < n_tensors; i++) {
        const df_tensor_view *t = df_safetensors_at(f, i);
        x[i] = malloc((size_t)t->n_elements * sizeof **x);
        assert_int_equal(df_tensor_to_f32(t, x[i], NULL), DF_OK);
        hurt(x[i], t, d, n);
        assert_int_equal(df_safetensors_writer_add(w, t->name, DF_F32, t->dim, t->rank, x[i], NULL), DF_OK);
    }
    assert_int_equal(df_safetensors_writer_write(w, to, NULL), DF_OK);
    for (int i = 0; i < n_tensors; i++) free(x[i]);
    free(x);
    df_safetensors_writer_free(&w);
    df_safetensors_close(&f);
}

typedef struct model {
    char path[PATH_MAX], sha256[DF_SHA256_HEX_BYTES];
} model;

static void in_dir(char *out, const char *dir, const char *name) {
    snprintf(out, PATH_MAX, "%.2000s/%.2000s", dir, name);
}

static void link_all(const char *dir, const char *const *names, int n) {
    char from[PATH_MAX], to[PATH_MAX];
    for (int i = 0; i < n; i++) {
        in_dir(from, STARTER, names[i]);
        in_dir(to, dir, names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
}

static const char weights_name[] = "diffusion_pytorch_model.safetensors";

/* The bundled model with one part (unet or vae) damaged. */
static model damaged_model(const char *part, const char *other, const damage *d, int n) {
    static const char *const same[] = { "model_index.json", "text_encoder", "tokenizer", "scheduler" };
    char template[] = "/tmp/diffarm-guard-XXXXXX", name[64], from[PATH_MAX], to[PATH_MAX];
    model m = { 0 };
    df_model *opened = NULL;
    assert_non_null(mkdtemp(template));
    snprintf(m.path, sizeof m.path, "%s", template);
    link_all(m.path, same, 4);
    link_all(m.path, &other, 1);
    in_dir(to, m.path, part);
    assert_int_equal(mkdir(to, 0777), 0);
    snprintf(name, sizeof name, "%s/config.json", part);
    link_all(m.path, (const char *[]) { name }, 1);
    snprintf(name, sizeof name, "%s/%s", part, weights_name);
    in_dir(from, STARTER, name);
    in_dir(to, m.path, name);
    write_weights(from, to, d, n);
    assert_int_equal(df_model_open(&opened, m.path, NULL), DF_OK);
    assert_int_equal(df_model_sha256(opened, m.sha256, NULL), DF_OK);
    df_model_close(&opened);
    return m;
}

static void remove_model(const model *m) {
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", m->path);
    assert_int_equal(system(command), 0);
}

/* rendering */

typedef struct seen {
    int n_pictures, n_failed;
    unsigned flags[MAX_ROWS];
    uint64_t pixels_hash[MAX_ROWS];
    uint8_t *rgb[MAX_ROWS];
    df_err why;
} seen;

static void deliver(void *ctx, df_raw_picture *p) {
    seen *s = ctx;
    size_t i = p->result->i;
    s->n_pictures++;
    s->flags[i] = p->result->flags;
    s->pixels_hash[i] = df_guard_pixels_hash(p->rgb, p->width, p->height);
    s->rgb[i] = p->rgb;
    df_lease_drop(&p->result->lease);
    free(p->result);
    free(p);
}

static void fail_row(void *ctx, df_result **r) {
    seen *s = ctx;
    s->n_failed++;
    s->why = (*r)->why;
    df_lease_drop(&(*r)->lease);
    free(*r);
    *r = NULL;
}

static void forget(seen *s) {
    for (int i = 0; i < MAX_ROWS; i++) free(s->rgb[i]);
    *s = (seen) { 0 };
}

/* The bundled model's scales, made out to another. */
static void write_scales(const model *m, const char *path) {
    char of_starter[DF_SHA256_HEX_BYTES], *text = NULL;
    size_t bytes;
    df_model *starter = NULL;
    assert_int_equal(df_model_open(&starter, STARTER, NULL), DF_OK);
    assert_int_equal(df_model_sha256(starter, of_starter, NULL), DF_OK);
    df_model_close(&starter);
    assert_int_equal(df_file_read(STARTER "/diffarm-int8.json", 1 << 24, &text, &bytes, NULL), DF_OK);
    memcpy(strstr(text, of_starter), m->sha256, strlen(m->sha256));
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
    free(text);
}

static void give_scales(const model *m, Diffarm__Row *row) {
    char sha256[DF_SHA256_HEX_BYTES], path[PATH_MAX];
    in_dir(path, m->path, "scales.json");
    write_scales(m, path);
    assert_int_equal(df_sha256_file(path, sha256, NULL), DF_OK);
    give_int8_scales(row, path, sha256);
}

static df_lease *lease_of(const model *m, size_t n, const char *dtype) {
    df_lease *l = lease_to_render(n, m->path, m->sha256, dtype);
    for (size_t i = 0; i < n && !strcmp(dtype, "int8"); i++) give_scales(m, l->rows[i]);
    return l;
}

static df_feeder *open_feeder(df_comm *comm, int micro_batch, seen *s) {
    df_feeder *f = NULL;
    const df_feeder_cfg cfg = { .comm = comm,
                                .session = { .backend = df_backend_find("cpu"), .threads = 1 },
                                .keep_bytes = (size_t)1 << 30,
                                .micro_batch = micro_batch,
                                .ctx = s,
                                .deliver = deliver,
                                .fail = fail_row };
    assert_int_equal(df_feeder_open(&f, &cfg, NULL), DF_OK);
    return f;
}

static seen render(const model *m, size_t n, const char *dtype, int micro_batch) {
    seen s = { 0 };
    df_comm *comm = NULL;
    assert_int_equal(df_comm_self_open(&comm, NULL), DF_OK);
    df_feeder *f = open_feeder(comm, micro_batch, &s);
    df_lease *l = lease_of(m, n, dtype);
    df_feeder_lease(f, &l);
    work_off(f);
    df_feeder_close(&f);
    comm->ops->close(&comm);
    return s;
}

static bool can(const char *dtype) {
    df_arithmetic how;
    return df_arithmetic_of(dtype, &how) && !df_backend_can_do(df_backend_find("cpu"), how, NULL);
}

/* tests */

static void doubts_what_finer_numbers_may_mend(void **state) {
    Diffarm__JobSpec f32 = DIFFARM__JOB_SPEC__INIT, bf16 = DIFFARM__JOB_SPEC__INIT;
    (void)state;
    f32.dtype = (char *)"f32";
    bf16.dtype = (char *)"bf16";
    assert_true(df_guard_doubts_failure(&bf16, DF_ENUMERIC));
    assert_false(df_guard_doubts_failure(&f32, DF_ENUMERIC));
    assert_false(df_guard_doubts_failure(&bf16, DF_EINVAL));
    assert_true(df_guard_doubts_picture(&bf16, DF_FLAG_FLAT | DF_FLAG_PROMPT_CUT));
    assert_false(df_guard_doubts_picture(&bf16, DF_FLAG_PROMPT_CUT));
    assert_false(df_guard_doubts_picture(&f32, DF_FLAG_FLAT));
}

static void tells_pictures_apart(void **state) {
    uint8_t a[12] = { 0 }, b[12] = { 0 };
    (void)state;
    b[11] = 1;
    assert_true(df_guard_pixels_hash(a, 2, 2) == df_guard_pixels_hash(a, 2, 2));
    assert_true(df_guard_pixels_hash(a, 2, 2) != df_guard_pixels_hash(b, 2, 2));
    assert_true(df_guard_pixels_hash(a, 4, 1) != df_guard_pixels_hash(a, 2, 2));
}

/* 3.4e38 is a number in f32 and infinity in bf16. What it is multiplied with lies between -1 and 1, and nothing looks
 * at what comes of it: in f32 it does no harm. */
static const damage only_in_bf16[] = { { "time_embedding.linear_1.weight", 0, SIZE_MAX / 2, 3.4e38f },
                                       { "time_embedding.linear_1.bias", 0, SIZE_MAX / 2, 0 },
                                       { "time_embedding.linear_2.weight", 0, 256, 0 } };

static void nan_in_bf16_is_made_again_in_f32(void **state) {
    (void)state;
    if (!can("bf16")) skip();
    model m = damaged_model("unet", "vae", only_in_bf16, 3);
    seen right = render(&m, 3, "f32", 1);
    assert_int_equal(right.n_pictures, 3);
    assert_int_equal(right.flags[0], 0);
    for (int micro_batch = 1; micro_batch <= 3; micro_batch++) {
        seen s = render(&m, 3, "bf16", micro_batch);
        if (s.n_failed) fail_msg("%s", s.why.text);
        assert_int_equal(s.n_pictures, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(s.flags[i], DF_GUARD_FLAG_F32);
            assert_memory_equal(s.rgb[i], right.rgb[i], RGB_BYTES);
            assert_true(s.pixels_hash[i] == right.pixels_hash[i]);
        }
        forget(&s);
    }
    forget(&right);
    remove_model(&m);
}

static void nan_in_f32_fails_the_row(void **state) {
    static const damage everywhere[] = { { "conv_out.bias", 0, 1, NAN } };
    static const char *const types[] = { "f32", "bf16" };
    (void)state;
    model m = damaged_model("unet", "vae", everywhere, 1);
    for (int k = 0; k < 2; k++) {
        if (!can(types[k])) continue;
        seen s = render(&m, 2, types[k], 2);
        assert_int_equal(s.n_pictures, 0);
        assert_int_equal(s.n_failed, 2);
        assert_int_equal(s.why.code, DF_ENUMERIC);
        assert_int_equal(strstr(s.why.text, "again in f32") != NULL, k == 1);
        forget(&s);
    }
    remove_model(&m);
}

static void a_picture_that_stays_flat_says_so(void **state) {
    static const damage blind[] = { { "decoder.conv_out.weight", 0, 1, 0 } };
    static const char *const small[] = { "bf16", "int8" };
    (void)state;
    model m = damaged_model("vae", "unet", blind, 1);
    seen f32 = render(&m, 2, "f32", 2);
    assert_int_equal(f32.n_pictures, 2);
    assert_int_equal(f32.flags[1], DF_FLAG_FLAT);
    assert_true(f32.pixels_hash[0] == f32.pixels_hash[1]);
    for (int k = 0; k < 2; k++) {
        if (!can(small[k])) continue;
        seen s = render(&m, 2, small[k], 2);
        if (s.n_failed) fail_msg("%s", s.why.text);
        assert_int_equal(s.n_pictures, 2);
        assert_int_equal(s.flags[1], DF_FLAG_FLAT | DF_GUARD_FLAG_F32);
        assert_memory_equal(s.rgb[1], f32.rgb[1], RGB_BYTES);
        forget(&s);
    }
    forget(&f32);
    remove_model(&m);
}

/* A row that waits for its second time is begun: a worker that drains finishes it, one that is revoked forgets it. */
static void rows_that_wait_for_f32_are_begun(void **state) {
    df_comm *comm = NULL;
    df_err err;
    seen s = { 0 };
    size_t first;
    (void)state;
    if (!can("bf16")) skip();
    model m = damaged_model("unet", "vae", only_in_bf16, 3);
    assert_int_equal(df_comm_self_open(&comm, NULL), DF_OK);
    df_feeder *f = open_feeder(comm, 1, &s);
    df_lease *l = lease_of(&m, 2, "bf16"), *held = df_lease_hold(l);
    df_feeder_lease(f, &l);
    while (df_feeder_waiting(f)) assert_int_equal(df_feeder_work(f, &err), DF_OK);
    assert_int_equal(df_feeder_live(f), 2);
    assert_null(df_feeder_hand_back(f, &first));
    df_feeder_revoke(f, held);
    work_off(f);
    assert_int_equal(df_feeder_live(f), 0);
    assert_int_equal(s.n_pictures + s.n_failed, 0);
    df_lease_drop(&held);
    df_feeder_close(&f);
    comm->ops->close(&comm);
    remove_model(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubts_what_finer_numbers_may_mend), cmocka_unit_test(tells_pictures_apart),
        cmocka_unit_test(nan_in_bf16_is_made_again_in_f32),   cmocka_unit_test(nan_in_f32_fails_the_row),
        cmocka_unit_test(a_picture_that_stays_flat_says_so),  cmocka_unit_test(rows_that_wait_for_f32_are_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
