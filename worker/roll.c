#include "worker/roll.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Around an entry; no text has them. Between: '+' or '-' or '=', the rank, and behind '=' a blank and a text. */
#define BEGIN '\x01'
#define END '\x04'

static void put(int fd, const char *data, size_t n) {
    ssize_t written;
    do written = write(fd, data, n);
    while (written < 0 && errno == EINTR); /* nobody listens: nobody misses it */
}

/* Without stdio: a signal handler calls it. */
static void put_mark(int fd, char mark, int rank) {
    char entry[16] = { BEGIN, mark };
    size_t n = 2;
    if (rank < 0 || rank >= DF_ROLL_MOST_RANKS) return;
    if (rank >= 10) entry[n++] = (char)('0' + rank / 10);
    entry[n++] = (char)('0' + rank % 10);
    entry[n++] = END;
    entry[n++] = '\n';
    put(fd, entry, n);
}

void df_roll_come(int fd, int rank) {
    put_mark(fd, '+', rank);
}

void df_roll_leave(int fd, int rank) {
    int before = errno;
    put_mark(fd, '-', rank);
    errno = before;
}

void df_roll_tell(int fd, int rank, const char *where) {
    char entry[DF_ROLL_WHERE_BYTES + 16];
    int n = snprintf(entry, sizeof entry, "%c=%d %.*s%c\n", BEGIN, rank, DF_ROLL_WHERE_BYTES - 1, where, END);
    if (n > 0 && (size_t)n < sizeof entry) put(fd, entry, (size_t)n);
}

static void read_entry(df_roll *r) {
    char mark = 0, gap = 0;
    int rank = -1, used = 0;
    r->entry[r->n] = '\0';
    if (sscanf(r->entry, "%c%2d%n%c", &mark, &rank, &used, &gap) < 2 || rank < 0 || rank >= DF_ROLL_MOST_RANKS) return;
    df_roll_rank *of = &r->rank[rank];
    if (mark == '+') of->has_come = true;
    if (mark == '-') of->has_left = true;
    if (mark == '=' && gap == ' ') snprintf(of->where, sizeof of->where, "%s", r->entry + used + 1);
}

bool df_roll_take(df_roll *r, char byte) {
    bool was_ours = r->was_ours;
    r->was_ours = false;
    if (was_ours && byte == '\n') return true;
    if (byte == BEGIN) {
        r->inside = true;
        r->n = 0;
        return true;
    }
    if (!r->inside) return false;
    if (byte == END) read_entry(r);
    r->was_ours = byte == END;
    r->inside = byte != END && r->n + 1 < sizeof r->entry;
    if (r->inside) r->entry[r->n++] = byte;
    return true;
}

int df_roll_missing(const df_roll *r, int from) {
    for (int i = from; i < DF_ROLL_MOST_RANKS; i++)
        if (r->rank[i].has_come && !r->rank[i].has_left) return i;
    return -1;
}
