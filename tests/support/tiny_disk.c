#include "tests/support/tiny_disk.h"

#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "tests/support/golden.h"

const char *tiny_disk(size_t bytes) {
    char options[64];
    const char *dir = golden_temp_dir();
    snprintf(options, sizeof options, "size=%zu", bytes);
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", dir, "tmpfs", 0, options)) {
        print_message("mounting a tmpfs is not permitted here\n");
        skip();
    }
    return dir;
}

int files_in(const char *dir) {
    int n = 0;
    DIR *d = opendir(dir);
    if (!d) fail_msg("%s: cannot be read", dir);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}
