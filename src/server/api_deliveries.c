/* Deliveries: pulled, acked and refused by consumers; replayed, edited and discarded by operators. */
#include <string.h>

#include "protocol/delivery_form.h"
#include "protocol/render_message.h"
#include "server/api.h"
#include "server/api_common.h"
#include "server/keyed.h"

static const char json[] = "application/json";

/* --- pull --- */

static void answer_pulled(struct visit *v, const struct pulled *pulled, size_t count) {
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_array(&w, "items");
    for (size_t i = 0; i < count; i++)
        render_pulled(&w, pulled[i].transaction, pulled[i].branch, pulled[i].until_ms);
    json_put_end(&w);
    json_put_end(&w);
    visit_answer_sealed(v, 200, json);
}

static void pulled(struct driver_ask *ask, const struct reply *reply);

/* What a repeat is to find again: which lease of which delivery, not the bodies. */
struct pulled_mark {
    uint64_t transaction;
    uint32_t attempt; /* the next lease is another attempt */
    uint16_t branch;
} __attribute__((packed));

static uint32_t attempt_of(const struct transaction *t, uint16_t branch) {
    return t->branches[branch].operation[ROLE_CONFIRM].attempt;
}

static void mark_pulled(struct visit *v, const struct pulled *pulled, size_t count) {
    struct buffer mark;
    buffer_init(&mark, LIMIT_PULL * sizeof(struct pulled_mark));
    for (size_t i = 0; i < count; i++) {
        struct pulled_mark one = { .transaction = pulled[i].transaction->id,
                                   .attempt = attempt_of(pulled[i].transaction, pulled[i].branch),
                                   .branch = pulled[i].branch };
        buffer_add(&mark, &one, sizeof one);
    }
    /* Where the turn has no room for it the key is simply not known later: a repeat takes others. */
    if (buffer_failed(&mark) == 0)
        (void)keyed_mark(v, buffer_slice(&mark));
    buffer_done(&mark);
}

/* The lease that a mark tells of, while it lasts: until when. 0: it is over, or never was one. */
static uint64_t lease_left(const struct visit *v, const struct pulled_mark *mark,
                           const struct transaction *t) {
    struct parcel_view view;
    if (t == NULL || mark->branch >= t->branch_count || attempt_of(t, mark->branch) != mark->attempt)
        return 0;
    const struct parcel *p = engine_parcel(v->daemon->engine, t, mark->branch);
    if (p == NULL)
        return 0;
    engine_parcel_view(p, &view);
    return view.out ? view.lease_ms : 0;
}

/* The deliveries that this key's first request took, as far as nobody else may have them. */
static void answer_again(struct visit *v) {
    struct json_writer w;
    struct pulled_mark one;
    keyed_say_replayed(v);
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_array(&w, "items");
    for (size_t at = 0; at + sizeof one <= v->mark.length; at += sizeof one) {
        memcpy(&one, v->mark.at + at, sizeof one);
        const struct transaction *t = engine_by_id(v->daemon->engine, one.transaction);
        uint64_t until_ms = lease_left(v, &one, t);
        if (until_ms == 0)
            continue;
        visit_shows(v, t);
        render_pulled(&w, t, one.branch, until_ms);
    }
    json_put_end(&w);
    json_put_end(&w);
    visit_answer_sealed(v, 200, json);
}

static void woken(struct puller *p, bool time_is_up) {
    struct visit *v = CHAIN_OWNER(p, struct visit, part.pull.puller);
    if (time_is_up) {
        mark_pulled(v, NULL, 0);
        answer_pulled(v, NULL, 0);
    } else {
        driver_ask(v->daemon->driver, &v->ask);
    }
}

static void pull_gone(struct visit *v) {
    pullers_remove(&v->part.pull.puller);
}

/* Nothing now; true: it waits for something. */
static bool wait(struct visit *v) {
    struct daemon *d = v->daemon;
    uint64_t now = daemon_now_ms(d);
    struct puller *p = &v->part.pull.puller;
    if (v->part.pull.until_ms <= now || d->stopping)
        return false;
    v->gone = pull_gone;
    p->wake = woken;
    p->subscription = v->ask.event.gid;
    return pullers_add(&d->pullers, p, v->part.pull.until_ms - now) == 0;
}

static void pulled(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply == NULL)
        common_refuse_unasked(v);
    else if (reply->kind != REPLY_PULLED)
        common_refuse_reply(v, reply, "subscription");
    else if (reply->pulled_count > 0 || !wait(v)) {
        mark_pulled(v, reply->pulled, reply->pulled_count);
        answer_pulled(v, reply->pulled, reply->pulled_count);
    }
}

void api_pull(struct visit *v) {
    struct delivery_command c;
    struct problem p;
    if (delivery_form_decode(v->exchange.body, DELIVERY_PULL, &v->exchange.arena, &c, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    if (v->known) {
        answer_again(v);
        return;
    }
    /* The leases could not be saved, and each would count as an attempt of somebody whom nobody called. */
    if (daemon_admission(v->daemon) == DRIVER_NO_SPACE) {
        common_refuse_new(v, DRIVER_NO_SPACE);
        return;
    }
    uint64_t most = settings_number(&v->daemon->settings, SETTING_LIMITS_WAIT);
    uint64_t wait_ms = c.waits ? c.wait_ms : v->query.wait_ms;
    v->part.pull.until_ms = daemon_now_ms(v->daemon) + (wait_ms < most ? wait_ms : most);
    v->ask.event.kind = EVENT_PULL;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.event.gid = slice_text(v->match.gid);
    v->ask.event.who = slice_text(v->who);
    v->ask.event.count = c.max;
    v->ask.event.pause_ms = c.lease_ms;
    v->ask.answer = pulled;
    driver_ask(v->daemon->driver, &v->ask);
}

/* --- one delivery --- */

static void refuse_unknown(struct visit *v) {
    struct problem p;
    if (v->match.branch[0] == '\0')
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "the id of a delivery is MESSAGE~SUBSCRIPTION");
    else
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no delivery %s~%s", v->match.gid, v->match.branch);
    visit_refuse_sealed(v, &p);
}

static void answer_delivery(struct visit *v, const struct reply *reply) {
    const struct transaction *t = reply->transaction;
    int branch = transaction_branch(t, v->ask.event.branch_id);
    struct json_writer w;
    if (branch < 0 || !branch_is_delivery(&t->branches[branch])) {
        refuse_unknown(v);
        return;
    }
    struct delivery_stand stand = api_delivery_stand(v->daemon, t, (uint16_t)branch);
    json_writer_init(&w, visit_scratch(v));
    render_delivery(&w, t, (uint16_t)branch, &stand, v->match.route->id == ROUTE_DELIVERY_SHOW,
                    reply->event == EVENT_EDIT ? reply->text : SLICE_NONE);
    visit_answer_sealed(v, 200, json);
}

static void answered(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply != NULL)
        visit_shows(v, reply->transaction);
    if (reply == NULL)
        common_refuse_unasked(v);
    else if (reply->kind == REPLY_STATE)
        answer_delivery(v, reply);
    else if (reply->kind == REPLY_NOT_FOUND || reply->kind == REPLY_NO_BRANCH)
        refuse_unknown(v);
    else
        common_refuse_reply(v, reply, "message");
}

static const struct {
    uint8_t event;
    enum delivery_act act;
} acts[ROUTE_COUNT] = {
    [ROUTE_ACK] = { EVENT_ACK, DELIVERY_ACK },
    [ROUTE_NACK] = { EVENT_NACK, DELIVERY_NACK },
    [ROUTE_REPLAY] = { EVENT_REPLAY, DELIVERY_REPLAY },
    [ROUTE_EDIT] = { EVENT_EDIT, DELIVERY_EDIT },
    [ROUTE_DISCARD] = { EVENT_DISCARD, DELIVERY_DISCARD },
};

static void ask(struct visit *v, uint8_t kind) {
    struct event *event = &v->ask.event;
    if (v->match.branch[0] == '\0') {
        refuse_unknown(v);
        return;
    }
    event->kind = kind;
    event->subject = STORED_MESSAGE;
    event->namespace_name = v->namespace_name;
    event->gid = slice_text(v->match.gid);
    event->branch_id = slice_text(v->match.branch);
    event->who = slice_text(v->who);
    v->ask.answer = answered;
    driver_ask(v->daemon->driver, &v->ask);
}

void api_delivery_show(struct visit *v) {
    ask(v, EVENT_SHOW);
}

void api_delivery_act(struct visit *v) {
    struct event *event = &v->ask.event;
    enum route_id id = v->match.route->id;
    struct delivery_command c;
    struct problem p;
    if (delivery_form_decode(v->exchange.body, acts[id].act, &v->exchange.arena, &c, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    if (v->known) {
        keyed_say_replayed(v);
        ask(v, EVENT_SHOW);
        return;
    }
    if (id == ROUTE_EDIT && common_admit_new(v) != 0)
        return;
    event->text = c.reason;
    event->not_done = c.refused;
    event->pause_ms = c.delay_ms;
    event->body = c.body;
    event->content_type = c.content_type;
    ask(v, acts[id].event);
}
