#include "server/events.h"

#include "server/announcer.h"
#include "server/stream.h"

void events_changed(struct daemon *d, const struct change *change) {
    if (change->finished)
        waiters_final(&d->waiters, change->transaction);
}

/* A transaction leaves memory only when its row is durable, and it is folded only after its last batch. */
static const struct transaction *find_transaction(void *self, uint8_t kind, uint64_t id) {
    (void)kind; /* ids are unique among all kinds */
    return engine_by_id(((struct daemon *)self)->engine, id);
}

void events_durable(struct daemon *d, uint64_t seq, struct slice batch, uint32_t entries) {
    const struct announcer_source source = { .self = d, .transaction = find_transaction };
    feed_batch(d->feed, seq, d->epoch);
    if (feed_wants(d->feed, entries, daemon_now_ms(d)))
        announcer_batch(&d->announcer, &source, seq, batch);
    else
        feed_forget(d->feed, feed_place_end(d->feed, seq));
    stream_pump(d);
}
