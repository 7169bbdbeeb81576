/* Every operation of the table on some backends: numbers against the f64 reference, and the promise of backend.h: bytes
 * that depend on nothing but the row. */
#ifndef DF_TESTS_ENGINE_BACKEND_OP_SUITE_H
#define DF_TESTS_ENGINE_BACKEND_OP_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/engine/backend/op_cases.h"

/* rms: of the error, over that of the reference. worst: of one element, over the larger of itself and the rms. */
typedef struct op_tolerance {
    double rms, worst;
} op_tolerance;

typedef struct op_subject {
    const char *label;
    const df_backend *backend;
    df_dtype dtype;
    op_tolerance limit;
    bool fast_conv; /* of interest for convolutions only */
    bool slow; /* the largest products run for their numbers alone */
    bool no_int8; /* has no products in 8 bits */
    bool no_threads; /* threads are nothing to it */
} op_subject;

/* A test for each case and subject that runs here, behind `fixed`; cmocka's result. subjects are borrowed. */
int op_suite_run(const char *name, const op_subject *subjects, size_t n_subjects, const struct CMUnitTest *fixed,
                 size_t n_fixed);

/* A type that no backend computes in is refused by its name; ids outside a table are an error. Fail the test. */
void op_suite_refuses_dtypes(const op_subject *subjects, size_t n_subjects);
void op_suite_ids_outside(const op_subject *subjects, size_t n_subjects);

#endif
