#include "server/api_common.h"

#include <string.h>

#include "base/limits.h"
#include "net/random.h"
#include "protocol/render.h"
#include "protocol/render_message.h"
#include "server/keyed.h"
#include "server/outbound.h"

void common_refuse_other_body(struct visit *v, const struct reply *reply) {
    struct problem p;
    if (v->key_is_gid) {
        keyed_refuse(v);
        return;
    }
    PROBLEM_SAY(&p, PROBLEM_GID_TAKEN, "%.*s was submitted before with another body",
                SLICE_PRINT(reply->transaction->gid));
    visit_refuse_sealed(v, &p);
}

void common_refuse_reply(struct visit *v, const struct reply *reply, const char *what) {
    struct problem p;
    struct slice text = reply->text;
    switch (reply->kind) {
    case REPLY_NOT_FOUND:
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no %s %.*s", what, SLICE_PRINT(v->ask.event.gid));
        break;
    case REPLY_NO_BRANCH:
        PROBLEM_SAY(&p, PROBLEM_NO_BRANCH, "%.*s: %.*s", SLICE_PRINT(v->ask.event.branch_id),
                    SLICE_PRINT(text));
        break;
    case REPLY_ALREADY_DECIDED:
        if (reply->transaction->mode == MODE_MESSAGE)
            render_message_decided(reply->transaction, &p);
        else
            render_already_decided(reply->transaction, &p);
        break;
    case REPLY_NOT_ALLOWED:
        PROBLEM_SAY(&p, PROBLEM_CONFLICT, "%.*s", SLICE_PRINT(text));
        break;
    case REPLY_FULL:
    case REPLY_NO_MEMORY:
        if (reply->kind == REPLY_FULL && slice_is(text, "definitions"))
            PROBLEM_SAY(&p, PROBLEM_QUOTA, "%d things are defined, as many as there may be",
                        LIMIT_DEFINITIONS);
        else if (reply->kind == REPLY_FULL && slice_is(text, "subscriptions"))
            PROBLEM_SAY(&p, PROBLEM_QUOTA, "the topic has %d subscriptions, as many as there may be",
                        LIMIT_TOPIC_SUBSCRIPTIONS);
        else if (reply->kind == REPLY_FULL)
            PROBLEM_SAY(&p, PROBLEM_BUSY,
                        "%s transactions and messages are unfinished, as many as there may be",
                        settings_text(&v->daemon->settings, SETTING_LIMITS_UNFINISHED));
        else
            PROBLEM_SAY(&p, PROBLEM_BUSY, "memory for unfinished transactions is short");
        if (slice_starts(text, "limits."))
            PROBLEM_NOTE(&p, setting, text);
        p.retry_after_ms = 1000;
        break;
    default:
        problem_init(&p, PROBLEM_INTERNAL);
    }
    visit_refuse_sealed(v, &p);
}

void common_refuse_unasked(struct visit *v) {
    struct problem p;
    PROBLEM_SAY(&p, PROBLEM_BUSY, "too many questions wait for the history");
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

void common_remember_key(struct visit *v) {
    struct daemon *d = v->daemon;
    if (v->match.route->key == ROUTE_KEY_GID && v->key.length > 0 && !v->key_is_gid &&
        engine_answer_find(d->engine, v->namespace_name, v->key) == NULL)
        (void)keyed_mark(v, SLICE(""));
}

bool common_key_is_taken(struct visit *v) {
    const struct remembered *before =
        v->key.length == 0 ? NULL : engine_answer_find(v->daemon->engine, v->namespace_name, v->key);
    if (before == NULL || memcmp(before->fingerprint, v->fingerprint, sizeof before->fingerprint) == 0)
        return false;
    id_range_add(&v->seal.shows, before->about);
    return true;
}

void common_refuse_new(struct visit *v, enum driver_admission admission) {
    struct problem p;
    switch (admission) {
    case DRIVER_NO_SPACE:
        problem_init(&p, PROBLEM_DISK_FULL);
        PROBLEM_NOTE(&p, setting, SLICE("store.low_water"));
        break;
    case DRIVER_BUSY:
        problem_init(&p, PROBLEM_BUSY);
        break;
    default:
        problem_init(&p, PROBLEM_STOPPING);
        break;
    }
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

int common_admit_new(struct visit *v) {
    enum driver_admission admission = daemon_admission(v->daemon);
    if (admission == DRIVER_ADMITS)
        return 0;
    common_refuse_new(v, admission);
    return ERR_AGAIN;
}

struct submission_options common_submission_options(struct visit *v) {
    const struct settings *s = &v->daemon->settings;
    return (struct submission_options){
        .namespace_name = v->namespace_name,
        .deadline_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_DEADLINE),
        .call_timeout_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_CALL_TIMEOUT),
        .retry = { .first_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_RETRY_FIRST),
                   .factor_percent = (uint32_t)(settings_number(s, SETTING_DEFAULTS_RETRY_FACTOR) / 10),
                   .max_ms = (uint32_t)settings_number(s, SETTING_DEFAULTS_RETRY_MAX),
                   .then = GIVE_UP_ROLLBACK },
        .judge = outbound_judge,
        .has_endpoint = outbound_has_endpoint,
        .judge_sink = outbound_judge_sink,
        .judge_self = v->daemon,
    };
}

int common_make_name(struct visit *v, uint8_t kind, struct transaction_request *request) {
    uint8_t random[16];
    if (v->key.length > 0) {
        v->key_is_gid = true;
        return submission_key_name(kind, v->namespace_name, v->key, &v->exchange.arena, &request->gid);
    }
    random_fill(loop_random(v->daemon->loop), random, sizeof random);
    request->gid_is_fresh = true;
    return submission_fresh_name(kind, random, &v->exchange.arena, &request->gid);
}
