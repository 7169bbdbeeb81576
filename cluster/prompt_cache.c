#include "cluster/prompt_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct df_prompt_cache {
    df_prompt_cache_cfg cfg;
    df_prompt *first;
};

df_code df_prompt_cache_open(df_prompt_cache **out, const df_prompt_cache_cfg *cfg, df_err *err) {
    df_prompt_cache *c = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "prompt cache");
    c->cfg = *cfg;
    *out = c;
    return DF_OK;
}

static void prompt_free(df_prompt *p) {
    if (!p) return;
    free(p->text);
    for (int k = 0; k < DF_MAX_TOKENIZERS; k++) free(p->ids[k]);
    free(p->embedding);
    free(p->pooled);
    free(p);
}

void df_prompt_cache_close(df_prompt_cache **cache) {
    if (!cache || !*cache) return;
    for (df_prompt *p = (*cache)->first, *next; p; p = next) {
        next = p->next;
        prompt_free(p);
    }
    free(*cache);
    *cache = NULL;
}

static uint64_t hash_of(const char *text) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

/* Takes the prompt out of the list. A failed one is not found: it is tried again. */
static df_prompt *unlink_text(df_prompt_cache *c, const char *text, uint64_t hash) {
    for (df_prompt **at = &c->first; *at; at = &(*at)->next) {
        df_prompt *p = *at;
        if (p->hash != hash || p->state == DF_PROMPT_FAILED || strcmp(p->text, text) != 0) continue;
        *at = p->next;
        return p;
    }
    return NULL;
}

static int tokens_of(const df_prompt_cache_cfg *cfg, int k) {
    return (int)df_model_facts(cfg->model, cfg->encoder[k])->text.tokens;
}

static df_code check_ids(const df_prompt_cache_cfg *cfg, int k, const int32_t *ids, df_err *err) {
    const df_part_facts *facts = df_model_facts(cfg->model, cfg->encoder[k]);
    for (int i = 0; i < tokens_of(cfg, k); i++)
        if (ids[i] < 0 || ids[i] >= facts->text.vocab)
            return df_err_set(err, DF_EFORMAT, "the tokenizer gives id %d, %s has %lld", ids[i],
                              df_component_name(cfg->encoder[k]), (long long)facts->text.vocab);
    return DF_OK;
}

static df_code tokenize(const df_prompt_cache_cfg *cfg, int k, df_prompt *p, df_err *err) {
    int max = tokens_of(cfg, k), n_tokens = 0;
    df_code rc = df_model_tokenize(cfg->model, cfg->encoder[k], p->text, p->ids[k], max, &n_tokens, err);
    p->cut |= !rc && n_tokens > max;
    return rc;
}

/* ids: NULL, they follow from the text. */
static df_code fill_ids(const df_prompt_cache_cfg *cfg, df_prompt *p, const int32_t *const *ids, df_err *err) {
    df_code rc = DF_OK;
    for (int k = 0; k < cfg->n_encoders && !rc; k++) {
        size_t n = (size_t)tokens_of(cfg, k);
        if (!(p->ids[k] = calloc(n, sizeof *p->ids[k]))) return df_err_set(err, DF_ENOMEM, "%zu tokens", n);
        if (ids)
            memcpy(p->ids[k], ids[k], n * sizeof *ids[k]);
        else
            rc = tokenize(cfg, k, p, err);
        if (!rc) rc = check_ids(cfg, k, p->ids[k], err);
    }
    return rc;
}

static df_code prompt_new(df_prompt **out, const df_prompt_cache_cfg *cfg, const char *text, const int32_t *const *ids,
                          df_err *err) {
    df_prompt *p = calloc(1, sizeof *p);
    if (p) {
        p->text = strdup(text);
        p->embedding = calloc(1, cfg->embedding_bytes);
        p->pooled = calloc(1, cfg->pooled_bytes + 1);
    }
    df_code rc = DF_OK;
    if (!p || !p->text || !p->embedding || !p->pooled)
        rc = df_err_set(err, DF_ENOMEM, "prompt: %zu bytes", cfg->embedding_bytes);
    if (!rc) rc = fill_ids(cfg, p, ids, err);
    if (rc) {
        prompt_free(p);
        return rc;
    }
    p->hash = hash_of(text);
    *out = p;
    return DF_OK;
}

static df_code take(df_prompt_cache *cache, const char *text, const int32_t *const *ids, df_prompt **out, df_err *err) {
    df_prompt *p = unlink_text(cache, text, hash_of(text));
    df_code rc = p ? DF_OK : prompt_new(&p, &cache->cfg, text, ids, err);
    if (rc) return rc;
    p->next = cache->first;
    cache->first = p;
    p->n_users++;
    *out = p;
    return DF_OK;
}

df_code df_prompt_take(df_prompt_cache *cache, const char *text, df_prompt **out, df_err *err) {
    return take(cache, text, NULL, out, err);
}

/* They stand in the list under their own digits, behind a character that no prompt has. */
df_code df_prompt_take_ids(df_prompt_cache *cache, const int32_t *const ids[], df_prompt **out, df_err *err) {
    df_buf key = { 0 };
    for (int k = 0; k < cache->cfg.n_encoders; k++) {
        df_buf_puts(&key, "\1");
        for (int i = 0; i < tokens_of(&cache->cfg, k); i++) df_buf_printf(&key, "%x ", (unsigned)ids[k][i]);
    }
    df_code rc =
        key.failed || !key.data ? df_err_set(err, DF_ENOMEM, "a prompt") : take(cache, key.data, ids, out, err);
    df_buf_free(&key);
    return rc;
}

/* Walks from the most recently taken; what nobody uses beyond the limit goes. */
static void trim(df_prompt_cache *c) {
    size_t kept = 0, each = c->cfg.embedding_bytes + c->cfg.pooled_bytes;
    for (df_prompt **at = &c->first; *at;) {
        df_prompt *p = *at;
        bool unused = p->n_users == 0 && p->state != DF_PROMPT_ENCODING;
        if (unused) kept += each;
        if (unused && (kept > c->cfg.limit_bytes || p->state != DF_PROMPT_READY)) {
            if (p->state != DF_PROMPT_READY) kept -= each;
            *at = p->next;
            prompt_free(p);
        } else {
            at = &p->next;
        }
    }
}

void df_prompt_release(df_prompt_cache *cache, df_prompt **p) {
    if (!*p) return;
    (*p)->n_users--;
    *p = NULL;
    trim(cache);
}

static bool is_queued_for(const df_prompt *p, int encoder) {
    return p->state == DF_PROMPT_QUEUED && p->n_users > 0 && p->n_encoded == encoder;
}

bool df_prompt_is_waiting(const df_prompt_cache *cache, int encoder) {
    for (const df_prompt *p = cache->first; p; p = p->next)
        if (is_queued_for(p, encoder)) return true;
    return false;
}

df_prompt *df_prompt_next(df_prompt_cache *cache, int encoder) {
    df_prompt *oldest = NULL;
    for (df_prompt *p = cache->first; p; p = p->next)
        if (is_queued_for(p, encoder)) oldest = p;
    if (oldest) oldest->state = DF_PROMPT_ENCODING;
    return oldest;
}

void df_prompt_encoded(const df_prompt_cache *cache, df_prompt *p) {
    p->n_encoded++;
    p->state = p->n_encoded == cache->cfg.n_encoders ? DF_PROMPT_READY : DF_PROMPT_QUEUED;
}

void df_prompt_fail(df_prompt *p, const df_err *why) {
    p->state = DF_PROMPT_FAILED;
    p->failure = *why;
}

int df_prompt_cache_count(const df_prompt_cache *cache) {
    int n = 0;
    for (const df_prompt *p = cache->first; p; p = p->next) n++;
    return n;
}
