#include "tests/engine/text/spiece_file.h"

#include <string.h>

static void add_varint(df_buf *b, uint32_t value) {
    for (; value >= 0x80; value >>= 7) df_buf_add(b, &(unsigned char) { (unsigned char)(value | 0x80) }, 1);
    df_buf_add(b, &(unsigned char) { (unsigned char)value }, 1);
}

static void add_bytes(df_buf *b, unsigned number, const void *data, unsigned bytes) {
    add_varint(b, number << 3 | 2);
    add_varint(b, bytes);
    df_buf_add(b, data, bytes);
}

static void add_message(df_buf *model, unsigned number, df_buf *message) {
    add_bytes(model, number, message->data, (unsigned)message->len);
    df_buf_free(message);
}

void spiece_add_piece(df_buf *model, const char *text, float score) {
    df_buf piece = { 0 };
    add_bytes(&piece, 1, text, (unsigned)strlen(text));
    add_varint(&piece, 2 << 3 | 5);
    df_buf_add(&piece, &score, sizeof score);
    add_message(model, 1, &piece);
}

void spiece_add_setting(df_buf *model, int spec, int number, uint32_t value) {
    df_buf message = { 0 };
    add_varint(&message, (unsigned)number << 3);
    add_varint(&message, value);
    add_message(model, (unsigned)spec, &message);
}

void spiece_add_charsmap(df_buf *model, const void *blob, unsigned bytes) {
    df_buf message = { 0 };
    add_bytes(&message, 2, blob, bytes);
    add_message(model, 3, &message);
}

static void put_u32(unsigned char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (8 * i));
}

unsigned spiece_one_rule(unsigned char blob[2048]) {
    enum { UNITS = 256, ROOT_OFFSET = 1, NODE = ROOT_OFFSET ^ 'A', NODE_OFFSET = 2, VALUE = NODE ^ NODE_OFFSET };
    static const char replacements[] = "\0a"; /* the rule's begins at 1 */
    memset(blob, 0, 2048);
    put_u32(blob, 4 * UNITS);
    put_u32(blob + 4, ROOT_OFFSET << 10);
    put_u32(blob + 4 + 4 * NODE, NODE_OFFSET << 10 | 1 << 8 | 'A');
    put_u32(blob + 4 + 4 * VALUE, 0x80000000u | 1);
    memcpy(blob + 4 + 4 * UNITS, replacements, sizeof replacements);
    return 4 + 4 * UNITS + sizeof replacements;
}
