#include "demo/participant.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/business.h"
#include "demo/ledger.h"
#include "demo/service.h"

const char *const participant_names[] = { "order", "stock", "points", "warehouse",
                                          "car",   "hotel", "charge", NULL };

struct participant {
    const struct business *business;
    struct ledger ledger;
    struct service *service;
    char url[96];
    atomic_bool refuse;
    atomic_uint confirm_delay_ms;
    atomic_uint confirmed;
    atomic_uint closed_for; /* calls */
};

#define PRODUCER SLICE("producer") /* the branch of a produced message's barrier */

static void refuse(struct service_answer *answer, unsigned status, const char *sentence) {
    struct json_writer w;
    answer->status = status;
    buffer_clear(&answer->body);
    json_writer_init(&w, &answer->body);
    json_put_object(&w, NULL);
    json_put_text(&w, "error", sentence);
    json_put_end(&w);
}

static bool is_forward(struct slice operation) {
    return slice_is(operation, "try") || slice_is(operation, "action") || slice_is(operation, "deliver");
}

static int run_all(struct ledger *l, const char *const *statements, struct slice gid, struct why *why) {
    int result = 0;
    for (; *statements != NULL && result == 0; statements++)
        result = ledger_change(l, NULL, why, *statements, "t", &gid);
    return result;
}

static int work(struct participant *p, const struct service_call *call, struct service_answer *answer,
                struct why *why) {
    struct json_value body = { .kind = JSON_NULL };
    if (call->body.length > 0 && json_check(call->body, &body, NULL) != 0)
        return why_set(why, ERR_CONFLICT, "the body is not JSON");
    if (is_forward(call->operation) && atomic_load(&p->refuse))
        return why_set(why, ERR_CONFLICT, "%s", p->business->no);
    if (is_forward(call->operation))
        return p->business->forward(&p->ledger, call->gid, body, &answer->body, why);
    bool confirm = slice_is(call->operation, "confirm");
    return run_all(&p->ledger, confirm ? p->business->confirm : p->business->backward, call->gid, why);
}

/* {"status":"committed"}: what became of the local transaction that was to precede a message. */
static int answer_check(struct participant *p, const struct service_call *call, struct service_answer *answer,
                        struct why *why) {
    bool produced = false;
    int result = ledger_produced(&p->ledger, call->gid, PRODUCER, &produced, why);
    buffer_add_format(&answer->body, "{\"status\":\"%s\"}", produced ? "committed" : "rolled_back");
    return result;
}

static bool is_closed(struct participant *p) {
    unsigned left = atomic_load(&p->closed_for);
    if (left > 0)
        atomic_store(&p->closed_for, left - 1);
    return left > 0;
}

/* One call of settled: barrier and effect in one local transaction, then the answer. */
static void serve(void *self, const struct service_call *call, struct service_answer *answer) {
    struct participant *p = self;
    enum barrier barrier = BARRIER_SKIP;
    struct why why;
    bool check = slice_is(call->operation, "check");
    if (is_closed(p)) {
        refuse(answer, 503, "closed, come back later");
        return;
    }
    int result =
        ledger_begin(&p->ledger, call->gid, check ? PRODUCER : call->branch, call->operation, &barrier, &why);
    if (result != 0) {
        refuse(answer, result == ERR_INVALID ? 400 : 503, why.text);
        return;
    }
    if (barrier == BARRIER_TOO_LATE)
        result = why_set(&why, ERR_CONFLICT, "cancelled before it was tried");
    else if (check)
        result = answer_check(p, call, answer, &why);
    else if (barrier == BARRIER_PROCEED)
        result = work(p, call, answer, &why);
    if (result == 0)
        result = ledger_commit(&p->ledger, &why);
    if (result != 0) {
        ledger_rollback(&p->ledger);
        refuse(answer, result == ERR_CONFLICT ? 409 : 503, why.text);
        return;
    }
    if (slice_is(call->operation, "confirm") || slice_is(call->operation, "deliver")) {
        answer->delay_ms = atomic_load(&p->confirm_delay_ms);
        atomic_fetch_add(&p->confirmed, barrier == BARRIER_PROCEED);
    }
}

static const struct business *find(const char *name) {
    for (const struct business *b = business_table; b->name != NULL; b++)
        if (strcmp(b->name, name) == 0)
            return b;
    return NULL;
}

int participant_open(struct participant **out, const char *name, const char *folder, struct why *why) {
    char path[4096];
    const struct business *business = find(name);
    struct participant *p;
    if (business == NULL)
        return why_set(why, ERR_NOT_FOUND, "there is no participant \"%s\"", name);
    if (snprintf(path, sizeof path, "%s/%s.db", folder, name) >= (int)sizeof path)
        return why_set(why, ERR_IO, "the folder's name is too long");
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return why_set(why, ERR_MEMORY, "participant");
    p->business = business;
    int result = ledger_open(&p->ledger, path, business->schema, why);
    if (result == 0)
        result = service_open(&p->service, serve, p, why);
    if (result != 0) {
        why_prefix(why, result, "%s", path);
        participant_close(p);
        return result;
    }
    snprintf(p->url, sizeof p->url, "%s%s", service_url(p->service), business->path);
    *out = p;
    return 0;
}

void participant_close(struct participant *p) {
    if (p == NULL)
        return;
    service_close(p->service);
    ledger_close(&p->ledger);
    free(p);
}

const char *participant_url(const struct participant *p) {
    return p->url;
}

void participant_trouble(struct participant *p, bool refuse_all, uint32_t confirm_delay_ms) {
    atomic_store(&p->refuse, refuse_all);
    atomic_store(&p->confirm_delay_ms, confirm_delay_ms);
}

uint32_t participant_confirmed(const struct participant *p) {
    return atomic_load(&p->confirmed);
}

void participant_close_for(struct participant *p, uint32_t calls) {
    atomic_store(&p->closed_for, calls);
}

int participant_promise(const char *folder, const char *message, const char *buyer, struct why *why) {
    char path[4096];
    struct ledger l;
    enum barrier barrier = BARRIER_SKIP;
    struct slice id = slice_text(message), to = slice_text(buyer);
    if (snprintf(path, sizeof path, "%s/order.db", folder) >= (int)sizeof path)
        return why_set(why, ERR_IO, "the folder's name is too long");
    int result = ledger_open(&l, path, find("order")->schema, why);
    if (result == 0)
        result = ledger_begin(&l, id, PRODUCER, SLICE("produce"), &barrier, why);
    if (result == 0) {
        if (barrier == BARRIER_TOO_LATE)
            result = why_set(why, ERR_CONFLICT, "settled was told that %s never will be", message);
        else if (barrier == BARRIER_PROCEED)
            result = ledger_change(&l, NULL, why, "insert into gifts (message, buyer) values (?, ?)", "tt",
                                   &id, &to);
        if (result == 0)
            result = ledger_commit(&l, why);
        if (result != 0)
            ledger_rollback(&l);
    }
    ledger_close(&l);
    return result;
}
