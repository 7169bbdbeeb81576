#include "client/prompt_limit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/models/config_check.h"

enum { SHOWN_BYTES = 60 };

static df_code count(const df_model *m, const char *text, int max, int *n, df_err *err) {
    int32_t ids[DF_MODEL_MAX_TOKENS];
    return df_model_tokenize(m, DF_TEXT_ENCODER, text, ids, max, n, err);
}

static bool inside_character(const char *at) {
    return ((unsigned char)*at & 0xc0) == 0x80;
}

/* The longest beginning that is not cut, by halves: more text never has fewer tokens by more than a few, so the result
 * may be off by a word where tokens merge over the border, which is good enough to show. */
static df_code search(const df_model *m, char *copy, size_t bytes, int max, size_t *kept, df_err *err) {
    size_t low = 0, high = bytes;
    while (high - low > 1) {
        int n;
        size_t middle = low + (high - low) / 2;
        char saved = copy[middle];
        copy[middle] = '\0';
        df_code rc = count(m, copy, max, &n, err);
        copy[middle] = saved;
        if (rc) return rc;
        if (n <= max)
            low = middle;
        else
            high = middle;
    }
    while (low > 0 && inside_character(copy + low)) low--;
    *kept = low;
    return DF_OK;
}

df_code df_prompt_kept_bytes(const df_model *m, const char *text, int max, size_t *kept, int *n_tokens, df_err *err) {
    size_t bytes = *kept = strlen(text);
    df_code rc = count(m, text, max, n_tokens, err);
    if (rc || *n_tokens <= max) return rc;
    char *copy = strdup(text);
    if (!copy) return df_err_set(err, DF_ENOMEM, "a prompt of %zu bytes", bytes);
    rc = search(m, copy, bytes, max, kept, err);
    free(copy);
    return rc;
}

static void tell(const char *what, uint64_t line, const char *text, size_t kept, int n_tokens, int max, FILE *to) {
    const char *from = text + (kept > SHOWN_BYTES / 2 ? kept - SHOWN_BYTES / 2 : 0);
    while (from > text && inside_character(from)) from--;
    const char *cut = text + kept;
    size_t shown = strlen(cut) > SHOWN_BYTES ? SHOWN_BYTES : strlen(cut);
    while (shown < strlen(cut) && inside_character(cut + shown)) shown++;
    fprintf(to, "diffarm: warning: line %" PRIu64 ": the %s has %d tokens, the model takes %d: \"%s%.*s\" is read, ",
            line, what, n_tokens, max, from > text ? "..." : "", (int)(text + kept - from), from);
    fprintf(to, "\"%.*s%s\" is cut off\n", (int)shown, cut, cut[shown] ? "..." : "");
}

/* Where weights or chunks are read there is no place in the text to show. */
static df_code check_syntax(df_prompt_limit *l, const char *what, const char *text, uint64_t line, FILE *to,
                            df_err *err) {
    df_text_chunks c;
    bool is_new;
    df_code rc = df_model_chunks(l->model, DF_TEXT_ENCODER, text, &l->syntax, &c, err);
    if (rc) return rc;
    if (c.cut && !(rc = df_name_set_add(&l->cut, text, &is_new, err)) && is_new && l->cut.n <= DF_PROMPT_LIMIT_SHOWN)
        fprintf(to, "diffarm: warning: line %" PRIu64 ": the %s is cut off behind its first %d tokens\n", line, what,
                c.n * (df_model_info_of(l->model)->max_tokens - 2));
    df_text_chunks_free(&c);
    return rc;
}

static uint64_t hash_of(const char *text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static df_code check_one(df_prompt_limit *l, int which, const char *text, uint64_t line, FILE *to, df_err *err) {
    int max = df_model_info_of(l->model)->max_tokens, n;
    size_t kept;
    uint64_t hash = hash_of(text);
    if (l->last[which] == hash) return DF_OK;
    l->last[which] = hash;
    if (strlen(text) + 2 <= (size_t)max) return DF_OK; /* a token has a byte or more */
    const char *what = which ? "negative prompt" : "prompt";
    bool is_new;
    if (l->syntax.weights || l->syntax.chunks) return check_syntax(l, what, text, line, to, err);
    df_code rc = count(l->model, text, max, &n, err);
    if (rc || n <= max) return rc;
    if ((rc = df_name_set_add(&l->cut, text, &is_new, err)) || !is_new || l->cut.n > DF_PROMPT_LIMIT_SHOWN) return rc;
    if (!(rc = df_prompt_kept_bytes(l->model, text, max, &kept, &n, err))) tell(what, line, text, kept, n, max, to);
    return rc;
}

df_code df_prompt_limit_check(df_prompt_limit *l, const Diffarm__Row *row, FILE *to, df_err *err) {
    if (!df_model_tokenizer(l->model)) return DF_OK;
    df_code rc = check_one(l, 0, row->prompt, row->line, to, err);
    return rc ? rc : check_one(l, 1, row->negative, row->line, to, err);
}

void df_prompt_limit_end(df_prompt_limit *l, FILE *to) {
    if (l->cut.n > DF_PROMPT_LIMIT_SHOWN)
        fprintf(to, "diffarm: warning: %zu more prompts are cut\n", l->cut.n - DF_PROMPT_LIMIT_SHOWN);
    df_name_set_clear(&l->cut);
}
