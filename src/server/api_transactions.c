/* Transactions: submit, show, commands, branches that register. */
#include <assert.h>
#include <string.h>

#include "protocol/command_form.h"
#include "protocol/render.h"
#include "protocol/submission.h"
#include "server/api.h"
#include "server/api_common.h"
#include "server/api_things.h"
#include "server/keyed.h"

static void render(struct visit *v, const struct transaction *t) {
    struct json_writer w;
    json_writer_init(&w, visit_scratch(v));
    render_transaction(&w, NULL, t);
}

static const struct thing transactions = { .kind = STORED_TRANSACTION,
                                           .word = "transaction",
                                           .render = render };

void api_submit(struct visit *v) {
    struct submission_options options = common_submission_options(v);
    struct problem p;
    if (submission_decode(v->exchange.body, &options, &v->exchange.arena, &v->part.submit, &p) != 0)
        visit_refuse(v, &p);
    else
        things_submit(v, &transactions);
}

void api_show(struct visit *v) {
    things_show(v, &transactions);
}

/* --- commands --- */

static enum command_kind kind_of_command(enum route_id id) {
    return id == ROUTE_FORCE ? COMMAND_FORCE : id == ROUTE_BRANCH_RESOLVE ? COMMAND_RESOLVE : COMMAND_REASON;
}

static uint8_t event_of_command(enum route_id id) {
    switch (id) {
    case ROUTE_COMMIT:
        return EVENT_COMMIT;
    case ROUTE_ROLLBACK:
        return EVENT_ROLLBACK;
    case ROUTE_RETRY:
    case ROUTE_BRANCH_RETRY:
        return EVENT_RETRY;
    case ROUTE_SUSPEND:
        return EVENT_SUSPEND;
    case ROUTE_RESUME:
        return EVENT_RESUME;
    case ROUTE_FORCE:
        return EVENT_FORCE;
    default:
        return EVENT_RESOLVE;
    }
}

/* The role that a command names: none means whichever is owed. ERR_INVALID: no such operation, in the
 * transaction's mode if that is known. */
static int role_of(struct visit *v, struct slice word, uint8_t *role) {
    const struct transaction *t =
        engine_find(v->daemon->engine, STORED_TRANSACTION, v->namespace_name, slice_text(v->match.gid));
    *role = ROLE_COUNT;
    if (word.length == 0)
        return 0;
    for (uint8_t mode = MODE_SAGA; mode <= MODE_TCC; mode++) {
        int found = t != NULL && t->mode != mode ? -1 : operation_role(mode, word);
        if (found >= 0)
            *role = (uint8_t)found;
    }
    return *role == ROLE_COUNT ? ERR_INVALID : 0;
}

void api_command(struct visit *v) {
    struct event *event = &v->ask.event;
    enum route_id id = v->match.route->id;
    struct command command;
    struct problem p;
    if (command_form_decode(v->exchange.body, kind_of_command(id), &v->exchange.arena, &command, &p) != 0) {
        visit_refuse(v, &p);
        return;
    }
    if (role_of(v, command.operation, &event->role) != 0) {
        PROBLEM_SAY(&p, PROBLEM_INVALID_VALUE, "operation: \"%.*s\" is no operation of this transaction",
                    SLICE_PRINT(slice_upto(command.operation, 40)));
        PROBLEM_NOTE(&p, field, SLICE("operation"));
        PROBLEM_NOTE(&p, value, command.operation);
        visit_refuse(v, &p);
        return;
    }
    event->gid = slice_text(v->match.gid);
    if (v->known) {
        keyed_say_replayed(v);
        things_ask(v, &transactions, EVENT_SHOW);
        return;
    }
    event->branch_id = slice_text(v->match.branch);
    event->text = command.reason;
    event->decision = command.decision;
    event->not_done = command.not_done;
    things_ask(v, &transactions, event_of_command(id));
}

/* --- branches that register --- */

/* t tells how to read the branch: mode, and what `after` may name. */
static void register_with(struct visit *v, const struct transaction *t) {
    struct submission_options options = common_submission_options(v);
    struct problem p;
    if (submission_decode_branch(v->exchange.body, &options, t, &v->exchange.arena, &v->part.branch.request,
                                 v->part.branch.fingerprint, &p) != 0) {
        visit_shows(v, t);
        visit_refuse_sealed(v, &p);
        return;
    }
    /* The repeat of one that is there writes nothing. */
    bool is_new = !status_is_final(t->status) && transaction_branch(t, v->part.branch.request.id) < 0;
    if (is_new && common_admit_new(v) != 0)
        return;
    v->ask.event.branch = &v->part.branch.request;
    v->ask.event.branch_id = v->part.branch.request.id;
    v->ask.event.fingerprint = v->part.branch.fingerprint;
    things_ask(v, &transactions, EVENT_REGISTER);
}

static void shown_for_register(struct driver_ask *a, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(a, struct visit, ask);
    if (reply == NULL)
        common_refuse_unasked(v);
    else if (reply->transaction != NULL)
        register_with(v, reply->transaction);
    else
        common_refuse_reply(v, reply, transactions.word);
}

void api_register(struct visit *v) {
    v->ask.event.gid = slice_text(v->match.gid);
    const struct transaction *t =
        engine_find(v->daemon->engine, STORED_TRANSACTION, v->namespace_name, v->ask.event.gid);
    if (t != NULL) {
        register_with(v, t);
        return;
    }
    v->ask.event.kind = EVENT_SHOW;
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.answer = shown_for_register;
    driver_ask(v->daemon->driver, &v->ask);
}
