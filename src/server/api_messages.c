/* Messages: publish, show, decide, ask now. */
#include "protocol/command_form.h"
#include "protocol/message_form.h"
#include "protocol/render_message.h"
#include "server/api.h"
#include "server/api_common.h"
#include "server/api_things.h"
#include "server/keyed.h"

struct delivery_stand api_delivery_stand(void *self, const struct transaction *t, uint16_t branch) {
    const struct daemon *d = self;
    const struct parcel *parcel = engine_parcel(d->engine, t, branch);
    struct parcel_view view;
    if (parcel == NULL)
        return (struct delivery_stand){ .out = false };
    engine_parcel_view(parcel, &view);
    return (struct delivery_stand){ .out = view.out, .parked = view.parked, .lease_ms = view.lease_ms };
}

static void render(struct visit *v, const struct transaction *t) {
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    if (v->match.route->id == ROUTE_MESSAGE_SHOW)
        render_message(&w, t, api_delivery_stand, v->daemon);
    else
        render_message_item(&w, t);
}

/* Asking about what is decided is as late as deciding it. */
static const struct transaction *shown(struct visit *v, const struct reply *reply) {
    struct problem p;
    if (v->match.route->id != ROUTE_MESSAGE_CHECK || v->known ||
        reply->transaction->decision == DECISION_NONE)
        return reply->transaction;
    render_message_decided(reply->transaction, &p);
    visit_refuse_sealed(v, &p);
    return NULL;
}

static const struct thing messages = {
    .kind = STORED_MESSAGE,
    .is_created = true,
    .word = "message",
    .render = render,
    .shown = shown,
};

static bool has_datasource(void *self, struct slice name) {
    return engine_defined(((struct daemon *)self)->engine, DEFINITION_DATASOURCE, name) != NULL;
}

void api_publish(struct visit *v) {
    struct submission_options common = common_submission_options(v);
    struct message_options options = { .common = &common, .has_datasource = has_datasource };
    struct problem p;
    if (message_form_decode(v->exchange.body, &options, &v->exchange.arena, &v->part.submit, &p) != 0)
        visit_refuse(v, &p);
    else
        things_submit(v, &messages);
}

void api_message_show(struct visit *v) {
    things_show(v, &messages);
}

void api_message_command(struct visit *v) {
    struct event *event = &v->ask.event;
    enum route_id id = v->match.route->id;
    struct command command;
    struct problem p;
    if (command_form_decode(v->exchange.body, COMMAND_REASON, &v->exchange.arena, &command, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    event->gid = slice_text(v->match.gid);
    event->text = command.reason;
    if (v->known) {
        keyed_say_replayed(v);
        things_ask(v, &messages, EVENT_SHOW);
        return;
    }
    if (id == ROUTE_MESSAGE_CHECK)
        event->branch_id = SLICE(MESSAGE_CHECK_BRANCH);
    things_ask(v, &messages,
               id == ROUTE_MESSAGE_COMMIT     ? EVENT_COMMIT
               : id == ROUTE_MESSAGE_ROLLBACK ? EVENT_ROLLBACK
                                              : EVENT_RETRY);
}
