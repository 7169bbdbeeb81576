/* diffarm keygen: the keys of a farm, and of one peer more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "client/exit_code.h"
#include "client/options.h"
#include "proto/keys.h"

enum { OPT_ADD = 0x6000, OPT_ROLE, MAX_NAME_BYTES = 64 };

typedef struct keygen_options {
    const char *dir, *add, *role;
} keygen_options;

static const char *const roles[] = { DF_ROLE_SUBMIT, DF_ROLE_WORK, DF_ROLE_WATCH };
enum { N_ROLES = sizeof roles / sizeof *roles };

static bool is_role(const char *word) {
    for (int i = 0; i < N_ROLES; i++)
        if (!strcmp(word, roles[i])) return true;
    return false;
}

static bool is_name(const char *name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return *name && *name != '.' && strlen(name) <= MAX_NAME_BYTES && !name[strspn(name, plain)];
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    keygen_options *o = state->input;
    switch (key) {
    case OPT_ADD:
        if (!is_name(arg)) argp_error(state, "--add must be letters, digits or ._-, not '%s'", arg);
        o->add = arg;
        return 0;
    case OPT_ROLE:
        if (!is_role(arg)) argp_error(state, "--role must be submit, work or watch, not '%s'", arg);
        o->role = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->dir) argp_error(state, "'%s' is one argument too many", arg);
        o->dir = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->dir) argp_error(state, "give a folder for the keys (DIR)");
        if (!o->add != !o->role) argp_error(state, "--add NAME and --role ROLE belong together");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The line is whole or not there: appended in one write. */
static df_code add_peer(const char *dir, const char *role, const char *name, const df_key_pair *pair, df_err *err) {
    char path[4096], line[256];
    snprintf(path, sizeof path, "%s/peers", dir);
    snprintf(line, sizeof line, "%s %s %s\n", role, pair->public_key, name);
    FILE *file = fopen(path, "ae");
    if (!file) return df_err_errno(err, errno, "%s", path);
    int failed = fchmod(fileno(file), 0644) || fputs(line, file) < 0 || fflush(file) || fsync(fileno(file)),
        why = errno;
    if (fclose(file) && !failed) {
        failed = 1;
        why = errno;
    }
    return failed ? df_err_errno(err, why, "%s", path) : DF_OK;
}

/* FOLDER/ROLE.key, known in DIR/peers under name. */
static df_code make_peer(const char *dir, const char *folder, const char *role, const char *name, df_err *err) {
    char path[4096];
    df_key_pair pair;
    snprintf(path, sizeof path, "%s/%s.key", folder, role);
    df_code rc = df_key_pair_new(&pair, err);
    if (!rc) rc = df_key_pair_write(&pair, path, err);
    if (!rc) rc = add_peer(dir, role, name, &pair, err);
    df_key_pair_forget(&pair);
    return rc;
}

static df_code write_public(const char *folder, const char *public_key, df_err *err) {
    char path[4096], text[128];
    snprintf(path, sizeof path, "%s/coordinator.pub", folder);
    int n = snprintf(text, sizeof text, "public %s\n", public_key);
    return df_file_write(path, text, (size_t)n, err);
}

static df_code make_folder(const char *folder, df_err *err) {
    df_code rc = df_file_mkdirs(folder, err);
    return !rc && chmod(folder, 0700) ? df_err_errno(err, errno, "%s", folder) : rc;
}

static df_code make_farm(const char *dir, df_err *err) {
    char path[4096];
    df_key_pair pair;
    snprintf(path, sizeof path, "%s/coordinator.key", dir);
    df_code rc = make_folder(dir, err);
    if (!rc) rc = df_key_pair_new(&pair, err);
    if (!rc) rc = df_key_pair_write(&pair, path, err);
    if (!rc) rc = write_public(dir, pair.public_key, err);
    df_key_pair_forget(&pair);
    for (int i = 0; !rc && i < N_ROLES; i++) rc = make_peer(dir, dir, roles[i], "first", err);
    return rc;
}

static df_code make_one_more(const keygen_options *o, df_err *err) {
    char path[4096], folder[3072], public_key[DF_KEY_CHARS + 1];
    snprintf(path, sizeof path, "%s/coordinator.pub", o->dir);
    snprintf(folder, sizeof folder, "%s/%s", o->dir, o->add);
    df_code rc = df_public_key_read(public_key, path, err);
    if (!rc) rc = make_folder(folder, err);
    if (!rc) rc = write_public(folder, public_key, err);
    return rc ? rc : make_peer(o->dir, folder, o->role, o->add, err);
}

static const struct argp_option options[] = {
    { "add", OPT_ADD, "NAME", 0, "A key for one peer more, in DIR/NAME: give it that folder", 0 },
    { "role", OPT_ROLE, "ROLE", 0, "What it may do: submit (and look), work, or watch (look alone)", 0 },
    { 0 },
};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc = "Makes the keys of a farm: DIR/coordinator.key and DIR/peers for the coordinator, DIR/submit.key, "
           "DIR/work.key and "
           "DIR/watch.key for its peers. All take them with --keys DIR.\vTo shut a peer out, take its line from "
           "DIR/peers: "
           "it is not let in again.",
};

int df_cmd_keygen(int argc, char **argv) {
    keygen_options o = { 0 };
    df_err err;
    df_options_parse(&argp, argc, argv, &o);
    if (o.add ? make_one_more(&o, &err) : make_farm(o.dir, &err)) {
        fprintf(stderr, "diffarm: error: %s\n", err.text);
        return DF_EXIT_USAGE;
    }
    if (o.add)
        printf("%s/%s: a key to %s; give this folder to %s\n", o.dir, o.add, o.role, o.add);
    else
        printf(
            "%s: keys of a farm; give coordinator.pub and the key of its role to each peer, coordinator.key to none\n",
            o.dir);
    return DF_EXIT_OK;
}
