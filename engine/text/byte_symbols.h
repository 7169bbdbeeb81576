/* GPT-2's printable stand-ins for bytes: each byte is one character, so that any text is made of known symbols. */
#ifndef DF_ENGINE_TEXT_BYTE_SYMBOLS_H
#define DF_ENGINE_TEXT_BYTE_SYMBOLS_H

#define DF_BYTE_SYMBOL_BYTES 8 /* two bytes of UTF-8, "</w>", 0 */

/* The symbol of `byte`, with "</w>" behind it at the end of a word; returns out. */
char *df_byte_symbol(unsigned char byte, int ends_word, char out[DF_BYTE_SYMBOL_BYTES]);

#endif
