/* The hash chain over metadata.jsonl: one number that pins every line, and by the lines' sha256 every picture.
 *
 *   root_0 = SHA-256 of no bytes;   root_i = SHA-256(root_{i-1} in hex, line i with its newline)
 *
 * job.json holds the last one as metadata_root. A line that is changed, added, left out or moved changes it. */
#ifndef DF_COORDINATOR_CHAIN_H
#define DF_COORDINATOR_CHAIN_H

#include <stdbool.h>

#include "base/sha256.h"

void df_chain_begin(char root[DF_SHA256_HEX_BYTES]);
bool df_chain_add(char root[DF_SHA256_HEX_BYTES], const char *line, size_t bytes); /* false: out of memory */

#endif
