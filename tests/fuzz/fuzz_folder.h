/* A folder for modules that read files: one for the process, removed when it ends. */
#ifndef DF_TESTS_FUZZ_FUZZ_FOLDER_H
#define DF_TESTS_FUZZ_FUZZ_FOLDER_H

#include <stddef.h>
#include <stdint.h>

/* Its path. Lies in memory (/dev/shm) where there is such a place: a fuzzer writes thousands of files a second. */
const char *fuzz_folder(void);
/* Writes FOLDER/name anew; returns its path, valid until the next call. */
const char *fuzz_put(const char *name, const void *data, size_t bytes);

typedef struct fuzz_piece {
    const uint8_t *data;
    size_t bytes;
} fuzz_piece;

/* The next piece of an input that holds several, each ended by a 0 byte, the last by its end. */
fuzz_piece fuzz_next_piece(const uint8_t **data, size_t *bytes);

#endif
