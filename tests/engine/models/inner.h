/* Golden values from inside a network, and the nodes of the fused graph that give them.
 *
 *   inner_tap *t = inner_tap_open(&component, golden, values, n);        from now on the stage's nodes are listened to
 *   component_run(&component);
 *   inner_tap_check(t, tolerance);                                       fails the test over any value; closes
 *
 * The goldens hold the first row. A picture is compared as one also where the node has it as tokens. */
#ifndef DF_TESTS_ENGINE_MODELS_INNER_H
#define DF_TESTS_ENGINE_MODELS_INNER_H

#include "tests/engine/models/component.h"
#include "tests/support/golden.h"

typedef struct inner_value {
    const char *golden, *node;
    const char *minus; /* a node whose value was folded into `node`; NULL: none */
    bool silu; /* the activation was folded in: compared with silu(golden) */
} inner_value;

typedef struct inner_tap inner_tap;

inner_tap *inner_tap_open(const component *c, const golden *g, const inner_value *values, int n);
void inner_tap_check(inner_tap *t, double tolerance);

#endif
