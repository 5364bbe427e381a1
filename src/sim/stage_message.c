#include "sim/stage_message.h"

#include <assert.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/limits.h"
#include "model/stored.h"
#include "sim/stage_request.h"

uint8_t stage_subject(struct slice gid) {
    if (slice_starts(gid, "msg"))
        return STORED_MESSAGE;
    return slice_starts(gid, "ntf") ? STORED_NOTICE : STORED_TRANSACTION;
}

static bool is_setting(struct slice word, const char *key, struct slice *value) {
    size_t length = strlen(key);

    if (!slice_starts(word, key) || word.length <= length || word.at[length] != '=')
        return false;
    *value = slice_from(word, length + 1);
    return true;
}

static bool take_ms(struct slice value, uint32_t *out) {
    uint64_t ms;

    if (duration_parse(value, &ms) != 0 || ms > UINT32_MAX)
        return false;
    *out = (uint32_t)ms;
    return true;
}

static bool take_count(struct slice value, uint32_t *out) {
    uint64_t number;

    if (slice_u64(value, &number) != 0 || number > UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

/* A word that any message may have; false when it is none. body takes the rest of the line. */
static bool take_content(struct slice word, struct slice *line, struct message_request *m, bool *good) {
    struct slice value;

    *good = true;
    if (is_setting(word, "key", &value))
        m->head.key = value;
    else if (is_setting(word, "only", &value))
        m->only = value;
    else if (is_setting(word, "delay", &value))
        *good = take_ms(value, &m->delay_ms);
    else if (is_setting(word, "body", &value)) {
        m->body = slice_trim(slice_of(value.at, value.length + line->length));
        *line = SLICE_NONE;
    } else
        return false;
    return true;
}

static bool take_schedule(struct arena *arena, struct slice list, struct message_request *m) {
    uint32_t *waits = arena_take_array(arena, LIMIT_ATTEMPTS, sizeof *waits);

    assert(waits != NULL);
    m->schedule_ms = waits;
    while (list.length > 0 && m->schedule_count < LIMIT_ATTEMPTS) {
        size_t comma = slice_find(list, ',');

        if (!take_ms(slice_upto(list, comma), &waits[m->schedule_count++]))
            return false;
        list = slice_from(list, comma + 1);
    }
    return m->schedule_count > 0;
}

static const char *take_notice_words(struct arena *arena, struct slice *line, struct message_request *m) {
    struct slice word, value;

    m->head.content_type = SLICE("text/plain");
    while ((word = stage_word(line)).length > 0) {
        bool good;

        if (take_content(word, line, m, &good)) {
            if (!good)
                return "delay=DURATION";
        } else if (is_setting(word, "success", &value)) {
            m->success_body = value;
        } else if (!is_setting(word, "schedule", &value) || !take_schedule(arena, value, m)) {
            return "unknown word of a notification";
        }
    }
    return m->schedule_count > 0 ? NULL : "a notification needs schedule=0s,15s,...";
}

const char *stage_outgoing(struct arena *arena, struct slice line, struct outgoing_request *out) {
    struct outgoing_request o = { .is_notice = slice_is(stage_word(&line), "notify"), .timeout_ms = 5000 };
    struct slice name = stage_word(&line), word;

    o.message.head.topic = o.is_notice ? SLICE("event") : name;
    o.message.head.content_type = SLICE("text/plain");
    if (o.is_notice)
        o.message.only = name;
    if (slice_starts(slice_trim(line), "on-rollback")) {
        (void)stage_word(&line);
        o.on_rollback = true;
    }
    if (o.is_notice) {
        const char *wrong = take_notice_words(arena, &line, &o.message);
        if (wrong != NULL)
            return wrong;
    }
    while ((word = stage_word(&line)).length > 0) {
        bool good;
        if (!take_content(word, &line, &o.message, &good) || !good)
            return "send TOPIC [on-rollback] [key=K] [delay=D] [body=...]";
    }
    *out = o;
    return NULL;
}

static void finish(struct slice all, struct transaction_request *q) {
    uint64_t hash = hash_stable(all);

    q->namespace_name = SLICE("default");
    q->principal = SLICE("client");
    for (size_t i = 0; i < sizeof q->fingerprint; i++)
        q->fingerprint[i] = (uint8_t)(hash >> (8 * (i % 8)));
}

static const char *take_check(struct slice word, struct branch_request *check, struct message_request *m) {
    struct slice value;

    if (is_setting(word, "after", &value))
        return take_ms(value, &m->check_after_ms) ? NULL : "after=DURATION";
    if (is_setting(word, "every", &value))
        return take_ms(value, &check->retry.first_ms) ? NULL : "every=DURATION";
    if (is_setting(word, "tries", &value))
        return take_count(value, &m->check_tries) ? NULL : "tries=N";
    return "unknown word of a message";
}

const char *stage_message(struct arena *arena, struct slice line, struct transaction_request *out) {
    struct message_request *m = arena_take(arena, sizeof *m);
    struct branch_request *check = arena_take(arena, sizeof *check);
    struct transaction_request q = { .mode = MODE_MESSAGE, .message = m, .branches = check };
    struct slice all = line, word;

    assert(m != NULL && check != NULL);
    q.gid = stage_word(&line);
    m->head.topic = stage_word(&line);
    m->head.content_type = SLICE("text/plain");
    m->check_after_ms = 10000;
    *check = (struct branch_request){ .id = SLICE("check"),
                                      .to = { [ROLE_FORWARD] = { SLICE("http://producer/check"), 5000 } },
                                      .retry = { 30000, 200, 300000, 0, GIVE_UP_ATTENTION } };
    while ((word = stage_word(&line)).length > 0) {
        const char *wrong = NULL;
        bool good;

        if (slice_is(word, "half"))
            m->half = true;
        else if (slice_is(word, "check"))
            q.branch_count = 1;
        else if (!take_content(word, &line, m, &good))
            wrong = take_check(word, check, m);
        else if (!good)
            wrong = "delay=DURATION";
        if (wrong != NULL)
            return wrong;
    }
    finish(all, &q);
    *out = q;
    return NULL;
}

const char *stage_notice(struct arena *arena, struct slice line, struct transaction_request *out) {
    struct message_request *m = arena_take(arena, sizeof *m);
    struct branch_request *notify = arena_take(arena, sizeof *notify);
    struct transaction_request q = {
        .mode = MODE_NOTICE, .message = m, .branches = notify, .branch_count = 1
    };
    struct slice all = line;

    assert(m != NULL && notify != NULL);
    q.gid = stage_word(&line);
    m->only = stage_word(&line);
    m->head.topic = SLICE("event");
    *notify = (struct branch_request){ .id = m->only };
    q.deadline_ms = 24 * 3600 * 1000;
    const char *wrong = take_notice_words(arena, &line, m);
    finish(all, &q);
    *out = q;
    return wrong;
}

static const char *take_outlet(struct slice word, struct outlet *o) {
    struct slice value;

    if (slice_is(word, "pull"))
        o->url = SLICE_NONE;
    else if (slice_is(word, "ordered"))
        o->ordered = true;
    else if (slice_is(word, "no-park"))
        o->park_key = false;
    else if (slice_is(word, "ack=call"))
        o->ack = ACK_CALL;
    else if (is_setting(word, "refused", &value))
        o->refused_topic = value;
    else if (is_setting(word, "ack_timeout", &value))
        return take_ms(value, &o->ack_timeout_ms) ? NULL : "ack_timeout=DURATION";
    else if (is_setting(word, "concurrency", &value))
        return take_count(value, &o->concurrency) ? NULL : "concurrency=N";
    else if (is_setting(word, "first", &value))
        return take_ms(value, &o->retry.first_ms) ? NULL : "first=DURATION";
    else if (is_setting(word, "for", &value))
        return take_ms(value, &o->retry.for_ms) ? NULL : "for=DURATION";
    else
        return "unknown word of a subscription or endpoint";
    return NULL;
}

static const char *take_definition(struct slice all, struct slice line, struct definition *d) {
    struct slice word;

    d->source = slice_trim(all);
    d->outlet.park_key = true;
    d->outlet.url = SLICE("http://consumer/push");
    d->outlet.concurrency = 16;
    d->outlet.timeout_ms = 5000;
    d->outlet.ack_timeout_ms = 30000;
    d->outlet.retry = (struct retry_policy){ 1000, 200, 300000, 0, GIVE_UP_ROLLBACK };
    while ((word = stage_word(&line)).length > 0) {
        const char *wrong = take_outlet(word, &d->outlet);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

const char *stage_subscription(struct slice line, struct definition *out) {
    struct slice all = line;

    *out = (struct definition){ .kind = DEFINITION_SUBSCRIPTION, .name = stage_word(&line) };
    out->outlet.topic = stage_word(&line);
    return take_definition(all, line, out);
}

const char *stage_endpoint(struct slice line, struct definition *out) {
    struct slice all = line;

    *out = (struct definition){ .kind = DEFINITION_ENDPOINT, .name = stage_word(&line) };
    return take_definition(all, line, out);
}
