/* Serving: channels that have something ready and room for it are served in turn, one parcel each, so that a
 * channel with a long queue, or one that does not answer, never keeps another waiting. */
#include <assert.h>

#include "base/limits.h"
#include "engine/mutant.h"
#include "engine/seat.h"

enum {
    SENDS_PER_STEP = 512,
    STEP_BYTES = 64 * 1024,
    TROUBLE_AFTER = 5, /* attempts in a row without success before an endpoint is only probed */
    PROBE_FIRST_MS = 5000,
    PROBE_LAST_MS = 60000,
};

static bool may_send(const struct channel *c) {
    const struct definition *d = &c->version->definition;
    uint32_t most = MUTANT(concurrency_ignored) ? UINT32_MAX : c->probing ? 1 : d->outlet.concurrency;
    return (!d->paused || MUTANT(paused_is_sent)) && d->outlet.url.length > 0 && !chain_empty(&c->ready) &&
           c->out < most && c->probe.place == 0;
}

void channel_wake(struct engine *e, struct channel *c) {
    bool linked = chain_linked(&c->awake);
    if (may_send(c) && !linked)
        chain_add_last(&e->awake, &c->awake);
    if (linked && !may_send(c))
        chain_remove(&c->awake);
}

void channel_heard(struct engine *e, struct channel *c, bool well, uint64_t now_ms) {
    if (well) {
        c->failures = 0;
        c->probing = false;
        due_clear(&e->probes, &c->probe);
    } else if (++c->failures >= TROUBLE_AFTER) {
        uint32_t doublings = c->failures - TROUBLE_AFTER;
        uint64_t pause_ms = doublings > 4 ? PROBE_LAST_MS : (uint64_t)PROBE_FIRST_MS << doublings;
        c->probing = true;
        due_set(&e->probes, &c->probe, now_ms + (pause_ms < PROBE_LAST_MS ? pause_ms : PROBE_LAST_MS));
    }
    channel_wake(e, c);
}

/* A notification's attempt has a record of its own before it is made: never one more than was recorded
 * (reliability.md G9). */
static void allow(struct step *s, const struct parcel *p, const struct operation *o) {
    struct record r = { .kind = RECORD_ALLOWED, .branch = p->branch, .role = p->role, .attempt = o->attempt };
    if (s->transaction->mode == MODE_NOTICE && o->status != OPERATION_RUNNING)
        step_put(s, &r);
}

/* Take a ready parcel out; false when nothing is to be sent after all. */
static bool take_out(struct step *s, struct parcel *p) {
    struct operation *o = &s->transaction->branches[p->branch].operation[p->role];
    parcel_unready(p);
    if (o->interrupted)
        judge_interrupted(s, p->branch, p->role);
    if (!owed_in_progress(o) || o->next_ms > s->event->now_ms) {
        p->state = PARCEL_WAITS;
        return false;
    }
    allow(s, p, o);
    p->state = PARCEL_OUT;
    p->channel->out++;
    return true;
}

/* What happens to a parcel when its turn has come, whatever event it was that made room. */
static struct event turn_of(const struct event *event) {
    return (struct event){ .kind = EVENT_TICK, .now_ms = event->now_ms, .random = event->random };
}

static void send_parcel(struct engine *e, const struct event *event, struct effects *effects,
                        struct parcel *p) {
    struct event turn = turn_of(event);
    struct step s;
    step_begin(&s, e, &turn, effects, p->seat);
    if (take_out(&s, p)) {
        p->version = p->channel->version;
        p->version->users++;
        emit(&s, p->branch, p->role, p->version);
    }
    drive(&s);
    step_end(&s);
}

static struct parcel *first_ready(const struct channel *c) {
    return CHAIN_OWNER(c->ready.next, struct parcel, ready);
}

void serve(struct engine *e, const struct event *event, struct effects *effects) {
    for (struct due *due; (due = due_first(&e->probes)) != NULL && due->at_ms <= event->now_ms;) {
        due_clear(&e->probes, due);
        if (!MUTANT(probe_forgotten))
            channel_wake(e, CHAIN_OWNER(due, struct channel, probe));
    }
    for (int sends = 0; sends < SENDS_PER_STEP && !chain_empty(&e->awake); sends++) {
        if (e->figures.calls_open >= e->options.calls_max || batch_is_full(effects, STEP_BYTES))
            return;
        struct channel *c = CHAIN_OWNER(e->awake.next, struct channel, awake);
        chain_remove(&c->awake);
        assert(may_send(c));
        send_parcel(e, event, effects, first_ready(c));
        channel_wake(e, c);
    }
}

bool serve_waits(const struct engine *e) {
    return !chain_empty(&e->awake) && e->figures.calls_open < e->options.calls_max;
}

static void lease(struct engine *e, const struct event *event, struct effects *effects, struct parcel *p) {
    struct step s;
    uint32_t lease_ms = event->pause_ms > 0 ? event->pause_ms : channel_outlet(p->channel)->ack_timeout_ms;
    struct pulled pulled = { .branch = p->branch, .until_ms = event->now_ms + lease_ms };
    struct event turn = turn_of(event);
    step_begin(&s, e, &turn, effects, p->seat);
    if (take_out(&s, p)) {
        p->lease_ms = MUTANT(leased_twice) ? event->now_ms + 1 : pulled.until_ms;
        pulled.transaction = s.transaction;
        int result = effects_pulled(effects, &pulled);
        assert(result == 0);
    }
    drive(&s);
    step_end(&s);
}

/* A consumer is never given what may yet be taken back (take_back.c): then no lease has to be. Nobody was
 * told of such a message before, and what is ready behind it is behind it for a moment only. */
static bool may_lease(const struct engine *e, const struct channel *c) {
    if (chain_empty(&c->ready))
        return false;
    return first_ready(c)->seat->origin_batch <= e->durable;
}

bool engine_channel_has_ready(const struct engine *e, const struct channel *c) {
    return !c->version->definition.paused && may_lease(e, c);
}

void pull_step(struct engine *e, const struct event *event, struct effects *effects) {
    struct channel *c = channel_find(e, DEFINITION_SUBSCRIPTION, event->gid);
    effects->reply = (struct reply){ .kind = REPLY_PULLED };
    if (c == NULL || c->thing.id == 0) {
        effects->reply.kind = REPLY_NOT_FOUND;
        return;
    }
    if (channel_outlet(c)->url.length > 0) {
        effects->reply.kind = REPLY_NOT_ALLOWED;
        effects->reply.text = SLICE("the subscription pushes; only one with \"pull\": true is pulled");
        return;
    }
    if (c->version->definition.paused)
        return;
    size_t bytes = 0;
    while (effects->pulled_count < event->count && may_lease(e, c) && bytes < LIMIT_PULL_BYTES &&
           !batch_is_full(effects, STEP_BYTES)) {
        struct parcel *p = first_ready(c);
        bytes += p->seat->transaction.message->body.length;
        lease(e, event, effects, p);
    }
    effects->reply.pulled = effects->pulled;
    effects->reply.pulled_count = effects->pulled_count;
}
