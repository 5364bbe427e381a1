/* Notifications: send, show, try now or anew, cancel; and what an endpoint's receiver missed. */
#include <string.h>

#include "protocol/command_form.h"
#include "protocol/notice_form.h"
#include "protocol/render_notice.h"
#include "server/api.h"
#include "server/api_common.h"
#include "server/api_things.h"
#include "server/keyed.h"

static void render(struct visit *v, const struct transaction *t) {
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    if (v->match.route->id == ROUTE_NOTICE_SHOW)
        render_notice(&w, t);
    else
        render_notice_item(&w, t);
}

/* One that was over was sent anew: what is answered is the new one. */
static const struct transaction *shown(struct visit *v, const struct reply *reply) {
    const struct transaction *t = NULL;
    if (reply->event == EVENT_AGAIN && reply->text.length > 0)
        t = engine_find(v->daemon->engine, STORED_NOTICE, v->namespace_name, reply->text);
    return t == NULL ? reply->transaction : t;
}

static const struct thing notices = {
    .kind = STORED_NOTICE,
    .is_created = true,
    .word = "notification",
    .render = render,
    .shown = shown,
};

void api_notify(struct visit *v) {
    struct submission_options options = common_submission_options(v);
    struct problem p;
    if (notice_form_decode(v->exchange.body, &options, &v->exchange.arena, &v->part.submit, &p) != 0)
        visit_refuse(v, &p);
    else
        things_submit(v, &notices);
}

void api_notice_show(struct visit *v) {
    things_show(v, &notices);
}

void api_notice_act(struct visit *v) {
    struct command command;
    struct problem p;
    if (command_form_decode(v->exchange.body, COMMAND_REASON, &v->exchange.arena, &command, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    v->ask.event.gid = slice_text(v->match.gid);
    v->ask.event.text = command.reason;
    if (v->known) {
        keyed_say_replayed(v);
        things_ask(v, &notices, EVENT_SHOW);
        return;
    }
    if (v->match.route->id == ROUTE_NOTICE_CANCEL) {
        things_ask(v, &notices, EVENT_ROLLBACK);
        return;
    }
    /* One that is over is sent anew, and that is new work. */
    const struct transaction *t =
        engine_find(v->daemon->engine, STORED_NOTICE, v->namespace_name, v->ask.event.gid);
    if ((t == NULL || status_is_final(t->status)) && common_admit_new(v) != 0)
        return;
    things_ask(v, &notices, EVENT_AGAIN);
}

/* A receiver sees its own list and nobody else's: its token bears the endpoint's name. */
void api_missed(struct visit *v) {
    struct problem p;
    if (!v->may_view && strcmp(v->who, v->match.gid) != 0) {
        PROBLEM_SAY(
            &p, PROBLEM_FORBIDDEN,
            "a token with the role receiver lists what the endpoint of its own name missed; this one is "
            "%s's, and the endpoint is %s",
            v->who, v->match.gid);
        visit_refuse(v, &p);
        return;
    }
    v->query.filter.endpoint = slice_text(v->match.gid);
    v->query.filter.notices = 1u << NOTICE_GAVE_UP;
    api_list(v);
}
