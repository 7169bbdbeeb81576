#include "tests/fuzz/fuzz_folder.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

static char folder[PATH_MAX];

static void remove_folder(void) {
    df_file_remove_tree(folder, NULL);
}

const char *fuzz_folder(void) {
    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "%s/diffarm-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    FUZZ_CHECK(mkdtemp(folder) && !atexit(remove_folder));
    return folder;
}

const char *fuzz_put(const char *name, const void *data, size_t bytes) {
    static char path[PATH_MAX];
    FUZZ_CHECK(snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name) < (int)sizeof path);
    FILE *to = fopen(path, "wb");
    FUZZ_CHECK(to && fwrite(data, 1, bytes, to) == bytes && !fclose(to));
    return path;
}

fuzz_piece fuzz_next_piece(const uint8_t **data, size_t *bytes) {
    const uint8_t *end = *bytes ? memchr(*data, 0, *bytes) : NULL;
    fuzz_piece piece = { *data, end ? (size_t)(end - *data) : *bytes };
    size_t used = piece.bytes + (end ? 1 : 0);
    *data += used;
    *bytes -= used;
    return piece;
}
