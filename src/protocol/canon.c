#include "protocol/canon.h"

/* Tag, kind, number; least significant byte first. */
static void add_head(struct digest *d, char tag, char kind, uint64_t number) {
    char head[10] = { tag, kind };
    for (int i = 0; i < 8; i++)
        head[2 + i] = (char)(number >> (8 * i));
    digest_add(d, slice_of(head, sizeof head));
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
