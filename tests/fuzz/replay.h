/* Fuzzing without a fuzzer: mutations of valid inputs from a fixed seed, the same on every machine. */
#ifndef DF_TESTS_FUZZ_REPLAY_H
#define DF_TESTS_FUZZ_REPLAY_H

#include <stddef.h>

/* Hands the input itself, which must be accepted, and `n_mutants` changed copies to the linked fuzz target. Fails the
 * running test unless some mutants were refused and some accepted: else the mutations test nothing. */
void replay(const void *valid, size_t bytes, int n_mutants);

#endif
