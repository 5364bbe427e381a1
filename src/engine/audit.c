/* The audit chain: who did what by hand, each line bound to the one before it (reliability.md H12). A line is
 * in the same batch as the act. */
#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/leb128.h"
#include "engine/seat.h"

static void keep(struct engine *e, uint64_t id, struct slice record, struct audit_line **out) {
    struct audit_line *line = memory_take(&e->memory, sizeof *line + record.length);
    *out = line;
    if (line == NULL)
        return;
    memcpy(line + 1, record.at, record.length);
    line->record = slice_of((const char *)(line + 1), record.length);
    line->thing = (struct thing){ .kind = STORED_AUDIT, .id = id, .seq = 1, .complete = true };
    chain_add_last(&e->audit, &line->line);
}

void audit_put(struct engine *e, struct effects *effects, const struct event *event, const char *what) {
    struct audit_line *line;
    struct digest chain;
    struct buffer *record = &e->record;
    buffer_clear(record);
    buffer_add(record, e->audit_hash, sizeof e->audit_hash);
    leb128_put(record, event->now_ms);
    leb128_put_bytes(record, event->who);
    leb128_put_bytes(record, slice_text(what));
    leb128_put_bytes(record, event->gid);
    leb128_put_bytes(record, event->branch_id);
    leb128_put_bytes(record, event->text);
    digest_init(&chain);
    digest_add(&chain, buffer_slice(record));
    digest_end(&chain, e->audit_hash);
    buffer_add(record, e->audit_hash, sizeof e->audit_hash);
    assert(buffer_failed(record) == 0);
    keep(e, ++e->audit_id, buffer_slice(record), &line);
    assert(line != NULL); /* an act without its line must not be: settled stops instead */
    thing_put(e, effects, &line->thing, line->record);
}

int audit_decode(struct slice record, struct audit_entry *out) {
    struct leb128_cursor c = { .left = record };
    struct audit_entry entry;
    uint8_t hash[DIGEST_BYTES];
    struct slice before = leb128_take_exactly(&c, DIGEST_BYTES);
    entry.at_ms = leb128_take(&c);
    entry.who = leb128_take_bytes(&c);
    entry.what = leb128_take_bytes(&c);
    entry.gid = leb128_take_bytes(&c);
    entry.branch = leb128_take_bytes(&c);
    entry.text = leb128_take_bytes(&c);
    struct slice after = leb128_take_exactly(&c, DIGEST_BYTES);
    if (c.failed || c.left.length != 0)
        return ERR_CORRUPT;
    memcpy(entry.hash_before, before.at, DIGEST_BYTES);
    memcpy(entry.hash, after.at, DIGEST_BYTES);
    digest_sha256(slice_upto(record, record.length - DIGEST_BYTES), hash);
    entry.chained = memcmp(hash, entry.hash, DIGEST_BYTES) == 0;
    *out = entry;
    return 0;
}

int audit_recover(struct engine *e, uint64_t batch, uint64_t id, struct slice record) {
    struct audit_entry entry;
    struct audit_line *line;
    int result = audit_decode(record, &entry);
    if (result != 0 || !entry.chained)
        return ERR_CORRUPT;
    if (id <= e->audit_id)
        return 0; /* its row is there already */
    if (batch > 0) {
        keep(e, id, record, &line);
        if (line == NULL)
            return ERR_MEMORY;
        thing_dirty(e, &line->thing, batch);
    }
    e->audit_id = id;
    memcpy(e->audit_hash, entry.hash, sizeof e->audit_hash);
    return 0;
}

void audit_drop(struct engine *e, struct audit_line *line) {
    thing_clean(e, &line->thing);
    chain_remove(&line->line);
    memory_give(&e->memory, line, sizeof *line + line->record.length);
}

bool engine_audit_recent(const struct engine *e, size_t index, struct stored_entry *out) {
    for (const struct chain *link = e->audit.previous; link != &e->audit; link = link->previous) {
        if (index-- > 0)
            continue;
        const struct audit_line *line = CHAIN_OWNER((uintptr_t)link, const struct audit_line, line);
        *out = (struct stored_entry){ STORED_AUDIT, line->thing.id, 1, line->record };
        return true;
    }
    return false;
}
