#include "client/render/log_tail.h"

#include <stdbool.h>
#include <string.h>

#define TAIL_BYTES 8192

static const char mark[] = "diffarm: error: ";

char *df_log_tail(const char *path, char *out, size_t out_bytes) {
    char tail[TAIL_BYTES + 1];
    out[0] = '\0';
    FILE *f = fopen(path, "re");
    if (!f) return out;
    if (fseek(f, -TAIL_BYTES, SEEK_END)) rewind(f);
    tail[fread(tail, 1, TAIL_BYTES, f)] = '\0';
    fclose(f);
    bool found = false;
    for (char *save, *line = strtok_r(tail, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *error = strstr(line, mark);
        if (!error && found) continue;
        found = error;
        snprintf(out, out_bytes, "%s", error ? error + strlen(mark) : line);
    }
    return out;
}

void df_log_relay(const char *path, const char *mark_of_line, FILE *to) {
    char line[512];
    FILE *f = fopen(path, "re");
    if (!f) return;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, mark_of_line, strlen(mark_of_line))) fputs(line, to);
    fclose(f);
}
