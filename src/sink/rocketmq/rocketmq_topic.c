#include "sink/rocketmq/rocketmq_topic.h"

#include <assert.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/table.h"
#include "base/utf8.h"
#include "net/loop.h"

#define TARGET_ARENA_BYTES (16u * 1024u)
#define ROUTE_ARENA_BYTES (4u * 1024u * 1024u)
#define SECRET_BYTES 1024
#define ACCESS_KEY_BYTES 255
#define TAG_BYTES 255

struct rocketmq_topics {
    struct loop *loop;
    struct rocketmq_sessions *sessions;
    const struct sink_options *options;
    struct chain by_use;
    struct table table;
    uint64_t seed;
    size_t count;
    struct buffer scratch; /* a target's line, or what is to be signed */
};

/* The settings in a target. */

static int read_choice(const struct sink_target *target, const char *name, bool *out, struct why *why) {
    struct slice value = sink_target_value(target, name);
    if (value.length > 0 && !slice_is(value, "yes") && !slice_is(value, "no"))
        return why_set(why, ERR_INVALID, "%s is \"%.*s\"; it can be yes or no", name, SLICE_PRINT(value));
    *out = slice_is(value, "yes");
    return 0;
}

static int check_names(const struct rocketmq_topic *t, struct why *why) {
    if (!rocketmq_name_valid(t->name, ROCKETMQ_TOPIC_BYTES))
        return why_set(why, ERR_INVALID,
                       "the topic \"%.*s\" has no valid name: 1 to %d letters, digits and _ - %% |, as in "
                       "rocketmq://host:9876/TOPIC",
                       SLICE_PRINT(t->name), ROCKETMQ_TOPIC_BYTES);
    if (!rocketmq_name_valid(t->group, ROCKETMQ_GROUP_BYTES))
        return why_set(why, ERR_INVALID, "group is \"%.*s\"; it can be 1 to %d letters, digits and _ - %% |",
                       SLICE_PRINT(t->group), ROCKETMQ_GROUP_BYTES);
    if (t->tag.length > TAG_BYTES || !utf8_valid(t->tag) || slice_find(t->tag, '|') < t->tag.length ||
        slice_find(t->tag, ' ') < t->tag.length)
        return why_set(why, ERR_INVALID,
                       "tag is \"%.*s\"; it can be up to %d bytes of text without blanks and |",
                       SLICE_PRINT(t->tag), TAG_BYTES);
    return 0;
}

static int check_credentials(const struct rocketmq_topic *t, struct why *why) {
    struct slice user = t->target.user;
    if ((user.length > 0) != (t->secret_file.length > 0))
        return why_set(why, ERR_INVALID,
                       "an access key (rocketmq://KEY@host) and a password_file go together; %s is missing",
                       user.length > 0 ? "password_file" : "the access key");
    if (user.length > ACCESS_KEY_BYTES || !utf8_valid(user))
        return why_set(why, ERR_INVALID, "the access key is not up to %d bytes of UTF-8 text",
                       ACCESS_KEY_BYTES);
    return 0;
}

static int read_settings(struct rocketmq_topic *t, struct why *why) {
    static const char *const known[] = { "group", "tag", "password_file", "create", "accept_weak" };
    const struct sink_target *target = &t->target;
    for (size_t i = 0; i < target->parameter_count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            found |= slice_is(target->parameters[i].name, known[k]);
        if (!found)
            return why_set(
                why, ERR_INVALID,
                "a RocketMQ target has no parameter %.*s; there are group, tag, password_file, create "
                "and accept_weak",
                SLICE_PRINT(target->parameters[i].name));
    }
    t->secure = slice_is(target->scheme, "rocketmqs");
    t->name = target->path;
    t->group = sink_target_value(target, "group");
    if (t->group.length == 0)
        t->group = SLICE("settled");
    t->tag = sink_target_value(target, "tag");
    t->secret_file = sink_target_value(target, "password_file");
    int code = check_names(t, why);
    if (code == 0)
        code = check_credentials(t, why);
    if (code == 0)
        code = read_choice(target, "create", &t->create, why);
    return code == 0 ? read_choice(target, "accept_weak", &t->accept_weak, why) : code;
}

int rocketmq_target_check(const struct sink_target *target, struct why *why) {
    struct rocketmq_topic t = { .target = *target };
    return read_settings(&t, why);
}

/* Telling. */

static struct rocketmq_waiter *next_waiter(struct rocketmq_topic *t) {
    if (chain_empty(&t->waiters))
        return NULL;
    struct rocketmq_waiter *w = CHAIN_OWNER(t->waiters.next, struct rocketmq_waiter, link);
    chain_remove(&w->link);
    return w;
}

static void lookup_done(struct rocketmq_topic *t) {
    struct rocketmq_waiter *w;
    t->asking = false;
    t->users++; /* not forgotten from inside a waiter */
    timer_start(&t->timer, ROCKETMQ_REFRESH_MS);
    if (t->known) {
        while ((w = next_waiter(t)) != NULL)
            w->known(w);
    } else {
        struct why why = t->why;
        struct chain failed;
        chain_init(&failed);
        while ((w = next_waiter(t)) != NULL)
            chain_add_last(&failed,
                           &w->link); /* whoever waits again from inside is not told of this lookup */
        while (!chain_empty(&failed)) {
            w = CHAIN_OWNER(failed.next, struct rocketmq_waiter, link);
            chain_remove(&w->link);
            w->failed(w, t->denied ? ERR_DENIED : ERR_IO, why.text);
        }
    }
    t->users--;
}

/* Looking up. */

static int write_lookup(struct rocketmq_exchange *x, int32_t opaque, struct buffer *to, struct slice *body) {
    struct rocketmq_topic *t = CHAIN_OWNER(x, struct rocketmq_topic, exchange);
    char signature[ROCKETMQ_SIGNATURE_BYTES];
    struct rocketmq_command c = {
        .code = ROCKETMQ_GET_ROUTE,
        .language = ROCKETMQ_LANGUAGE_OTHER,
        .version = ROCKETMQ_VERSION,
        .opaque = opaque,
        .fields = { { SLICE("acceptStandardJsonOnly"), SLICE("true") },
                    { SLICE("topic"), t->template ? SLICE(ROCKETMQ_TEMPLATE_TOPIC) : t->name } },
        .field_count = 2,
    };
    (void)body;
    int code = rocketmq_topic_sign(t, &c, SLICE_NONE, &t->topics->scratch, signature);
    return code < 0 ? code : rocketmq_frame_encode(to, &c, ROCKETMQ_JSON, 0);
}

static const struct sink_target_host *asked_host(const struct rocketmq_topic *t) {
    return &t->target.hosts[(t->preferred + t->tried) % t->target.host_count];
}

static uint16_t port_of(const struct sink_target_host *host) {
    return host->port == 0 ? ROCKETMQ_PORT : host->port;
}

/* Ask the host whose turn it is, or those behind it; without any left the lookup is over. */
static void ask(struct rocketmq_topic *t) {
    for (; t->tried < t->target.host_count; t->tried++) {
        const struct sink_target_host *host = asked_host(t);
        struct rocketmq_session *s =
            rocketmq_sessions_find(t->topics->sessions, host->name, port_of(host), t->secure, &t->why);
        if (s != NULL) {
            rocketmq_session_ask(s, &t->exchange);
            timer_start(&t->timer, ROCKETMQ_LOOKUP_MS);
            return;
        }
        t->denied = false;
    }
    lookup_done(t);
}

static void ask_next(struct rocketmq_topic *t) {
    t->tried++;
    t->template = false;
    ask(t);
}

static void on_lookup_failed(struct rocketmq_exchange *x, int code, const char *sentence) {
    struct rocketmq_topic *t = CHAIN_OWNER(x, struct rocketmq_topic, exchange);
    t->denied &= code == ERR_DENIED;
    why_set(&t->why, code, "no route of topic %.*s: %s", SLICE_PRINT(t->name), sentence);
    ask_next(t);
}

static int take_route(struct rocketmq_topic *t, struct slice body) {
    struct rocketmq_route route;
    struct arena *arena = &t->routes[1 - t->current];
    arena_reset(arena);
    int code =
        rocketmq_route_decode(body, t->template ? ROCKETMQ_TEMPLATE_QUEUES : 0, arena, &route, &t->why);
    if (code < 0)
        return why_prefix(&t->why, code, "the name server %.*s sent", SLICE_PRINT(asked_host(t)->name));
    if (route.count == 0)
        return why_set(&t->why, ERR_NOT_FOUND, "no broker takes messages for topic %.*s now",
                       SLICE_PRINT(t->name));
    t->route = route;
    t->current = 1 - t->current;
    t->known = true;
    return 0;
}

static void on_lookup_answered(struct rocketmq_exchange *x, const struct rocketmq_command *answer,
                               struct slice body) {
    struct rocketmq_topic *t = CHAIN_OWNER(x, struct rocketmq_topic, exchange);
    t->denied = false;
    if (answer->code == 17 && t->create && !t->template) {
        t->template = true;
        ask(t);
        return;
    }
    if (answer->code == 0 && take_route(t, body) == 0) {
        t->preferred = (uint8_t)((t->preferred + t->tried) % t->target.host_count);
        lookup_done(t);
        return;
    }
    struct slice server = asked_host(t)->name;
    if (answer->code == 17)
        why_set(&t->why, ERR_NOT_FOUND,
                "the name server %.*s knows no topic %.*s%s; make it, or write create=yes where brokers may",
                SLICE_PRINT(server), SLICE_PRINT(t->name),
                t->template ? " and no template to make it from" : "");
    else if (answer->code != 0)
        why_set(&t->why, ERR_INVALID, "the name server %.*s answered %d %s to the topic %.*s: %.*s",
                SLICE_PRINT(server), answer->code, rocketmq_code_text(answer->code), SLICE_PRINT(t->name),
                SLICE_PRINT(slice_upto(answer->remark, 200)));
    ask_next(t);
}

static int read_secret(struct rocketmq_topic *t, struct why *why) {
    const struct sink_options *o = t->topics->options;
    struct buffer fresh;
    if (t->secret_file.length == 0)
        return 0;
    if (o->secret == NULL)
        return why_set(why, ERR_UNSUPPORTED, "password_file cannot be read here");
    buffer_init(&fresh, SECRET_BYTES);
    int code = o->secret(o->context, t->secret_file, &fresh, why);
    if (code == 0 && fresh.length == 0)
        code = why_set(why, ERR_INVALID, "the file %.*s is empty", SLICE_PRINT(t->secret_file));
    struct buffer old = code == 0 ? t->secret : fresh;
    if (code == 0)
        t->secret = fresh;
    digest_wipe(old.at, old.capacity);
    buffer_done(&old);
    return code;
}

static void start_lookup(struct rocketmq_topic *t) {
    t->asking = true;
    t->asked_ms = loop_now_ms(t->topics->loop);
    t->tried = 0;
    t->template = false;
    t->denied = true;
    t->why.text[0] = '\0';
    if (read_secret(t, &t->why) < 0 && t->secret.length == 0) {
        t->denied = false;
        lookup_done(t);
        return;
    }
    ask(t);
}

static void forget(struct rocketmq_topic *t);

static void on_timer(void *context) {
    struct rocketmq_topic *t = context;
    if (!t->asking) {
        if (t->users == 0 && loop_now_ms(t->topics->loop) - t->used_ms >= ROCKETMQ_FORGET_MS)
            forget(t);
        else
            start_lookup(t);
        return;
    }
    const struct sink_target_host *host = asked_host(t);
    rocketmq_exchange_timeout(&t->exchange);
    t->denied = false;
    why_set(&t->why, ERR_TIMEOUT,
            "no route of topic %.*s: the name server %.*s port %u did not answer within %d ms",
            SLICE_PRINT(t->name), SLICE_PRINT(host->name), port_of(host), ROCKETMQ_LOOKUP_MS);
    ask_next(t);
}

void rocketmq_topic_wait(struct rocketmq_topic *t, struct rocketmq_waiter *w) {
    assert(!t->known);
    chain_add_last(&t->waiters, &w->link);
    if (!t->asking)
        timer_start(&t->timer, 0);
}

void rocketmq_topic_cancel(struct rocketmq_waiter *w) {
    chain_remove(&w->link);
}

void rocketmq_topic_doubt(struct rocketmq_topic *t) {
    uint64_t passed_ms = loop_now_ms(t->topics->loop) - t->asked_ms;
    if (!t->asking)
        timer_start(&t->timer, passed_ms >= ROCKETMQ_DOUBT_MS ? 0 : ROCKETMQ_DOUBT_MS - passed_ms);
}

int rocketmq_topic_sign(const struct rocketmq_topic *t, struct rocketmq_command *c, struct slice body,
                        struct buffer *scratch, char signature[ROCKETMQ_SIGNATURE_BYTES]) {
    if (t->target.user.length == 0)
        return 0;
    c->fields[c->field_count++] = (struct rocketmq_field){ SLICE("AccessKey"), t->target.user };
    int code = rocketmq_sign(c, body, buffer_slice(&t->secret), scratch, signature);
    c->fields[c->field_count++] =
        (struct rocketmq_field){ SLICE("Signature"), slice_of(signature, ROCKETMQ_SIGNATURE_BYTES) };
    return code;
}

/* Remembering. */

static void free_topic(struct rocketmq_topic *t) {
    assert(chain_empty(&t->waiters));
    digest_wipe(t->secret.at, t->secret.capacity);
    buffer_done(&t->secret);
    timer_done(&t->timer);
    arena_done(&t->arena);
    arena_done(&t->routes[0]);
    arena_done(&t->routes[1]);
    free(t);
}

static void forget(struct rocketmq_topic *t) {
    assert(t->users == 0);
    rocketmq_exchange_cancel(&t->exchange);
    table_remove(&t->topics->table, t->hash, t);
    chain_remove(&t->link);
    t->topics->count--;
    free_topic(t);
}

/* Room for one more: at the limit somebody whom nobody holds has to go. */
static bool make_room(struct rocketmq_topics *all) {
    for (struct chain *link = all->by_use.next; all->count == ROCKETMQ_TOPICS && link != &all->by_use;
         link = link->next) {
        struct rocketmq_topic *t = CHAIN_OWNER(link, struct rocketmq_topic, link);
        if (t->users > 0)
            continue;
        forget(t);
        break;
    }
    return all->count < ROCKETMQ_TOPICS;
}

static int fill(struct rocketmq_topic *t, struct slice line, struct why *why) {
    chain_init(&t->waiters);
    arena_init(&t->arena, 1024, TARGET_ARENA_BYTES);
    arena_init(&t->routes[0], 4096, ROUTE_ARENA_BYTES);
    arena_init(&t->routes[1], 4096, ROUTE_ARENA_BYTES);
    buffer_init(&t->secret, SECRET_BYTES);
    t->exchange = (struct rocketmq_exchange){ .write = write_lookup,
                                              .answered = on_lookup_answered,
                                              .failed = on_lookup_failed };
    int code = timer_init(&t->timer, t->topics->loop, on_timer, t);
    if (code == 0)
        code = arena_copy(&t->arena, line, &t->line);
    if (code < 0)
        return why_set(why, code, "no memory for one more topic");
    code = sink_target_decode(t->line, &t->arena, &t->target, why);
    return code < 0 ? code : read_settings(t, why);
}

static struct rocketmq_topic *new_topic(struct rocketmq_topics *all, struct slice line, uint64_t hash,
                                        struct why *why) {
    if (!make_room(all) || table_reserve(&all->table) < 0) {
        why_set(why, ERR_LIMIT, "%d RocketMQ targets are in use at once, which is the most", ROCKETMQ_TOPICS);
        return NULL;
    }
    struct rocketmq_topic *t = calloc(1, sizeof *t);
    if (t == NULL) {
        why_set(why, ERR_MEMORY, "no memory for one more topic");
        return NULL;
    }
    t->topics = all;
    t->hash = hash;
    if (fill(t, line, why) < 0) {
        free_topic(t);
        return NULL;
    }
    t->preferred = (uint8_t)(random_u64(loop_random(all->loop)) % t->target.host_count);
    table_add(&all->table, hash, t);
    chain_add_last(&all->by_use, &t->link);
    all->count++;
    return t;
}

struct rocketmq_topic *rocketmq_topics_take(struct rocketmq_topics *all, const struct sink_target *target,
                                            struct why *why) {
    buffer_clear(&all->scratch);
    sink_target_encode(&all->scratch, target);
    if (buffer_failed(&all->scratch) < 0) {
        why_set(why, ERR_MEMORY, "no memory for one more topic");
        return NULL;
    }
    struct slice line = buffer_slice(&all->scratch);
    uint64_t hash = hash_seeded(all->seed, line);
    struct rocketmq_topic *t;
    size_t cursor = 0;
    while ((t = table_find(&all->table, hash, &cursor)) != NULL)
        if (slice_equal(t->line, line))
            break;
    if (t == NULL)
        t = new_topic(all, line, hash, why);
    if (t == NULL)
        return NULL;
    t->users++;
    t->used_ms = loop_now_ms(all->loop);
    chain_remove(&t->link);
    chain_add_last(&all->by_use, &t->link);
    return t;
}

void rocketmq_topic_release(struct rocketmq_topic *t) {
    assert(t->users > 0);
    t->users--;
    if (!t->asking && !timer_running(&t->timer))
        timer_start(&t->timer, ROCKETMQ_REFRESH_MS);
}

int rocketmq_topics_open(struct rocketmq_topics **out, struct loop *loop, struct rocketmq_sessions *sessions,
                         const struct sink_options *options) {
    struct rocketmq_topics *all = calloc(1, sizeof *all);
    if (all == NULL)
        return ERR_MEMORY;
    all->loop = loop;
    all->sessions = sessions;
    all->options = options;
    all->seed = random_u64(loop_random(loop));
    chain_init(&all->by_use);
    table_init(&all->table);
    buffer_init(&all->scratch, ROCKETMQ_FRAME_BYTES);
    *out = all;
    return 0;
}

void rocketmq_topics_close(struct rocketmq_topics *all) {
    while (!chain_empty(&all->by_use))
        forget(CHAIN_OWNER(all->by_use.next, struct rocketmq_topic, link));
    table_done(&all->table);
    buffer_done(&all->scratch);
    free(all);
}
