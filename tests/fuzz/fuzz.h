/* What libFuzzer and the replay share: each fuzz_*.c defines one target. */
#ifndef DF_TESTS_FUZZ_FUZZ_H
#define DF_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* libFuzzer's entry: hands the bytes to the module, which may refuse them but not misbehave. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern long fuzz_accepted; /* inputs that the module took for valid */

/* A broken promise must end the process, in every build. */
#define FUZZ_CHECK(x)                                                                                                  \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#endif
