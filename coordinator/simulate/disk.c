#include "coordinator/simulate/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, FIRST_FD = 1 << 20, MAX_HANDLES = 128, NAME_BYTES = 256 };

typedef struct bytes {
    char *at;
    size_t n, cap;
} bytes;

typedef struct entry {
    char name[NAME_BYTES];
    df_sim_node *node;
} entry;

typedef struct entries {
    entry *at;
    size_t n, cap;
} entries;

struct df_sim_node {
    df_sim_node *next; /* of all; nodes stay until the disk goes */
    uint64_t number;
    bool is_folder;
    bytes seen, safe; /* of a file */
    size_t dirty_from, dirty_to;
    entries names, safe_names; /* of a folder */
};

typedef struct df_sim_handle {
    df_sim_node *node; /* NULL: free */
    size_t position;
} df_sim_handle;

static df_sim_disk *mounted;

/* memory: a simulated world does not outlive its lack */

static void *grow(void *at, size_t bytes_wanted) {
    void *grown = realloc(at, bytes_wanted);
    if (!grown) abort();
    return grown;
}

static void resize(bytes *b, size_t n) {
    if (n > b->cap) b->at = grow(b->at, b->cap = 2 * n);
    if (n > b->n) memset(b->at + b->n, 0, n - b->n);
    b->n = n;
}

static entry *find(const entries *in, const char *name) {
    for (size_t i = 0; i < in->n; i++)
        if (!strcmp(in->at[i].name, name)) return &in->at[i];
    return NULL;
}

static void put(entries *in, const char *name, df_sim_node *node) {
    entry *e = find(in, name);
    if (!e) {
        if (in->n == in->cap) in->at = grow(in->at, (in->cap = 2 * in->cap + 4) * sizeof *in->at);
        e = &in->at[in->n++];
        strcpy(e->name, name);
    }
    e->node = node;
}

static void take_off(entries *in, const char *name) {
    entry *e = find(in, name);
    if (e) *e = in->at[--in->n];
}

static void copy_entries(entries *to, const entries *from) {
    to->n = 0;
    for (size_t i = 0; i < from->n; i++) put(to, from->at[i].name, from->at[i].node);
}

static df_sim_node *make_node(df_sim_disk *d, bool is_folder) {
    df_sim_node *node = grow(NULL, sizeof *node);
    *node = (df_sim_node) { .next = d->all, .number = ++d->n_nodes, .is_folder = is_folder };
    return d->all = node;
}

/* life of a disk */

df_sim_disk *df_sim_disk_new(df_sim_random *random) {
    df_sim_disk *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->random = random;
    d->handles = grow(NULL, MAX_HANDLES * sizeof *d->handles);
    memset(d->handles, 0, MAX_HANDLES * sizeof *d->handles);
    d->root = make_node(d, true);
    return d;
}

void df_sim_disk_free(df_sim_disk **disk) {
    if (!*disk) return;
    for (df_sim_node *node = (*disk)->all, *next; node; node = next) {
        next = node->next;
        free(node->seen.at);
        free(node->safe.at);
        free(node->names.at);
        free(node->safe_names.at);
        free(node);
    }
    free((*disk)->handles);
    free(*disk);
    *disk = NULL;
}

void df_sim_disk_mount(df_sim_disk *disk) {
    mounted = disk;
}

void df_sim_disk_revive(df_sim_disk *d) {
    memset(d->handles, 0, MAX_HANDLES * sizeof *d->handles);
    d->n_handles = 0;
    d->stopped = false;
    d->ops_to_live = 0;
}

/* what is safe */

static void mark_dirty(df_sim_node *node, size_t from, size_t to) {
    if (node->dirty_from == node->dirty_to) {
        node->dirty_from = from;
        node->dirty_to = to;
        return;
    }
    if (from < node->dirty_from) node->dirty_from = from;
    if (to > node->dirty_to) node->dirty_to = to;
}

static void make_safe(df_sim_node *node) {
    if (node->is_folder) {
        copy_entries(&node->safe_names, &node->names);
        return;
    }
    size_t to = node->dirty_to < node->seen.n ? node->dirty_to : node->seen.n;
    resize(&node->safe, node->seen.n);
    if (to > node->dirty_from)
        memcpy(node->safe.at + node->dirty_from, node->seen.at + node->dirty_from, to - node->dirty_from);
    node->dirty_from = node->dirty_to = 0;
}

/* A power cut is kind, cruel, or anything between. */
static double survival(df_sim_random *random) {
    static const double of[] = { 0, 0.5, 0.9, 1 };
    return of[df_sim_below(random, 4)];
}

/* What is not dirty and yet differs was dropped by a sync that failed. */
static void tear_file(df_sim_random *random, df_sim_node *node, double p) {
    bool is_dirty = node->dirty_from < node->dirty_to;
    size_t n = is_dirty && df_sim_chance(random, p) ? node->seen.n : node->safe.n;
    resize(&node->seen, node->seen.n < n ? n : node->seen.n);
    for (size_t at = 0; at < n; at += SECTOR) {
        size_t end = at + SECTOR < n ? at + SECTOR : n;
        bool is_new = end > node->dirty_from && at < node->dirty_to && df_sim_chance(random, p);
        for (size_t i = at; i < end && !is_new; i++) node->seen.at[i] = i < node->safe.n ? node->safe.at[i] : 0;
    }
    resize(&node->seen, n);
    mark_dirty(node, 0, n > node->safe.n ? n : node->safe.n);
}

static void tear_folder(df_sim_random *random, df_sim_node *node, double p) {
    entries both = { 0 }, kept = { 0 };
    copy_entries(&both, &node->safe_names);
    for (size_t i = 0; i < node->names.n; i++) put(&both, node->names.at[i].name, node->names.at[i].node);
    for (size_t i = 0; i < both.n; i++) {
        const entry *now = find(&node->names, both.at[i].name), *safe = find(&node->safe_names, both.at[i].name);
        bool same = now && safe && now->node == safe->node;
        const entry *left = same || df_sim_chance(random, p) ? now : safe;
        if (left) put(&kept, left->name, left->node);
    }
    copy_entries(&node->names, &kept);
    free(both.at);
    free(kept.at);
}

void df_sim_disk_cut(df_sim_disk *d) {
    double p = survival(d->random);
    df_sim_disk_revive(d);
    for (df_sim_node *node = d->all; node; node = node->next) {
        if (node->is_folder)
            tear_folder(d->random, node, p);
        else
            tear_file(d->random, node, p);
        make_safe(node);
    }
}

/* faults */

/* Before each change: does it happen? false, with errno. */
static bool may_change(df_sim_disk *d) {
    if (d->stopped || (d->ops_to_live && !--d->ops_to_live)) {
        d->stopped = true;
        errno = EIO;
        return false;
    }
    d->n_changes++;
    if (d->suspended || !d->n_errors) return true;
    if (d->ops_to_error > 0) {
        d->ops_to_error--;
        return true;
    }
    d->n_errors--;
    errno = EIO;
    return false;
}

/* How many of the bytes by which a file would grow there is room for. */
static size_t find_room(df_sim_disk *d, size_t wanted) {
    if (!d->is_full || d->suspended) return wanted;
    size_t given = d->room < (int64_t)wanted ? (size_t)d->room : wanted;
    d->room -= (int64_t)given;
    return given;
}

/* handles and paths */

static df_sim_handle *handle_of(int fd) {
    int i = fd - FIRST_FD;
    if (i < 0 || i >= MAX_HANDLES || !mounted->handles[i].node) {
        errno = EBADF;
        return NULL;
    }
    return &mounted->handles[i];
}

static int open_node(df_sim_node *node) {
    for (int i = 0; i < MAX_HANDLES; i++)
        if (!mounted->handles[i].node) {
            mounted->handles[i] = (df_sim_handle) { node, 0 };
            mounted->n_handles++;
            return FIRST_FD + i;
        }
    errno = EMFILE;
    return -1;
}

/* The folder that the path's last part lies in, and that part ("." for the folder itself). */
static df_sim_node *walk(int at, const char *path, char leaf[NAME_BYTES]) {
    df_sim_handle *from = *path == '/' || at == AT_FDCWD ? NULL : handle_of(at);
    df_sim_node *folder = from ? from->node : mounted->root;
    if (*path != '/' && at != AT_FDCWD && !from) return NULL;
    for (;;) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        if (n >= NAME_BYTES) {
            errno = ENAMETOOLONG;
            return NULL;
        }
        memcpy(leaf, n ? path : ".", n ? n : 1);
        leaf[n ? n : 1] = '\0';
        path += n;
        if (!path[strspn(path, "/")]) return folder;
        const entry *e = find(&folder->names, leaf);
        if (!e || !e->node->is_folder) {
            errno = e ? ENOTDIR : ENOENT;
            return NULL;
        }
        folder = e->node;
    }
}

static df_sim_node *node_at(df_sim_node *folder, const char *leaf) {
    if (!strcmp(leaf, ".")) return folder;
    const entry *e = find(&folder->names, leaf);
    if (!e) errno = ENOENT;
    return e ? e->node : NULL;
}

/* the calls */

static int sim_openat(int at, const char *path, int flags, mode_t mode) {
    char leaf[NAME_BYTES];
    df_sim_node *folder = walk(at, path, leaf);
    (void)mode;
    if (!folder) return -1;
    df_sim_node *node = node_at(folder, leaf);
    if (!node && !(flags & O_CREAT)) return -1;
    if (node && (flags & O_CREAT) && (flags & O_EXCL)) return errno = EEXIST, -1;
    if (node && (flags & O_DIRECTORY) && !node->is_folder) return errno = ENOTDIR, -1;
    if (node && (flags & O_ACCMODE) != O_RDONLY && node->is_folder) return errno = EISDIR, -1;
    if ((!node || (flags & O_TRUNC)) && !may_change(mounted)) return -1;
    if (!node) put(&folder->names, leaf, node = make_node(mounted, false));
    if (flags & O_TRUNC) {
        mark_dirty(node, 0, node->seen.n);
        node->seen.n = 0;
    }
    return open_node(node);
}

static int sim_dup(int fd) {
    df_sim_handle *h = handle_of(fd);
    return h ? open_node(h->node) : -1;
}

static int sim_close(int fd) {
    df_sim_handle *h = handle_of(fd);
    if (!h) return -1;
    h->node = NULL;
    mounted->n_handles--;
    return 0;
}

ssize_t df_sim_disk_pread(int fd, void *data, size_t n, size_t at) {
    df_sim_handle *h = handle_of(fd);
    if (!h) return -1;
    size_t left = at < h->node->seen.n ? h->node->seen.n - at : 0;
    if (n > left) n = left;
    if (n) memcpy(data, h->node->seen.at + at, n);
    return (ssize_t)n;
}

ssize_t df_sim_disk_pwrite(int fd, const void *data, size_t n, size_t at) {
    df_sim_handle *h = handle_of(fd);
    if (!h || !may_change(mounted)) return -1;
    bytes *seen = &h->node->seen;
    size_t new_bytes = at + n > seen->n ? at + n - seen->n : 0;
    size_t lacking = new_bytes - find_room(mounted, new_bytes);
    if (lacking >= n && n) return errno = ENOSPC, -1;
    n -= lacking;
    mark_dirty(h->node, at < seen->n ? at : seen->n, at + n);
    if (at + n > seen->n) resize(seen, at + n);
    if (n) memcpy(seen->at + at, data, n);
    return (ssize_t)n;
}

int df_sim_disk_truncate(int fd, size_t n) {
    df_sim_handle *h = handle_of(fd);
    if (!h || !may_change(mounted)) return -1;
    mark_dirty(h->node, n < h->node->seen.n ? n : h->node->seen.n, n < h->node->seen.n ? h->node->seen.n : n);
    resize(&h->node->seen, n);
    return 0;
}

static ssize_t sim_read(int fd, void *data, size_t n) {
    df_sim_handle *h = handle_of(fd);
    ssize_t got = h ? df_sim_disk_pread(fd, data, n, h->position) : -1;
    if (got > 0) h->position += (size_t)got;
    return got;
}

static ssize_t sim_write(int fd, const void *data, size_t n) {
    df_sim_handle *h = handle_of(fd);
    ssize_t put_n = h ? df_sim_disk_pwrite(fd, data, n, h->position) : -1;
    if (put_n > 0) h->position += (size_t)put_n;
    return put_n;
}

/* What is not synced may be there after a loss of power, or not, whether this was called or not. */
static void sim_begin_sync(int fd) {
    (void)fd;
}

static int sim_fsync(int fd) {
    df_sim_handle *h = handle_of(fd);
    if (!h) return -1;
    if (!may_change(mounted)) {
        if (!mounted->stopped) h->node->dirty_from = h->node->dirty_to = 0;
        return -1;
    }
    mounted->busy_ms += mounted->sync_ms;
    make_safe(h->node);
    return 0;
}

static int sim_syncfs(int fd) {
    if (!handle_of(fd) || !may_change(mounted)) return -1;
    mounted->busy_ms += mounted->sync_ms;
    for (df_sim_node *node = mounted->all; node; node = node->next) make_safe(node);
    return 0;
}

static void describe(const df_sim_node *node, struct stat *is) {
    *is = (struct stat) { .st_dev = 1, .st_ino = node->number };
    is->st_mode = node->is_folder ? S_IFDIR | 0777 : S_IFREG | 0666;
    is->st_size = (off_t)node->seen.n;
}

static int sim_fstat(int fd, struct stat *is) {
    df_sim_handle *h = handle_of(fd);
    if (!h) return -1;
    describe(h->node, is);
    return 0;
}

static int sim_fstatat(int at, const char *path, struct stat *is, int flags) {
    char leaf[NAME_BYTES];
    df_sim_node *folder = walk(at, path, leaf), *node = folder ? node_at(folder, leaf) : NULL;
    (void)flags;
    if (!node) return -1;
    describe(node, is);
    return 0;
}

static int sim_mkdirat(int at, const char *path, mode_t mode) {
    char leaf[NAME_BYTES];
    df_sim_node *folder = walk(at, path, leaf);
    (void)mode;
    if (!folder) return -1;
    if (node_at(folder, leaf)) return errno = EEXIST, -1;
    if (!may_change(mounted)) return -1;
    if (!find_room(mounted, 1)) return errno = ENOSPC, -1;
    put(&folder->names, leaf, make_node(mounted, true));
    return 0;
}

static int sim_renameat(int from_at, const char *from, int to_at, const char *to) {
    char from_leaf[NAME_BYTES], to_leaf[NAME_BYTES];
    df_sim_node *from_folder = walk(from_at, from, from_leaf);
    df_sim_node *to_folder = from_folder ? walk(to_at, to, to_leaf) : NULL;
    df_sim_node *node = to_folder ? node_at(from_folder, from_leaf) : NULL;
    if (!node) return -1;
    const entry *there = find(&to_folder->names, to_leaf);
    if (there && there->node->is_folder && !node->is_folder) return errno = EISDIR, -1;
    if (!may_change(mounted)) return -1;
    put(&to_folder->names, to_leaf, node);
    take_off(&from_folder->names, from_leaf);
    return 0;
}

static int sim_unlinkat(int at, const char *path, int flags) {
    char leaf[NAME_BYTES];
    df_sim_node *folder = walk(at, path, leaf), *node = folder ? node_at(folder, leaf) : NULL;
    if (!node) return -1;
    if (node->is_folder && !(flags & AT_REMOVEDIR)) return errno = EISDIR, -1;
    if (node->is_folder && node->names.n) return errno = ENOTEMPTY, -1;
    if (!may_change(mounted)) return -1;
    take_off(&folder->names, leaf);
    return 0;
}

static int sim_list(int fd, df_disk_entry_fn take, void *ctx) {
    df_sim_handle *h = handle_of(fd);
    if (!h) return -1;
    if (!h->node->is_folder) return errno = ENOTDIR, -1;
    entries now = { 0 }; /* the list may change under the hands of take */
    copy_entries(&now, &h->node->names);
    int rc = 0;
    for (size_t i = 0; i < now.n && !rc; i++) rc = take(ctx, now.at[i].name);
    free(now.at);
    return rc;
}

const df_disk *df_sim_disk_calls(void) {
    static const df_disk calls = {
        .openat = sim_openat,
        .dup = sim_dup,
        .close = sim_close,
        .read = sim_read,
        .write = sim_write,
        .fsync = sim_fsync,
        .begin_sync = sim_begin_sync,
        .syncfs = sim_syncfs,
        .fstat = sim_fstat,
        .fstatat = sim_fstatat,
        .mkdirat = sim_mkdirat,
        .renameat = sim_renameat,
        .unlinkat = sim_unlinkat,
        .list = sim_list,
    };
    return &calls;
}

void df_sim_disk_link(df_sim_disk *d, const char *from, const char *to) {
    char leaf[NAME_BYTES];
    df_sim_disk_mount(d);
    df_sim_node *folder = walk(AT_FDCWD, from, leaf), *node = folder ? node_at(folder, leaf) : NULL;
    folder = walk(AT_FDCWD, to, leaf);
    if (!node || !folder) abort(); /* a test's own mistake */
    put(&folder->names, leaf, node);
    put(&folder->safe_names, leaf, node);
}

/* looking from outside */

const void *df_sim_disk_look(const df_sim_disk *d, const char *path, bool synced, size_t *n) {
    const df_sim_node *node = d->root;
    char part[NAME_BYTES];
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t length = strcspn(path, "/");
        if (length >= sizeof part) return NULL;
        memcpy(part, path, length);
        part[length] = '\0';
        const entry *e = find(synced ? &node->safe_names : &node->names, part);
        if (!e) return NULL;
        node = e->node;
        path += length;
    }
    const bytes *content = synced ? &node->safe : &node->seen;
    *n = content->n;
    return node->is_folder ? NULL : content->at ? (const void *)content->at : "";
}
