/* Golden data: inputs and outputs of the reference library, and how tests are held against them.
 *
 *   golden *g = golden_open("sd15");                          skips the test where the case is not at hand
 *   float *x = golden_f32(g, "unet.sample", &n);              caller frees
 *   golden_compare(g, "unet.out.t981", got, n, 3e-5);         fails the test when over the tolerance
 *   golden_close(&g);
 *
 * A case is a folder with golden.safetensors and golden.json. It is looked for in $DF_GOLDEN, else in
 * ../shared/golden beside the source tree, and then in tests/golden, which has a part of the cases.
 * Whatever goes wrong fails the running cmocka test. Paths that are returned stay valid until the process ends.
 * Threads: one. */
#ifndef DF_TESTS_SUPPORT_GOLDEN_H
#define DF_TESTS_SUPPORT_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/weights/safetensors.h"

typedef struct golden golden;

const char *golden_dir(const char *name); /* the folder of a case, NULL if it is nowhere */
const char *golden_path(const char *name, const char *file); /* a file of it; skips the test if the case is nowhere */
const char *golden_source_path(const char *relative); /* "models/starter" -> its place in the source tree */

golden *golden_open(const char *name);
void golden_close(golden **g); /* accepts NULL and a pointer to NULL */

bool golden_has(const golden *g, const char *name);
const df_tensor_view *golden_view(const golden *g, const char *name); /* for shapes */
const json_t *golden_json(const golden *g); /* golden.json: "runs", "prompts", ... */

/* A tensor's elements, malloc'd; n may be NULL. */
float *golden_f32(const golden *g, const char *name, size_t *n);
int32_t *golden_i32(const golden *g, const char *name, size_t *n);
uint8_t *golden_u8(const golden *g, const char *name, size_t *n);

/* 10 x the noise floor (f32 against f64 in the reference library) where that is above the tolerance. */
double golden_bound(const golden *g, const char *name, double tolerance);

/* e = max|got - ref| / max|ref| must be at most golden_bound; got has n elements, as many as the golden, all finite. */
void golden_compare(const golden *g, const char *name, const float *got, size_t n, double tolerance);
void golden_compare_i32(const golden *g, const char *name, const int32_t *got, size_t n); /* equal */
/* 8-bit pictures: off by at most one level, in at most 0.5 % of the values. */
void golden_compare_u8(const golden *g, const char *name, const uint8_t *got, size_t n);
/* The same as golden_compare against any reference; returns e. */
double golden_compare_f32(const char *what, const float *got, const float *ref, size_t n, double bound);

void golden_nchw_to_nhwc(float *dst, const float *src, int64_t N, int64_t C, int64_t H, int64_t W);
void golden_nhwc_to_nchw(float *dst, const float *src, int64_t N, int64_t C, int64_t H, int64_t W);

/* A new folder under $TMPDIR (or /tmp), removed with all in it when the process that asked ends. */
const char *golden_temp_dir(void);

#endif
