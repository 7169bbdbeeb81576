#include "engine/text/word_split.h"

#include <utf8proc.h>

typedef enum kind { SPACE, LETTER, NUMBER, OTHER } kind;

/* Unicode's White_Space */
static bool is_space(int32_t c) {
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static kind kind_of(int32_t c) {
    if (is_space(c)) return SPACE;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return NUMBER;
    default: return OTHER;
    }
}

/* Length of the contraction at text[0], 0 if there is none. */
static size_t contraction(const int32_t *text, size_t n) {
    static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    if (n < 2 || text[0] != '\'') return 0;
    for (size_t k = 0; k < sizeof endings / sizeof endings[0]; k++) {
        const char *e = endings[k];
        if (text[1] != e[0]) continue;
        if (!e[1]) return 2;
        if (n > 2 && text[2] == e[1]) return 3;
    }
    return 0;
}

static size_t word_length(const int32_t *text, size_t n) {
    size_t length = contraction(text, n);
    if (length) return length;
    kind own = kind_of(text[0]);
    if (own == NUMBER) return 1;
    for (length = 1; length < n && kind_of(text[length]) == own;) length++;
    return length;
}

bool df_word_next(const int32_t *text, size_t n, size_t *begin, size_t *end) {
    size_t i = *begin;
    while (i < n && is_space(text[i])) i++;
    *begin = i;
    if (i == n) return false;
    *end = i + word_length(text + i, n - i);
    return true;
}
