/* The fields of a manifest line: one table says their names, types and limits for JSON Lines and CSV alike.
 *
 * A df_line is a line as it was written: `given` has a bit for each field that was there. Texts are borrowed from the
 * reader and hold until its next line. Every fault becomes a problem that names place and field. */
#ifndef DF_CLIENT_FIELDS_H
#define DF_CLIENT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/problems.h"

enum {
    DF_GIVEN_PROMPT = 1 << 0,
    DF_GIVEN_NEGATIVE = 1 << 1,
    DF_GIVEN_SEED = 1 << 2,
    DF_GIVEN_COUNT = 1 << 3,
    DF_GIVEN_SIZE = 1 << 4,
    DF_GIVEN_STEPS = 1 << 5,
    DF_GIVEN_GUIDANCE = 1 << 6,
    DF_GIVEN_SCHEDULER = 1 << 7,
    DF_GIVEN_TASK = 1 << 8,
    DF_GIVEN_NAME = 1 << 9,
    DF_GIVEN_IMAGE = 1 << 10,
    DF_GIVEN_MASK = 1 << 11,
    DF_GIVEN_STRENGTH = 1 << 12,
    DF_GIVEN_CLASS = 1 << 13,
    DF_GIVEN_NOISE_LEVEL = 1 << 14,
    DF_GIVEN_GUIDANCE_RESCALE = 1 << 15,
    DF_GIVEN_ETA = 1 << 16,
    DF_GIVEN_LORA = 1 << 17,
    DF_GIVEN_EMBEDDING = 1 << 18,
};

#define DF_MAX_PROMPT_BYTES 32768
#define DF_MAX_STEPS 1000
#define DF_MAX_SIDE 8192
#define DF_MAX_GUIDANCE 100.0
#define DF_MAX_COUNT 1000000
#define DF_MAX_CLASS 1000000
#define DF_MAX_PATH_BYTES 4095
#define DF_MAX_ADAPTERS 16 /* of a row */
#define DF_MAX_NAME_BYTES 1024

typedef struct df_line_adapter {
    const char *file; /* of a LoRA "FILE" or "FILE:WEIGHT"; the FILE alone where the weight stands beside it */
    double weight;
    bool weight_beside;
    const char *token; /* of an embedding, [token_bytes]; none: as the file says */
    size_t token_bytes;
} df_line_adapter;

typedef struct df_line_adapters {
    df_line_adapter at[DF_MAX_ADAPTERS]; /* [n] */
    int n;
} df_line_adapters;

typedef struct df_line {
    const char *where; /* "manifest.jsonl:7", for messages */
    uint64_t number; /* 1-based */
    unsigned given;
    const char *prompt, *negative, *scheduler, *task, *name;
    const char *image, *mask; /* as written */
    df_line_adapters lora, embedding;
    int64_t seed, count, steps, class_label, noise_level;
    int width, height;
    double guidance, guidance_rescale, eta, strength;
} df_line;

typedef struct df_value_in {
    /* CELL: text of unknown type (CSV); FILE: a file with a weight or a name */
    enum { DF_IN_TEXT, DF_IN_INT, DF_IN_REAL, DF_IN_OTHER, DF_IN_CELL, DF_IN_FILE } kind;
    const char *text; /* TEXT, CELL; of FILE its path; for OTHER what it is: "an array" */
    int64_t integer;
    double real; /* REAL; of FILE its weight, 1 without one */
    const char *name; /* of FILE, or NULL */
} df_value_in;

/* Sets one field of the line; false, and a problem, if name or value is not as it must be. */
bool df_field_set(df_line *line, const char *name, const df_value_in *value, df_problems *problems);
/* What the line does not give comes from `defaults`, given there or not; not the fields in `own`, nor a name. */
void df_line_inherit(df_line *line, const df_line *defaults, unsigned own);
bool df_field_is_list(const char *name); /* set once for each element */
bool df_field_known(const char *name);
/* The known name nearest to it, or NULL. */
const char *df_field_suggest(const char *name);

/* "WxH" with both sides in 1..DF_MAX_SIDE. */
bool df_parse_size(const char *text, int *width, int *height);
/* Whole decimal number, nothing behind it. */
bool df_parse_int(const char *text, int64_t *out);
bool df_parse_real(const char *text, double *out);

/* NULL if there is such a task, else what is wrong (with a suggestion for a slip). buf holds the text. */
const char *df_task_fault(const char *task, char *buf, size_t buf_bytes);
const char *df_scheduler_fault(const char *name, char *buf, size_t buf_bytes);
/* NULL if a picture may bear the name, else why not: names never leave OUT. */
const char *df_name_fault(const char *name);
/* NULL if text is UTF-8 without control characters but \t \n \r, of at most max_bytes, else what is wrong. */
const char *df_text_fault(const char *text, size_t max_bytes, char *buf, size_t buf_bytes);

#endif
