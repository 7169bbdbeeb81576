/* A row: one image to make, as plain values. Here wire rows are checked, once, on their way in; inside the
 * coordinator a row is trusted. Strings are borrowed: from the message, or from the arena it was read into. */
#ifndef DF_COORDINATOR_ROW_H
#define DF_COORDINATOR_ROW_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "farm.pb-c.h"

enum {
    DF_ROW_MAX_TEXT_BYTES = 16 << 10, /* of a prompt; 256 rows of two full ones still fit one message */
    DF_ROW_MAX_NAME_BYTES = 1024,
    DF_ROW_MAX_SIDE = 16384,
    DF_ROW_MAX_STEPS = 10000,
    DF_ROW_MAX_ROWS = 1000000000, /* of one job */
};

typedef struct df_row {
    uint64_t row, seed, line;
    uint32_t width, height, steps;
    double guidance;
    const char *prompt, *negative, *scheduler, *task, *name; /* name "": images/RRRRRR/RRRRRRRR */
    const char *extras; /* row_extras.h */
} df_row;

/* DF_EINVAL names the manifest's line. Borrows the strings of `in`; extras lie in the arena. */
df_code df_row_from_wire(df_row *out, const Diffarm__Row *in, df_arena *arena, df_err *err);
/* Borrows the strings of `in`; what extras stand for lies in the arena. */
df_code df_row_to_wire(Diffarm__Row *out, const df_row *in, df_arena *arena, df_err *err);

/* May NAME.png be written below OUT? Refused are absolute names, empty or hidden parts ("a//b", "..", ".x"), control
 * characters, backslashes, too long ones, and what would meet another file of OUT: our lists, the pictures without a
 * name, or a folder "x.png" in the way of a picture "x". */
df_code df_row_check_name(const char *name, df_err *err);

#define DF_ROW_PATH_BYTES (DF_ROW_MAX_NAME_BYTES + 8)
/* "images/000012/00012345.png" or "NAME.png", relative to OUT, into out[DF_ROW_PATH_BYTES]; returns out. */
char *df_row_path(char *out, uint64_t row, const char *name);

#endif
