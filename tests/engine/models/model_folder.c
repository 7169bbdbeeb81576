#include "tests/engine/models/model_folder.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "tests/support/golden.h"

static df_arena *paths; /* reachable until the process ends */

const char *model_folder_path(const char *dir, const char *file) {
    if (!paths) paths = df_arena_new();
    const char *path = paths ? df_arena_printf(paths, "%s/%s", dir, file) : NULL;
    if (!path) fail_msg("out of memory");
    return path;
}

static bool is_dir(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static void link_tree(const char *from, const char *to) {
    df_err err;
    if (df_file_mkdirs(to, &err)) fail_msg("%s", err.text);
    DIR *d = opendir(from);
    if (!d) fail_msg("%s: %s", from, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        const char *source = model_folder_path(from, e->d_name), *target = model_folder_path(to, e->d_name);
        if (is_dir(source))
            link_tree(source, target);
        else if (symlink(source, target))
            fail_msg("%s: %s", target, strerror(errno));
    }
    closedir(d);
}

/* The starter's ids are 0..3113. */
static void lend_tokenizer(const char *name, const char *to, const char *tokenizer) {
    enum { STARTER_IDS = 3114 };
    json_t *config = json_load_file(model_folder_path(to, "text_encoder/config.json"), 0, NULL);
    bool fits = !config || json_integer_value(json_object_get(config, "vocab_size")) >= STARTER_IDS;
    json_decref(config);
    if (!fits) {
        print_message("golden case '%s' came without its tokenizer, and no other fits\n", name);
        skip();
    }
    link_tree(golden_source_path("models/starter/tokenizer"), tokenizer);
}

const char *model_folder_new(const char *name) {
    const char *starter = golden_source_path("models/starter"), *to = golden_temp_dir();
    const char *from = strcmp(name, "starter") ? golden_path(name, "") : starter;
    link_tree(from, to);
    const char *tokenizer = model_folder_path(to, "tokenizer");
    if (!is_dir(tokenizer)) lend_tokenizer(name, to, tokenizer);
    return to;
}

void model_folder_remove(const char *dir, const char *file) {
    df_err err;
    if (df_file_remove_tree(model_folder_path(dir, file), &err)) fail_msg("%s", err.text);
}

void model_folder_write(const char *dir, const char *file, const void *data, unsigned long bytes) {
    df_err err;
    model_folder_remove(dir, file); /* never through the link */
    if (df_file_write(model_folder_path(dir, file), data, bytes, &err)) fail_msg("%s", err.text);
}

void model_folder_set(const char *dir, const char *file, const char *key, const char *value) {
    json_error_t at;
    json_t *root = json_load_file(model_folder_path(dir, file), 0, &at);
    if (!root) fail_msg("%s/%s: %s", dir, file, at.text);
    json_t *field = value ? json_loads(value, JSON_DECODE_ANY, &at) : NULL;
    if (value && !field) fail_msg("%s: %s", value, at.text);
    if (value)
        json_object_set_new(root, key, field);
    else
        json_object_del(root, key);
    char *text = json_dumps(root, JSON_INDENT(2));
    if (!text) fail_msg("out of memory");
    model_folder_write(dir, file, text, strlen(text));
    free(text);
    json_decref(root);
}
