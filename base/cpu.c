#include "base/cpu.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* What tells processors apart, on x86 and on ARM. */
static bool is_telling(const char *key) {
    static const char *const keys[] = { "model name",      "cpu family",  "model",    "stepping",
                                        "CPU implementer", "CPU variant", "CPU part", "CPU revision" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], key)) return true;
    return false;
}

/* "cpu family\t: 25\n" in two; false: it is no such line. */
static bool split(char *line, char **key, char **value) {
    char *colon = strchr(line, ':');
    if (!colon) return false;
    *value = colon + 1 + strspn(colon + 1, " \t");
    (*value)[strcspn(*value, "\n")] = '\0';
    while (colon > line && strchr(" \t", colon[-1])) colon--;
    *colon = '\0';
    *key = line;
    return true;
}

/* Of the first processor: its lines end with an empty one. */
static void read_lines(FILE *file, char *out, size_t out_bytes) {
    char line[512], *key, *value;
    size_t used = 0;
    while (fgets(line, sizeof line, file) && line[0] != '\n') {
        if (!split(line, &key, &value) || !is_telling(key) || used + 1 >= out_bytes) continue;
        bool name = !strcmp(key, "model name");
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s%s%s", used ? ", " : "", name ? "" : key,
                                 name ? "" : " ", value);
    }
}

char *df_cpu_name(char *out, size_t out_bytes) {
    struct utsname machine;
    FILE *file = fopen("/proc/cpuinfo", "re");
    out[0] = '\0';
    if (file) {
        read_lines(file, out, out_bytes);
        fclose(file);
    }
    if (!out[0]) snprintf(out, out_bytes, "%s", uname(&machine) ? "unknown" : machine.machine);
    return out;
}
