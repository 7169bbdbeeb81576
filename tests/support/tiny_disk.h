/* A disk of a few pages, to run out of space on. */
#ifndef DF_TESTS_SUPPORT_TINY_DISK_H
#define DF_TESTS_SUPPORT_TINY_DISK_H

#include <stddef.h>

/* The folder where a new tmpfs of so many bytes is mounted; skips the test where that is not permitted. Seen by this
 * process alone and gone with it. */
const char *tiny_disk(size_t bytes);

/* How many files are in a folder; fails the test if it cannot be read. */
int files_in(const char *dir);

#endif
