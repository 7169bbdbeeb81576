#include "tests/cluster/cost_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

static void change_file(const char *path, cost_files_fn fn) {
    json_t *root = json_load_file(path, 0, NULL), *value;
    const char *signature;
    assert_non_null(root);
    json_object_foreach(json_object_get(root, "seconds"), signature, value)
        assert_int_equal(json_real_set(value, fn(signature, json_real_value(value))), 0);
    assert_int_equal(json_dump_file(root, path, 0), 0);
    json_decref(root);
}

static int each_file(const char *dir, cost_files_fn fn, const char *text) {
    char path[1024];
    int n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, "costs-", 6) != 0) continue;
        assert_true((size_t)snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < sizeof path);
        if (fn) change_file(path, fn);
        if (text) assert_int_equal(df_file_write(path, text, strlen(text), NULL), 0);
        n++;
    }
    if (d) closedir(d);
    return n;
}

int cost_files_change(const char *dir, cost_files_fn fn) {
    return each_file(dir, fn, NULL);
}

void cost_files_overwrite(const char *dir, const char *text) {
    each_file(dir, NULL, text);
}
