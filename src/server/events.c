#include "server/events.h"

#include "protocol/chronicle.h"
#include "server/logs.h"
#include "server/stream.h"

/* Every new record as its events, into the feed. */
static void record_events(struct daemon *d, const struct change *change) {
    const struct transaction *t = change->transaction;
    struct image_cursor cursor;
    struct slice bytes;
    uint32_t seq = 0;
    transaction_records(t, &cursor);
    while (transaction_next_record(&cursor, &bytes)) {
        struct record r;
        if (++seq <= change->seq_before)
            continue;
        arena_reset(&d->event_arena);
        if (record_decode(bytes, &d->event_arena, &r) != 0)
            continue;
        size_t count = chronicle_count(&r);
        for (size_t i = 0; i < count; i++) {
            struct json_writer w;
            buffer_clear(&d->event_text);
            json_writer_init(&w, &d->event_text);
            chronicle_put(&w, t, &r, seq, i);
            struct feed_event event = {
                .transaction = t->id,
                .batch = driver_batch(d->driver),
                .seq = seq,
                .last = change->finished && seq == t->seq && i + 1 == count,
                .name = slice_text(chronicle_event(&r, i)),
                .json = buffer_slice(&d->event_text),
            };
            feed_add(d->feed, &event);
        }
    }
}

void events_changed(struct daemon *d, const struct change *change) {
    if (feed_wants(d->feed, daemon_now_ms(d)))
        record_events(d, change);
    if (change->finished)
        waiters_final(&d->waiters, change->transaction);
}

void events_durable(struct daemon *d) {
    stream_pump(d);
}
