/* Fuzzing without a fuzzer: every file of a target's corpus, and mutations of the valid ones from a fixed seed, the
 * same on every machine.
 *
 * A corpus holds valid-* (accepted as it is, and mutated) and found-* (what a fuzzer once found, run as it is). */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

enum { MUTANTS = 3000, MAX_BYTES = 1 << 20 };

typedef struct mutant {
    uint8_t *data;
    size_t n, cap;
    uint64_t random;
} mutant;

/* splitmix64 */
static uint64_t next(mutant *m) {
    uint64_t z = m->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(mutant *m, size_t n) {
    return n ? (size_t)(next(m) % n) : 0;
}

/* Puts n bytes in place of the `old` ones at `at`; drops the change if there is no room. */
static void replace(mutant *m, size_t at, size_t old, const void *with, size_t n) {
    if (m->n - old + n > m->cap) return;
    memmove(m->data + at + n, m->data + at + old, m->n - at - old);
    memcpy(m->data + at, with, n);
    m->n += n - old;
}

static void flip_bit(mutant *m) {
    size_t at = below(m, m->n);
    if (m->n) m->data[at] ^= (uint8_t)(1u << below(m, 8));
}

static void set_byte(mutant *m) {
    static const uint8_t bytes[] = "\0\1\177\200\377 \"{}[],:-9\\";
    size_t at = below(m, m->n);
    if (m->n) m->data[at] = bytes[below(m, sizeof bytes - 1)];
}

static void truncate_end(mutant *m) {
    m->n = below(m, m->n + 1);
}

static void delete_range(mutant *m) {
    size_t at = below(m, m->n), n = below(m, m->n - at < 64 ? m->n - at + 1 : 64);
    replace(m, at, n, "", 0);
}

static void repeat_range(mutant *m) {
    uint8_t copy[64];
    size_t from = below(m, m->n), n = below(m, m->n - from < 64 ? m->n - from + 1 : 64);
    memcpy(copy, m->data + from, n);
    replace(m, below(m, m->n + 1), 0, copy, n);
}

/* A length field, of either byte order. */
static void set_field(mutant *m) {
    static const uint64_t numbers[] = { 0,           1,           7,          8,          0x7f,
                                        0xff,        0x100,       0x7fffffff, 0x80000000, 0xffffffff,
                                        0x100000000, 99999999999, UINT64_MAX, INT64_MAX };
    uint64_t x = numbers[below(m, sizeof numbers / sizeof *numbers)] + below(m, 3) - 1;
    size_t bytes = below(m, 2) ? 4 : 8;
    if (m->n < bytes) return;
    size_t at = below(m, 4) ? below(m, m->n - bytes + 1) : 0;
    bool big = below(m, 2);
    for (size_t i = 0; i < bytes; i++) m->data[at + i] = (uint8_t)(x >> 8 * (big ? bytes - 1 - i : i));
}

/* A number in text, wherever one stands after a place drawn. */
static void set_number(mutant *m) {
    static const char *const numbers[] = {
        "0", "-1", "1", "4", "255", "2147483648", "9223372036854775807", "9223372036854775808", "1e5", "NaN", "1.5"
    };
    size_t at = below(m, m->n), n = 0;
    while (at < m->n && !isdigit(m->data[at])) at++;
    while (at + n < m->n && isdigit(m->data[at + n])) n++;
    const char *with = numbers[below(m, sizeof numbers / sizeof *numbers)];
    if (n) replace(m, at, n, with, strlen(with));
}

static void mutate(mutant *m) {
    static void (*const kinds[])(mutant * m) = { flip_bit,     set_byte,  truncate_end, delete_range,
                                                 repeat_range, set_field, set_number,   set_number };
    for (size_t i = 0, n = 1 + below(m, 3); i < n; i++) kinds[below(m, sizeof kinds / sizeof *kinds)](m);
}

/* In a block of its exact size, so that a sanitizer sees the first byte read past it. */
static void run_exact(const uint8_t *data, size_t n) {
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) fail_msg("out of memory");
    if (n) memcpy(exact, data, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void run_mutants(const uint8_t *valid, size_t bytes, int n_mutants) {
    mutant m = { .cap = bytes + 4096, .random = 20240601 };
    if (!(m.data = malloc(m.cap))) fail_msg("out of memory");
    fuzz_accepted = 0;
    for (int i = 0; i < n_mutants; i++) {
        memcpy(m.data, valid, m.n = bytes);
        mutate(&m);
        run_exact(m.data, m.n);
    }
    free(m.data);
    print_message("  %ld of %d mutants accepted\n", fuzz_accepted, n_mutants);
    if (!fuzz_accepted) fail_msg("the mutations test nothing");
}

static void run_file(const char *path, bool valid) {
    char *file;
    size_t bytes;
    df_err err;
    if (df_file_read(path, MAX_BYTES, &file, &bytes, &err)) fail_msg("%s", err.text);
    print_message("%s\n", path);
    fuzz_accepted = 0;
    run_exact((const uint8_t *)file, bytes);
    if (valid && fuzz_accepted != 1) fail_msg("%s: is not valid", path);
    if (valid) run_mutants((const uint8_t *)file, bytes, MUTANTS);
    free(file);
}

static void the_corpus(void **state) {
    (void)state;
    static const char folder[] = DF_SOURCE_DIR "/tests/fuzz/corpus/" FUZZ_TARGET;
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort), n_valid = 0;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        bool valid = !strncmp(entries[i]->d_name, "valid-", 6);
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') run_file(path, valid);
        n_valid += valid;
        free(entries[i]);
    }
    if (n > 0) free(entries);
    if (!n_valid) fail_msg("%s: nothing valid in it", folder);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_corpus) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
