#include "server/announcer.h"

#include <assert.h>

#include "model/journal.h"
#include "protocol/chronicle.h"

_Static_assert(CHRONICLE_EVENTS_MAX <= FEED_ENTRY_EVENTS, "every event has a place of its own");

/* An entry on its way. */
struct announcement {
    struct announcer *announcer;
    const struct announcer_source *source;
    uint64_t batch;
    size_t entry;
    const struct stored_entry *content;
};

void announcer_init(struct announcer *a, struct feed *feed) {
    a->feed = feed;
    arena_init(&a->arena, 4096, SIZE_MAX / 2);
    buffer_init(&a->text, SIZE_MAX / 2);
}

void announcer_done(struct announcer *a) {
    arena_done(&a->arena);
    buffer_done(&a->text);
}

static int announce_transaction(const struct announcement *n) {
    struct announcer *a = n->announcer;
    struct record r;
    const struct transaction *t = n->source->transaction(n->source->self, n->content->kind, n->content->id);
    if (t == NULL)
        return ERR_NOT_FOUND;
    arena_reset(&a->arena);
    int code = record_decode(n->content->record, &a->arena, &r);
    size_t count = code == 0 ? chronicle_count(t, &r) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_writer w;
        buffer_clear(&a->text);
        json_writer_init(&w, &a->text);
        chronicle_put(&w, t, &r, n->content->seq, i);
        if (buffer_failed(&a->text) != 0)
            return ERR_MEMORY;
        struct feed_event event = {
            .place = feed_place_of(a->feed, n->batch, n->entry, i),
            .kind = n->content->kind,
            .id = n->content->id,
            .seq = n->content->seq,
            .index = i,
            .last = status_is_final(t->status) && n->content->seq == t->seq && i + 1 == count,
            .name = slice_text(chronicle_event(t, &r, i)),
            .json = buffer_slice(&a->text),
        };
        feed_add(a->feed, &event);
    }
    return code;
}

/* How entries of each kind are announced; NULL: they are not. */
static int (*const announce[STORED_KIND_END])(const struct announcement *n) = {
    [STORED_TRANSACTION] = announce_transaction,
    [STORED_MESSAGE] = announce_transaction,
    [STORED_NOTICE] = announce_transaction,
    [STORED_ANSWER] = NULL, /* the client's own business */
    [STORED_AUDIT] =
        NULL, /* what it tells of shows in the transaction's events; who may read it is narrower */
};

bool announcer_shows(uint8_t kind) {
    return kind < STORED_KIND_END && announce[kind] != NULL;
}

void announcer_entry(struct announcer *a, const struct announcer_source *source, uint64_t batch, size_t entry,
                     const struct stored_entry *content) {
    struct announcement n = { a, source, batch, entry, content };
    if (announcer_shows(content->kind) && announce[content->kind](&n) != 0)
        feed_forget(a->feed, feed_place_of(a->feed, batch, entry, FEED_ENTRY_EVENTS - 1));
}

void announcer_batch(struct announcer *a, const struct announcer_source *source, uint64_t batch,
                     struct slice bytes) {
    struct stored_entry content;
    for (size_t entry = 0; bytes.length > 0; entry++) {
        int code = journal_decode(&bytes, &content);
        assert(code == 0); /* this process wrote it */
        announcer_entry(a, source, batch, entry, &content);
    }
}
