#include "protocol/canon.h"

#include <string.h>

enum {
    HEAD_BYTES = 12,
    SHORT_BYTES = 116, /* such a text is digested together with its head: one addition costs less than two */
};

/* Tag, kind, and the number in groups of seven bits, least significant first; the last has its top bit clear.
 */
static size_t write_head(char head[HEAD_BYTES], char tag, char kind, uint64_t number) {
    size_t used = 2;
    head[0] = tag;
    head[1] = kind;
    for (; number >= 0x80; number >>= 7)
        head[used++] = (char)(number | 0x80);
    head[used++] = (char)number;
    return used;
}

static void add_head(struct digest *d, char tag, char kind, uint64_t number) {
    char head[HEAD_BYTES];
    digest_add(d, slice_of(head, write_head(head, tag, kind, number)));
}

void canon_text(struct digest *d, char tag, struct slice text) {
    char both[HEAD_BYTES + SHORT_BYTES];
    if (text.length == 0 || text.length > SHORT_BYTES) {
        add_head(d, tag, 't', text.length);
        digest_add(d, text);
        return;
    }
    size_t used = write_head(both, tag, 't', text.length);
    memcpy(both + used, text.at, text.length);
    digest_add(d, slice_of(both, used + text.length));
}

void canon_number(struct digest *d, char tag, uint64_t number) {
    add_head(d, tag, 'n', number);
}

void canon_none(struct digest *d, char tag) {
    add_head(d, tag, '-', 0);
}
