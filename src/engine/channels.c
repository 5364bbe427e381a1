/* Channels: topics, subscriptions, endpoints and datasources by name. A definition is stored as its latest
 * record; whoever sends under an older version keeps that version alive until it is done. */
#include <assert.h>

#include "base/hash.h"
#include "base/limits.h"
#include "engine/seat.h"

static uint64_t name_hash(const struct engine *e, uint8_t kind, struct slice name) {
    return hash_seeded(e->options.hash_seed + kind, name);
}

struct channel *channel_find(const struct engine *e, uint8_t kind, struct slice name) {
    size_t cursor = 0;
    uint64_t hash = name_hash(e, kind, name);
    for (struct channel *c; (c = table_find(&e->channels_by_name, hash, &cursor)) != NULL;) {
        const struct definition *d = &c->version->definition;
        if (d->kind == kind && slice_equal(d->name, name))
            return c;
    }
    return NULL;
}

struct channel *channel_of_topic(const struct engine *e, struct slice topic, size_t *cursor) {
    uint64_t hash = hash_seeded(e->options.hash_seed, topic) | 1;
    for (struct channel *c; (c = table_find(&e->channels_by_topic, hash, cursor)) != NULL;)
        if (slice_equal(channel_outlet(c)->topic, topic))
            return c;
    return NULL;
}

/* Versions. */

static int version_new(struct engine *e, struct slice record, struct version **out) {
    struct version *v = memory_take(&e->memory, sizeof *v + record.length);
    if (v == NULL)
        return ERR_MEMORY;
    v->users = 1;
    v->length = (uint32_t)record.length;
    memcpy(v + 1, record.at, record.length);
    int result = definition_decode(slice_of((const char *)(v + 1), record.length), &v->definition);
    if (result != 0) {
        memory_give(&e->memory, v, sizeof *v + record.length);
        return result;
    }
    *out = v;
    return 0;
}

void version_release(struct engine *e, struct version *version) {
    if (version != NULL && --version->users == 0)
        memory_give(&e->memory, version, sizeof *version + version->length);
}

/* Finding by topic. */

static void leave_topic(struct engine *e, struct channel *c) {
    if (c->topic_hash != 0)
        table_remove(&e->channels_by_topic, c->topic_hash, c);
    c->topic_hash = 0;
}

static int enter_topic(struct engine *e, struct channel *c) {
    const struct definition *d = &c->version->definition;
    if (d->kind != DEFINITION_SUBSCRIPTION || d->deleted || d->outlet.topic.length == 0)
        return 0;
    if (table_reserve(&e->channels_by_topic) != 0)
        return ERR_MEMORY;
    c->topic_hash = hash_seeded(e->options.hash_seed, d->outlet.topic) | 1;
    table_add(&e->channels_by_topic, c->topic_hash, c);
    return 0;
}

static int use_version(struct engine *e, struct channel *c, struct version *version) {
    leave_topic(e, c);
    version_release(e, c->version);
    c->version = version;
    return enter_topic(e, c);
}

/* Coming and going. */

static struct channel *channel_new(struct engine *e, struct version *version) {
    if (table_reserve(&e->channels_by_name) != 0 || due_heap_reserve(&e->probes, e->channel_count + 1) != 0)
        return NULL;
    struct channel *c = memory_take(&e->memory, sizeof *c);
    if (c == NULL)
        return NULL;
    c->thing.kind = STORED_DEFINITION;
    c->version = version;
    c->probe.rank = ++e->last_place;
    chain_init(&c->parcels);
    chain_init(&c->ready);
    chain_init(&c->stopped);
    table_init(&c->lanes);
    if (enter_topic(e, c) != 0) {
        memory_give(&e->memory, c, sizeof *c);
        return NULL;
    }
    c->table_hash = name_hash(e, version->definition.kind, version->definition.name);
    table_add(&e->channels_by_name, c->table_hash, c);
    chain_add_last(&e->channels, &c->channel);
    e->channel_count++;
    return c;
}

static void leave_tables(struct engine *e, struct channel *c) {
    if (!chain_linked(&c->channel))
        return;
    leave_topic(e, c);
    table_remove(&e->channels_by_name, c->table_hash, c);
    chain_remove(&c->channel);
    chain_remove(&c->awake);
    due_clear(&e->probes, &c->probe);
    e->channel_count--;
}

void channel_drop(struct engine *e, struct channel *c) {
    leave_tables(e, c);
    thing_clean(e, &c->thing);
    assert(chain_empty(&c->parcels));
    table_done(&c->lanes);
    version_release(e, c->version);
    memory_give(&e->memory, c, sizeof *c);
}

struct channel *channel_mention(struct engine *e, uint8_t kind, struct slice name) {
    struct channel *c = channel_find(e, kind, name);
    struct definition d = { .kind = kind, .name = name, .paused = true };
    struct version *version;
    if (c != NULL)
        return c;
    buffer_clear(&e->record);
    definition_encode(&e->record, &d);
    if (buffer_failed(&e->record) != 0 || version_new(e, buffer_slice(&e->record), &version) != 0)
        return NULL;
    c = channel_new(e, version);
    if (c == NULL)
        version_release(e, version);
    return c;
}

/* Defining. */

static void answer(struct effects *effects, uint8_t kind, const struct channel *c, struct slice text) {
    effects->reply = (struct reply){ .kind = kind,
                                     .text = text,
                                     .definition = c == NULL ? NULL : &c->version->definition };
}

/* The next version, stored. ERR_MEMORY: nothing has changed. */
static int put_version(struct engine *e, const struct event *event, struct effects *effects,
                       struct channel **channel, const struct definition *d) {
    struct channel *c = *channel;
    struct version *version;
    buffer_clear(&e->record);
    definition_encode(&e->record, d);
    if (buffer_failed(&e->record) != 0 || table_reserve(&e->channels_by_topic) != 0 ||
        version_new(e, buffer_slice(&e->record), &version) != 0)
        return ERR_MEMORY;
    if (c == NULL)
        c = channel_new(e, version);
    else
        (void)use_version(e, c, version); /* room in the topic's table is reserved */
    if (c == NULL) {
        version_release(e, version);
        return ERR_MEMORY;
    }
    if (c->thing.id == 0) {
        c->thing.id = seat_next_id(e, event->now_ms);
        e->last_id = c->thing.id;
    }
    c->thing.seq++;
    c->thing.complete = d->deleted;
    thing_put(e, effects, &c->thing, slice_of((const char *)(c->version + 1), c->version->length));
    *channel = c;
    return 0;
}

static size_t count_subscribers(const struct engine *e, struct slice topic) {
    const struct channel *c = NULL;
    size_t count = 0;
    while ((c = engine_channel_next(e, c)) != NULL)
        count += c->version->definition.kind == DEFINITION_SUBSCRIPTION && c->thing.id != 0 &&
                 slice_equal(c->version->definition.outlet.topic, topic);
    return count;
}

static void define(struct engine *e, const struct event *event, struct effects *effects) {
    static const char *const acts[DEFINITION_KIND_END] = {
        [DEFINITION_TOPIC] = "define topic",
        [DEFINITION_SUBSCRIPTION] = "define subscription",
        [DEFINITION_ENDPOINT] = "define endpoint",
        [DEFINITION_DATASOURCE] = "define datasource",
    };
    struct definition d = *event->definition;
    struct channel *c = channel_find(e, d.kind, d.name);
    bool known = c != NULL && c->thing.id != 0;
    if (known && slice_equal(c->version->definition.source, d.source)) {
        answer(effects, REPLY_DEFINED, c, SLICE_NONE);
        return;
    }
    if (!known && e->channel_count >= LIMIT_DEFINITIONS) {
        answer(effects, REPLY_FULL, NULL, SLICE("definitions"));
        return;
    }
    bool joins = !known || !slice_equal(c->version->definition.outlet.topic, d.outlet.topic);
    if (d.kind == DEFINITION_SUBSCRIPTION && joins &&
        count_subscribers(e, d.outlet.topic) >= LIMIT_TOPIC_SUBSCRIPTIONS) {
        answer(effects, REPLY_FULL, NULL, SLICE("subscriptions"));
        return;
    }
    d.at_ms = event->now_ms;
    d.who = event->who;
    d.paused = known && c->version->definition.paused;
    if (put_version(e, event, effects, &c, &d) != 0) {
        answer(effects, REPLY_NO_MEMORY, NULL, SLICE("limits.memory"));
        return;
    }
    channel_requeue(e, c, event->now_ms);
    audit_put(e, effects, event, acts[d.kind]);
    answer(effects, REPLY_DEFINED, c, SLICE_NONE);
}

static void undefine(struct engine *e, const struct event *event, struct effects *effects,
                     struct channel *c) {
    static const char *const acts[DEFINITION_KIND_END] = {
        [DEFINITION_TOPIC] = "delete topic",
        [DEFINITION_SUBSCRIPTION] = "delete subscription",
        [DEFINITION_ENDPOINT] = "delete endpoint",
        [DEFINITION_DATASOURCE] = "delete datasource",
    };
    if (!chain_empty(&c->parcels)) {
        answer(effects, REPLY_NOT_ALLOWED, c,
               SLICE("something is still owed to it: let it drain, or discard what is owed one by one"));
        return;
    }
    struct definition d = c->version->definition;
    d.deleted = true;
    d.at_ms = event->now_ms;
    d.who = event->who;
    d.reason = event->text;
    if (put_version(e, event, effects, &c, &d) != 0) {
        answer(effects, REPLY_NO_MEMORY, NULL, SLICE("limits.memory"));
        return;
    }
    leave_tables(e, c);
    audit_put(e, effects, event, acts[d.kind]);
    answer(effects, REPLY_DEFINED, c, SLICE_NONE);
}

int channel_pause(struct engine *e, const struct event *event, struct effects *effects, struct channel *c,
                  bool paused, struct slice reason) {
    struct definition d = c->version->definition;
    d.paused = paused;
    d.at_ms = event->now_ms;
    d.who = event->who;
    d.reason = reason;
    int result = put_version(e, event, effects, &c, &d);
    if (result != 0)
        return result;
    c->failures = 0;
    c->probing = false;
    due_clear(&e->probes, &c->probe);
    channel_wake(e, c);
    return 0;
}

static void pause_or_resume(struct engine *e, const struct event *event, struct effects *effects,
                            struct channel *c) {
    bool resume = event->not_done;
    if (c->version->definition.paused != resume) {
        answer(effects, REPLY_DEFINED, c, SLICE_NONE);
        return;
    }
    if (channel_pause(e, event, effects, c, !resume, event->text) != 0) {
        answer(effects, REPLY_NO_MEMORY, NULL, SLICE("limits.memory"));
        return;
    }
    audit_put(e, effects, event, resume ? "resume" : "pause");
    answer(effects, REPLY_DEFINED, c, SLICE_NONE);
}

void define_step(struct engine *e, const struct event *event, struct effects *effects) {
    if (event->kind == EVENT_DEFINE) {
        define(e, event, effects);
        return;
    }
    struct channel *c = channel_find(e, event->definition_kind, event->gid);
    if (c == NULL || c->thing.id == 0)
        answer(effects, REPLY_NOT_FOUND, NULL, SLICE_NONE);
    else if (event->kind == EVENT_UNDEFINE)
        undefine(e, event, effects, c);
    else
        pause_or_resume(e, event, effects, c);
}

/* Recovery. */

static struct channel *channel_by_id(const struct engine *e, uint64_t id) {
    for (struct chain *link = e->channels.next; link != &e->channels; link = link->next) {
        struct channel *c = CHAIN_OWNER(link, struct channel, channel);
        if (c->thing.id == id)
            return c;
    }
    return NULL;
}

int channel_recover(struct engine *e, uint64_t batch, uint64_t id, uint32_t seq, struct slice record) {
    struct channel *c = channel_by_id(e, id);
    struct version *version;
    if (c == NULL && batch != 0 && (seq != 1 || order_find(&e->final_rows, id) != NULL))
        return 0; /* deleted and folded: its row has more than this */
    if (c != NULL && seq <= c->thing.seq)
        return 0;
    int result = version_new(e, record, &version);
    if (result != 0)
        return result;
    if (c == NULL)
        c = channel_new(e, version);
    else
        result = use_version(e, c, version);
    if (c == NULL || result != 0)
        return ERR_MEMORY;
    c->thing.id = id;
    c->thing.seq = seq;
    if (id > e->last_id)
        e->last_id = id;
    c->thing.complete = c->version->definition.deleted;
    if (batch != 0)
        thing_dirty(e, &c->thing, batch);
    if (c->thing.complete)
        leave_tables(e, c);
    return 0;
}

/* Looking. */

const struct channel *engine_channel(const struct engine *e, uint8_t kind, struct slice name) {
    return channel_find(e, kind, name);
}

const struct channel *engine_defined(const struct engine *e, uint8_t kind, struct slice name) {
    const struct channel *c = channel_find(e, kind, name);
    return c == NULL || c->thing.id == 0 ? NULL : c;
}

const struct channel *engine_channel_next(const struct engine *e, const struct channel *after) {
    const struct chain *link = after == NULL ? e->channels.next : after->channel.next;
    return link == &e->channels ? NULL : CHAIN_OWNER(link, const struct channel, channel);
}

const struct definition *engine_definition(const struct channel *c) {
    return &c->version->definition;
}

uint64_t engine_channel_id(const struct channel *c) {
    return c->thing.id;
}
