/* Topics, subscriptions, endpoints and datasources: defined, shown, paused, deleted.
 *
 * Where messages go is for operators to say, not only for admins: who deploys a service defines what it
 * subscribes to, and should not hold a token that can make tokens. Which hosts may be called at all is the
 * admin's word (egress.allow). */
#include <assert.h>

#include "protocol/command_form.h"
#include "protocol/definition_form.h"
#include "protocol/delivery_form.h"
#include "protocol/render.h"
#include "protocol/render_message.h"
#include "server/api.h"
#include "server/api_common.h"
#include "server/datasources.h"
#include "server/endpoint_secrets.h"
#include "server/keyed.h"
#include "wire/sink_target.h"

static const char json[] = "application/json";

enum { LIST_MAX = LIMIT_PAGE + 1 };

static uint8_t kind_of_route(enum route_id id) {
    switch (id) {
    case ROUTE_TOPIC_LIST:
    case ROUTE_TOPIC_SHOW:
    case ROUTE_TOPIC_PUT:
    case ROUTE_TOPIC_DELETE:
        return DEFINITION_TOPIC;
    case ROUTE_DATASOURCE_LIST:
    case ROUTE_DATASOURCE_SHOW:
    case ROUTE_DATASOURCE_PUT:
    case ROUTE_DATASOURCE_DELETE:
    case ROUTE_DATASOURCE_CHECK:
        return DEFINITION_DATASOURCE;
    case ROUTE_ENDPOINT_LIST:
    case ROUTE_ENDPOINT_SHOW:
    case ROUTE_ENDPOINT_PUT:
    case ROUTE_ENDPOINT_DELETE:
    case ROUTE_ENDPOINT_DISABLE:
    case ROUTE_ENDPOINT_ENABLE:
        return DEFINITION_ENDPOINT;
    default:
        return DEFINITION_SUBSCRIPTION;
    }
}

static uint8_t kind_of(const struct visit *v) {
    return kind_of_route(v->match.route->id);
}

/* --- as JSON --- */

/* Figures count everything that is owed, also what may be taken back. */
static void shows_all(struct visit *v) {
    v->seal.shows = (struct id_range){ .first = 1, .last = UINT64_MAX };
}

static void put_figures(struct json_writer *w, const struct channel *c) {
    struct channel_figures f;
    engine_channel_figures(c, &f);
    json_put_u64(w, "owed", f.owed);
    json_put_u64(w, "ready", f.ready);
    json_put_u64(w, "out", f.out);
    json_put_u64(w, "dead", f.dead);
    json_put_u64(w, "parked", f.parked);
    json_put_u64(w, "lanes", f.lanes);
    json_put_u64(w, "acked", f.acked);
    json_put_u64(w, "refused", f.refused);
    render_time(w, "oldest", f.oldest_ms);
}

static void put_subscription(struct json_writer *w, const struct channel *c, const struct definition *d) {
    bool sink = d->outlet.url.length > 0 && sink_target_is(d->outlet.url);
    json_put_string(w, "topic", d->outlet.topic);
    json_put_text(w, "way", d->outlet.url.length == 0 ? "pull" : sink ? "sink" : "push");
    if (d->outlet.url.length > 0)
        json_put_string(w, "to", d->outlet.url);
    json_put_bool(w, "paused", d->paused);
    if (d->reason.length > 0)
        json_put_string(w, "reason", d->reason);
    put_figures(w, c);
}

/* secret: shown when it was made just now; empty otherwise. */
static void put_endpoint(struct json_writer *w, const struct visit *v, const struct channel *c,
                         const struct definition *d) {
    struct channel_figures f;
    engine_channel_figures(c, &f);
    json_put_string(w, "to", d->outlet.url);
    json_put_bool(w, "enabled", !d->paused);
    if (d->reason.length > 0)
        json_put_string(w, "reason", d->reason);
    json_put_text(w, "health", f.probing ? "probing" : "well");
    render_time(w, "next_probe", f.probe_ms);
    json_put_u64(w, "failures", f.failures);
    json_put_u64(w, "owed", f.owed);
    json_put_u64(w, "out", f.out);
    json_put_u64(w, "delivered", f.acked);
    render_time(w, "oldest", f.oldest_ms);
    render_time(w, "overlap_until", endpoint_secrets_overlap_until(v->daemon->endpoint_secrets, d->name));
    if (v->match.route->id == ROUTE_ENDPOINT_PUT && v->part.definition.secret.length > 0)
        json_put_string(w, "secret", v->part.definition.secret);
}

static void put_datasource(struct json_writer *w, const struct visit *v, const struct definition *d) {
    const struct datasource_report *report = v->part.definition.report;
    struct buffer place;
    buffer_init(&place, SIZE_MAX / 2);
    datasources_describe(d->source, &place);
    json_put_string(w, "to", buffer_slice(&place));
    buffer_done(&place);
    if (report == NULL)
        return;
    json_put_text(w, "state", finding_state_word(report->worst));
    json_put_array(w, "checks");
    for (size_t i = 0; i < report->count; i++) {
        json_put_object(w, NULL);
        json_put_text(w, "id", report->findings[i].id);
        json_put_text(w, "state", finding_state_word(report->findings[i].state));
        json_put_text(w, "why", report->findings[i].say);
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_subscribers(struct json_writer *w, const struct engine *e, struct slice topic) {
    const struct channel *c = NULL;
    json_put_array(w, "subscriptions");
    while ((c = engine_channel_next(e, c)) != NULL) {
        const struct definition *d = engine_definition(c);
        if (d->kind == DEFINITION_SUBSCRIPTION && slice_equal(d->outlet.topic, topic))
            json_put_string(w, NULL, d->name);
    }
    json_put_end(w);
}

static void put_definition(struct json_writer *w, const struct visit *v, const struct channel *c,
                           bool whole) {
    const struct definition *d = engine_definition(c);
    json_put_object(w, NULL);
    json_put_string(w, "name", d->name);
    if (d->kind == DEFINITION_SUBSCRIPTION)
        put_subscription(w, c, d);
    else if (d->kind == DEFINITION_ENDPOINT)
        put_endpoint(w, v, c, d);
    else if (d->kind == DEFINITION_DATASOURCE)
        put_datasource(w, v, d);
    else if (whole)
        put_subscribers(w, v->daemon->engine, d->name);
    render_time(w, "changed", d->at_ms);
    json_put_string(w, "by", d->who);
    json_put_raw(w, "definition", d->source);
    json_put_end(w);
}

/* --- looking --- */

/* The definition that the path names; NULL, and the visit is refused. */
static const struct channel *find(struct visit *v) {
    const struct channel *c = engine_defined(v->daemon->engine, kind_of(v), slice_text(v->match.gid));
    struct problem p;
    if (c != NULL)
        return c;
    PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no %s %s", definition_word(kind_of(v)), v->match.gid);
    visit_refuse_sealed(v, &p);
    return NULL;
}

static void answer_definition(struct visit *v, const struct channel *c, uint16_t status) {
    struct json_writer w;
    shows_all(v);
    json_writer_init(&w, visit_scratch(v));
    put_definition(&w, v, c, true);
    visit_answer_sealed(v, status, json);
}

void api_definition_show(struct visit *v) {
    const struct channel *c = find(v);
    if (c != NULL)
        answer_definition(v, c, 200);
}

/* The definitions of this kind with the smallest ids behind `after`, in their order; at most max. */
static size_t collect(const struct visit *v, uint64_t after, const struct channel **found, size_t max) {
    const struct channel *c = NULL;
    size_t count = 0;
    while ((c = engine_channel_next(v->daemon->engine, c)) != NULL) {
        uint64_t id = engine_channel_id(c);
        if (id <= after || engine_definition(c)->kind != kind_of(v))
            continue;
        if (count == max && id > engine_channel_id(found[count - 1]))
            continue;
        size_t i = count < max ? count++ : count - 1;
        for (; i > 0 && engine_channel_id(found[i - 1]) > id; i--)
            found[i] = found[i - 1];
        found[i] = c;
    }
    return count;
}

void api_definition_list(struct visit *v) {
    const struct channel *found[LIST_MAX];
    uint64_t most = settings_number(&v->daemon->settings, SETTING_LIMITS_PAGE);
    size_t limit = v->query.limit < most ? v->query.limit : (size_t)most;
    size_t count = collect(v, v->query.has_cursor ? v->query.cursor : 0, found, limit + 1);
    struct json_writer w;
    assert(limit < LIST_MAX);
    shows_all(v);
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_array(&w, "items");
    for (size_t i = 0; i < count && i < limit; i++)
        put_definition(&w, v, found[i], false);
    json_put_end(&w);
    if (count > limit) {
        json_put_raw(&w, "next", SLICE("\""));
        query_add_cursor(engine_channel_id(found[limit - 1]), false, w.out);
        buffer_add_byte(w.out, '"');
    } else {
        json_put_null(&w, "next");
    }
    json_put_end(&w);
    visit_answer_sealed(v, 200, json);
}

static void put_lane(struct json_writer *w, const struct lane *lane) {
    struct lane_view view;
    engine_lane_view(lane, &view);
    const struct transaction *t = view.transaction;
    const struct branch *b = &t->branches[view.branch];
    json_put_object(w, NULL);
    json_put_string(w, "key", t->message->head.key);
    json_put_raw(w, "delivery", SLICE("\""));
    delivery_add_id(w->out, t, b->id);
    buffer_add_byte(w->out, '"');
    render_time(w, "since", b->operation[ROLE_CONFIRM].attention_ms);
    json_put_u64(w, "parked", view.behind);
    json_put_end(w);
}

void api_lanes(struct visit *v) {
    const struct channel *c = find(v);
    const struct lane *lane = NULL;
    struct channel_figures f;
    struct json_writer w;
    if (c == NULL)
        return;
    engine_channel_figures(c, &f);
    shows_all(v);
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_u64(&w, "lanes", f.lanes);
    json_put_u64(&w, "parked_lanes", f.stopped);
    json_put_array(&w, "items");
    for (uint32_t i = 0; i < v->query.limit && (lane = engine_stopped_lane(c, lane)) != NULL; i++)
        put_lane(&w, lane);
    json_put_end(&w);
    json_put_end(&w);
    visit_answer_sealed(v, 200, json);
}

/* --- datasources --- */

static void looked(void *context, const struct datasource_report *r) {
    struct visit *v = context;
    v->part.definition.ticket = NULL;
    v->part.definition.report = r;
    const struct channel *c = find(v); /* it may have been deleted meanwhile */
    if (c != NULL)
        answer_definition(v, c, v->part.definition.made ? 201 : 200);
}

static void look_gone(struct visit *v) {
    datasources_leave(v->part.definition.ticket);
    v->part.definition.ticket = NULL;
}

/* Today's settings refuse what was defined, so nobody connects to it. */
static void refuse_refused(struct visit *v, const struct channel *c) {
    struct why why = { .text = "settled is busy with it" };
    struct problem p;
    (void)datasources_judge(v->daemon, slice_text(v->match.gid), engine_definition(c)->source, &why);
    PROBLEM_SAY(&p, PROBLEM_CONFLICT, "%s", why.text);
    visit_refuse_sealed(v, &p);
}

/* Connect to it, and answer with what was found. */
static void look(struct visit *v, const struct channel *c) {
    v->gone = look_gone;
    if (datasources_check(v->daemon, slice_text(v->match.gid), looked, v, &v->part.definition.ticket) != 0)
        refuse_refused(v, c);
}

void api_datasource_check(struct visit *v) {
    const struct channel *c = find(v);
    if (c != NULL)
        look(v, c);
}

/* 0, or the visit was refused in the words of whoever would connect. */
static int judge_datasource(struct visit *v) {
    struct why why = { .text = "" };
    struct problem p;
    int code =
        datasources_judge(v->daemon, slice_text(v->match.gid), v->part.definition.definition.source, &why);
    if (code == 0)
        return 0;
    PROBLEM_SAY(&p,
                code == ERR_MEMORY   ? PROBLEM_BUSY
                : code == ERR_DENIED ? PROBLEM_EGRESS_REFUSED
                : code == ERR_LIMIT  ? PROBLEM_OVER_LIMIT
                                     : PROBLEM_INVALID_VALUE,
                "%s", why.text);
    visit_refuse(v, &p);
    return code;
}

/* --- changing --- */

/* A secret that was made for a definition which was not taken. */
static void drop_secret(struct visit *v) {
    struct daemon *d = v->daemon;
    if (v->match.route->id == ROUTE_ENDPOINT_PUT && v->part.definition.secret.length > 0)
        endpoint_secrets_unneed(d->endpoint_secrets, d->engine, slice_text(v->match.gid));
}

/* Its secret goes once the deletion is durable: after a crash before that the endpoint is there, and its
 * receiver knows that secret. When the client has left meanwhile, the next start tidies up. */
static void on_endpoint_deleted(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    struct slice name = slice_text(v->match.gid);
    if (engine_defined(v->daemon->engine, DEFINITION_ENDPOINT, name) == NULL)
        endpoint_secrets_forget(v->daemon->endpoint_secrets, name);
    exchange_send(&v->exchange);
}

static void answered(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    if (reply == NULL || reply->kind != REPLY_DEFINED)
        drop_secret(v);
    if (reply == NULL) {
        common_refuse_unasked(v);
        return;
    }
    if (reply->kind != REPLY_DEFINED) {
        common_refuse_reply(v, reply, definition_word(kind_of(v)));
        return;
    }
    if (reply->event == EVENT_UNDEFINE) {
        if (kind_of(v) == DEFINITION_DATASOURCE)
            datasources_undefined(v->daemon, slice_text(v->match.gid));
        (void)visit_scratch(v);
        visit_answer_sealed(v, 204, NULL);
        if (kind_of(v) == DEFINITION_ENDPOINT)
            v->seal.open = on_endpoint_deleted;
        return;
    }
    const struct channel *c = engine_channel(v->daemon->engine, kind_of(v), slice_text(v->match.gid));
    assert(c != NULL); /* it was changed just now */
    if (kind_of(v) == DEFINITION_DATASOURCE) {
        datasources_defined(v->daemon, engine_definition(c));
        look(v, c);
        return;
    }
    answer_definition(v, c, v->part.definition.made ? 201 : 200);
}

static void ask(struct visit *v, uint8_t kind) {
    v->ask.event.kind = kind;
    v->ask.event.definition_kind = kind_of(v);
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.event.gid = slice_text(v->match.gid);
    v->ask.event.who = slice_text(v->who);
    v->ask.answer = answered;
    driver_ask(v->daemon->driver, &v->ask);
}

/* Before the endpoint is known, so that no call to it is ever signed with another secret. 0, or the visit was
 * refused. */
static int need_secret(struct visit *v) {
    struct daemon *d = v->daemon;
    struct why why = { .text = "" };
    struct problem p;
    struct slice secret;
    bool made = false;
    int code = endpoint_secrets_need(d->endpoint_secrets, slice_text(v->match.gid), daemon_now_ms(d), &made,
                                     &secret, &why);
    if (code == 0 && made)
        code = arena_copy(&v->exchange.arena, secret, &v->part.definition.secret);
    if (code == 0)
        return 0;
    PROBLEM_SAY(&p, code == ERR_SPACE ? PROBLEM_DISK_FULL : PROBLEM_BUSY, "its signing secret: %s", why.text);
    visit_refuse(v, &p);
    return code;
}

void api_definition_put(struct visit *v) {
    struct submission_options options = common_submission_options(v);
    struct definition *definition = &v->part.definition.definition;
    struct slice name = slice_text(v->match.gid);
    struct problem p;
    if (definition_form_decode(kind_of(v), name, v->exchange.body, &options, &v->exchange.arena, definition,
                               &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    if (kind_of(v) == DEFINITION_DATASOURCE && judge_datasource(v) != 0)
        return;
    v->part.definition.made = engine_defined(v->daemon->engine, kind_of(v), name) == NULL;
    if (v->part.definition.made && common_admit_new(v) != 0)
        return;
    if (kind_of(v) == DEFINITION_ENDPOINT && need_secret(v) != 0)
        return;
    v->ask.event.definition = definition;
    ask(v, EVENT_DEFINE);
}

void api_definition_delete(struct visit *v) {
    struct command command;
    struct problem p;
    if (command_form_decode(v->exchange.body, COMMAND_REASON, &v->exchange.arena, &command, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    v->ask.event.text = command.reason;
    ask(v, EVENT_UNDEFINE);
}

void api_definition_pause(struct visit *v) {
    struct delivery_command command;
    struct problem p;
    if (delivery_form_decode(v->exchange.body, DELIVERY_REPLAY, &v->exchange.arena, &command, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    v->ask.event.text = command.reason;
    v->ask.event.not_done =
        v->match.route->id == ROUTE_UNPAUSE || v->match.route->id == ROUTE_ENDPOINT_ENABLE;
    ask(v, EVENT_PAUSE);
}
