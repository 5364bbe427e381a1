/* The step: one transaction taken in hand, its records made, put back. */
#include <assert.h>

#include "engine/seat.h"

void step_begin(struct step *s, struct engine *e, const struct event *event, struct effects *effects,
                struct seat *seat) {
    *s = (struct step){
        .engine = e,
        .effects = effects,
        .event = event,
        .seat = seat,
        .transaction = seat != NULL ? &seat->transaction : &e->shown,
        .text = event->text,
    };
    s->seq_before = s->transaction->seq;
    s->status_before = s->transaction->status;
    trace_begin(s);
}

void step_put(struct step *s, struct record *r) {
    struct engine *e = s->engine;
    assert(s->seat != NULL);
    r->at_ms = s->event->now_ms;
    buffer_clear(&e->record);
    record_encode(&e->record, r);
    assert(buffer_failed(&e->record) == 0);
    arena_reset(&e->scratch);
    int result = transaction_apply(s->transaction, buffer_slice(&e->record), &e->scratch);
    assert(result == 0); /* memory for the step was there before it began; without it settled stops, it never
                            half decides */
    trace_record(s, r);
    seat_note(e, s->seat);
    s->seat->thing.seq = s->transaction->seq;
    s->seat->thing.complete = status_is_final(s->transaction->status);
    thing_put(e, s->effects, &s->seat->thing, buffer_slice(&e->record));
}

void step_end(struct step *s) {
    struct engine *e = s->engine;
    trace_end(s);
    if (s->seat == NULL)
        return;
    transaction_check(s->transaction);
    if (s->seat->parcels != NULL)
        parcels_follow(e, s->seat, s->event->now_ms);
    seat_schedule(e, s->seat, s->event->now_ms);
    if (s->transaction->seq == s->seq_before)
        return;
    seat_count(e, s->seat);
    struct change change = {
        .transaction = s->transaction,
        .seq_before = s->seq_before,
        .finished = status_is_final(s->transaction->status) && !status_is_final(s->status_before),
    };
    int result = effects_change(s->effects, &change);
    assert(result == 0);
}
