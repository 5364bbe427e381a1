#include "protocol/canon.h"

/* Tag, kind, and the number in groups of seven bits, least significant first; the last has its top bit clear.
 */
static void add_head(struct digest *d, char tag, char kind, uint64_t number) {
    char head[12] = { tag, kind };
    size_t used = 2;
    for (; number >= 0x80; number >>= 7)
        head[used++] = (char)(number | 0x80);
    head[used++] = (char)number;
    digest_add(d, slice_of(head, used));
}

void canon_text(struct digest *d, char tag, struct slice text) {
    add_head(d, tag, 't', text.length);
    digest_add(d, text);
}

void canon_number(struct digest *d, char tag, uint64_t number) {
    add_head(d, tag, 'n', number);
}

void canon_none(struct digest *d, char tag) {
    add_head(d, tag, '-', 0);
}
