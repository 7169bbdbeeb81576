#include "coordinator/chain.h"

void df_chain_begin(char root[DF_SHA256_HEX_BYTES]) {
    df_sha256_of("", 0, root);
}

bool df_chain_add(char root[DF_SHA256_HEX_BYTES], const char *line, size_t bytes) {
    df_sha256 *hash = df_sha256_new();
    if (!hash) return false;
    df_sha256_add(hash, root, DF_SHA256_HEX_BYTES - 1);
    df_sha256_add(hash, line, bytes);
    df_sha256_end(&hash, root);
    return true;
}
