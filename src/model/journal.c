#include "model/journal.h"

#include "base/err.h"
#include "base/leb128.h"

void journal_encode(struct buffer *to, const struct stored_entry *entry) {
    buffer_add_byte(to, (char)entry->kind);
    leb128_put(to, entry->id);
    leb128_put(to, entry->seq);
    leb128_put_bytes(to, entry->record);
}

int journal_decode(struct slice *from, struct stored_entry *out) {
    struct leb128_cursor c = { .left = *from };
    struct stored_entry entry;
    entry.kind = (uint8_t)leb128_take_upto(&c, STORED_KIND_END - 1);
    entry.id = leb128_take(&c);
    entry.seq = (uint32_t)leb128_take_upto(&c, UINT32_MAX);
    entry.record = leb128_take_bytes(&c);
    if (c.failed || entry.kind == 0)
        return ERR_CORRUPT;
    *from = c.left;
    *out = entry;
    return 0;
}
