#include "engine/adapters/adapter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool df_adapter_parse(char *text, df_adapter_use *out) {
    char *colon = strrchr(text, ':'), *end;
    *out = (df_adapter_use) { .kind = DF_ADAPTER_LORA, .path = text, .weight = 1 };
    if (colon && strspn(colon + 1, "+-.0123456789eE") == strlen(colon + 1) && colon[1]) {
        out->weight = strtod(colon + 1, &end);
        if (*end || !isfinite(out->weight)) return false;
        *colon = '\0';
    }
    return *text != '\0';
}

const char *df_adapter_embedding_file(const char *text, size_t *token_bytes) {
    const char *equals = strchr(text, '=');
    bool token = equals && !memchr(text, '/', (size_t)(equals - text));
    *token_bytes = token ? (size_t)(equals - text) : 0;
    return token ? equals + 1 : text;
}
