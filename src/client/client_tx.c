/* Building a transaction: what the caller says is kept in an arena as it comes, and spelled as JSON when it
 * is asked for. The first failure is remembered and told by stl_tx_json and stl_tx_submit. */
#include "client/client_tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/draft.h"

enum { OWN_ORDER, AFTER_NAMED, AFTER_NOTHING };

struct name {
    struct name *next;
    struct slice text;
};

struct branch {
    struct branch *next;
    struct slice id;
    struct slice base;                       /* TCC: try, confirm and cancel live below it */
    struct slice forward, confirm, backward; /* urls; empty when absent */
    struct slice body;
    struct name *after, **after_end;
    int order; /* OWN_ORDER ... */
    bool pivot, cancel_always;
    int timeout_ms;
    int retry_first_ms, retry_factor_percent, retry_max_ms;
    long long retry_for_ms;
};

/* What goes out with the decision: a message to a topic, or a notification to an endpoint. */
struct parting {
    struct parting *next;
    bool on_commit, notify;
    struct slice to;     /* topic or endpoint */
    struct slice detail; /* key or event; a key may be empty */
    struct slice body;
};

struct stl_tx {
    struct draft draft;
    struct slice mode, gid, name;
    struct draft_pairs labels;
    struct branch *branches, **branches_end, *last;
    struct parting *partings, **partings_end;
    long long deadline_ms;
    bool client_driven;
};

stl_tx *stl_tx_new(const char *mode, const char *gid) {
    stl_tx *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    draft_init(&t->draft, "transaction");
    t->branches_end = &t->branches;
    t->partings_end = &t->partings;
    if (mode == NULL)
        draft_refuse(&t->draft, STL_EINVALID, "mode", "say \"saga\" or \"tcc\"");
    draft_keep(&t->draft, mode, &t->mode);
    draft_keep(&t->draft, gid, &t->gid);
    return t;
}

void stl_tx_free(stl_tx *t) {
    if (t == NULL)
        return;
    draft_done(&t->draft);
    free(t);
}

int stl_tx_name(stl_tx *t, const char *name) {
    return draft_keep(&t->draft, name, &t->name);
}

int stl_tx_label(stl_tx *t, const char *key, const char *value) {
    return draft_pair(&t->draft, &t->labels, "label", key, value);
}

int stl_tx_deadline(stl_tx *t, long long deadline_ms) {
    if (deadline_ms <= 0)
        return draft_refuse(&t->draft, STL_EINVALID, "deadline", "must be over 0 ms");
    t->deadline_ms = deadline_ms;
    return 0;
}

int stl_tx_client_driven(stl_tx *t, int yes) {
    t->client_driven = yes != 0;
    return 0;
}

/* ---- branches ---------------------------------------------------------------------------------------- */

static int add_branch(stl_tx *t, const char *id, const void *body, size_t length, struct branch **out) {
    struct branch *b = arena_take(&t->draft.arena, sizeof *b);
    if (id == NULL)
        return draft_refuse(&t->draft, STL_EINVALID, "branch", "needs an id");
    if (b == NULL)
        return draft_refuse(&t->draft, STL_EMEMORY, id, "out of memory");
    if (length > 0 && draft_json(&t->draft, id, body, length) != 0)
        return t->draft.failed;
    b->after_end = &b->after;
    int result = draft_keep(&t->draft, id, &b->id);
    if (result == 0 && length > 0)
        result = draft_keep_bytes(&t->draft, body, length, &b->body);
    if (result != 0)
        return result;
    *t->branches_end = b;
    t->branches_end = &b->next;
    t->last = b;
    *out = b;
    return 0;
}

int stl_tx_saga(stl_tx *t, const char *id, const char *action_url, const char *compensate_url,
                const void *body, size_t length) {
    struct branch *b;
    int result = add_branch(t, id, body, length, &b);
    if (result == 0 && action_url == NULL)
        return draft_refuse(&t->draft, STL_EINVALID, id, "needs an action");
    if (result == 0)
        result = draft_keep(&t->draft, action_url, &b->forward);
    return result == 0 ? draft_keep(&t->draft, compensate_url, &b->backward) : result;
}

int stl_tx_tcc(stl_tx *t, const char *id, const char *base_url, const void *body, size_t length) {
    struct branch *b;
    int result = add_branch(t, id, body, length, &b);
    if (result == 0 && base_url == NULL)
        return draft_refuse(&t->draft, STL_EINVALID, id, "needs a base");
    return result == 0 ? draft_keep(&t->draft, base_url, &b->base) : result;
}

int stl_tx_tcc_urls(stl_tx *t, const char *id, const char *try_url, const char *confirm_url,
                    const char *cancel_url, const void *body, size_t length) {
    struct branch *b;
    int result = add_branch(t, id, body, length, &b);
    if (result == 0 && (try_url == NULL || confirm_url == NULL || cancel_url == NULL))
        return draft_refuse(&t->draft, STL_EINVALID, id, "needs try, confirm and cancel");
    if (result == 0)
        result = draft_keep(&t->draft, try_url, &b->forward);
    if (result == 0)
        result = draft_keep(&t->draft, confirm_url, &b->confirm);
    return result == 0 ? draft_keep(&t->draft, cancel_url, &b->backward) : result;
}

static struct branch *last_branch(stl_tx *t, const char *what) {
    if (t->last == NULL)
        draft_refuse(&t->draft, STL_EINVALID, what, "comes after the branch it speaks of");
    return t->last;
}

int stl_tx_after(stl_tx *t, const char *id) {
    struct branch *b = last_branch(t, "after");
    struct name *n = arena_take(&t->draft.arena, sizeof *n);
    if (b == NULL)
        return t->draft.failed;
    if (id == NULL)
        return draft_refuse(&t->draft, STL_EINVALID, "after", "needs a branch id");
    if (n == NULL)
        return draft_refuse(&t->draft, STL_EMEMORY, "after", "out of memory");
    b->order = AFTER_NAMED;
    int result = draft_keep(&t->draft, id, &n->text);
    *b->after_end = n;
    b->after_end = &n->next;
    return result;
}

int stl_tx_at_once(stl_tx *t) {
    struct branch *b = last_branch(t, "at_once");
    if (b == NULL)
        return t->draft.failed;
    b->order = AFTER_NOTHING;
    return 0;
}

int stl_tx_pivot(stl_tx *t) {
    struct branch *b = last_branch(t, "pivot");
    if (b == NULL)
        return t->draft.failed;
    b->pivot = true;
    return 0;
}

int stl_tx_cancel_always(stl_tx *t) {
    struct branch *b = last_branch(t, "cancel");
    if (b == NULL)
        return t->draft.failed;
    if (b->base.length == 0)
        return draft_refuse(&t->draft, STL_EINVALID, "cancel", "\"always\" is for branches of stl_tx_tcc");
    b->cancel_always = true;
    return 0;
}

int stl_tx_timeout(stl_tx *t, int call_timeout_ms) {
    struct branch *b = last_branch(t, "timeout");
    if (b == NULL)
        return t->draft.failed;
    if (call_timeout_ms <= 0)
        return draft_refuse(&t->draft, STL_EINVALID, "timeout", "must be over 0 ms");
    b->timeout_ms = call_timeout_ms;
    return 0;
}

int stl_tx_retry(stl_tx *t, int first_ms, int factor_percent, int max_ms, long long for_ms) {
    struct branch *b = last_branch(t, "retry");
    if (b == NULL)
        return t->draft.failed;
    if (first_ms < 0 || factor_percent < 0 || max_ms < 0 || for_ms < 0)
        return draft_refuse(&t->draft, STL_EINVALID, "retry", "takes no negative numbers");
    b->retry_first_ms = first_ms;
    b->retry_factor_percent = factor_percent;
    b->retry_max_ms = max_ms;
    b->retry_for_ms = for_ms;
    return 0;
}

/* ---- what goes out with the decision ------------------------------------------------------------------ */

static int add_parting(stl_tx *t, struct parting like, const char *to, const char *detail, const void *body,
                       size_t length) {
    const char *what = like.notify ? "notify" : "topic";
    struct parting *p = arena_take(&t->draft.arena, sizeof *p);
    if (to == NULL || (like.notify && detail == NULL))
        return draft_refuse(&t->draft, STL_EINVALID, what,
                            like.notify ? "needs an endpoint and an event" : "needs a topic");
    if (p == NULL)
        return draft_refuse(&t->draft, STL_EMEMORY, what, "out of memory");
    *p = like;
    int result = length > 0 ? draft_json(&t->draft, to, body, length) : 0;
    if (result == 0)
        result = draft_keep(&t->draft, to, &p->to);
    if (result == 0)
        result = draft_keep(&t->draft, detail, &p->detail);
    if (result == 0 && length > 0)
        result = draft_keep_bytes(&t->draft, body, length, &p->body);
    if (result != 0)
        return result;
    *t->partings_end = p;
    t->partings_end = &p->next;
    return 0;
}

int stl_tx_on_commit_msg(stl_tx *t, const char *topic, const char *key, const void *body, size_t length) {
    return add_parting(t, (struct parting){ .on_commit = true }, topic, key, body, length);
}

int stl_tx_on_rollback_msg(stl_tx *t, const char *topic, const char *key, const void *body, size_t length) {
    return add_parting(t, (struct parting){ .on_commit = false }, topic, key, body, length);
}

int stl_tx_on_commit_notify(stl_tx *t, const char *endpoint, const char *event, const void *body,
                            size_t length) {
    return add_parting(t, (struct parting){ .on_commit = true, .notify = true }, endpoint, event, body,
                       length);
}

int stl_tx_on_rollback_notify(stl_tx *t, const char *endpoint, const char *event, const void *body,
                              size_t length) {
    return add_parting(t, (struct parting){ .notify = true }, endpoint, event, body, length);
}

/* ---- as JSON ----------------------------------------------------------------------------------------- */

static void put_url(struct json_writer *w, const char *name, struct slice url, int timeout_ms) {
    if (timeout_ms == 0) {
        json_put_string(w, name, url);
        return;
    }
    json_put_object(w, name);
    json_put_string(w, "url", url);
    draft_put_ms(w, "timeout", timeout_ms);
    json_put_end(w);
}

static void put_operations(struct json_writer *w, const struct branch *b, bool saga) {
    if (b->base.length > 0) {
        put_url(w, "base", b->base, b->timeout_ms);
        if (b->cancel_always)
            json_put_text(w, "cancel", "always");
        return;
    }
    put_url(w, saga ? "action" : "try", b->forward, b->timeout_ms);
    if (b->confirm.length > 0)
        put_url(w, "confirm", b->confirm, b->timeout_ms);
    if (b->backward.length > 0)
        put_url(w, saga ? "compensate" : "cancel", b->backward, b->timeout_ms);
}

static void put_retry(struct json_writer *w, const struct branch *b) {
    if (b->retry_first_ms == 0 && b->retry_factor_percent == 0 && b->retry_max_ms == 0 &&
        b->retry_for_ms == 0)
        return;
    json_put_object(w, "retry");
    draft_put_ms(w, "first", b->retry_first_ms);
    if (b->retry_factor_percent > 0) {
        char factor[32];
        int length = snprintf(factor, sizeof factor, "%d.%02d", b->retry_factor_percent / 100,
                              b->retry_factor_percent % 100);
        json_put_raw(w, "factor", slice_of(factor, (size_t)length));
    }
    draft_put_ms(w, "max", b->retry_max_ms);
    draft_put_ms(w, "for", b->retry_for_ms);
    if (b->retry_for_ms > 0)
        json_put_text(w, "then", "rollback");
    json_put_end(w);
}

static void put_branch(struct json_writer *w, const struct branch *b, bool saga) {
    json_put_object(w, NULL);
    json_put_string(w, "id", b->id);
    put_operations(w, b, saga);
    if (b->order != OWN_ORDER) {
        json_put_array(w, "after");
        for (const struct name *n = b->after; n != NULL; n = n->next)
            json_put_string(w, NULL, n->text);
        json_put_end(w);
    }
    if (b->pivot)
        json_put_bool(w, "pivot", true);
    put_retry(w, b);
    if (b->body.length > 0)
        json_put_raw(w, "body", b->body);
    json_put_end(w);
}

static void put_partings(struct json_writer *w, const struct parting *all, bool on_commit) {
    bool any = false;
    for (const struct parting *p = all; p != NULL; p = p->next) {
        if (p->on_commit != on_commit)
            continue;
        if (!any)
            json_put_array(w, on_commit ? "on_commit" : "on_rollback");
        any = true;
        json_put_object(w, NULL);
        json_put_string(w, p->notify ? "notify" : "topic", p->to);
        if (p->detail.length > 0)
            json_put_string(w, p->notify ? "event" : "key", p->detail);
        if (p->body.length > 0)
            json_put_raw(w, "body", p->body);
        json_put_end(w);
    }
    if (any)
        json_put_end(w);
}

static void put_transaction(stl_tx *t, struct json_writer *w) {
    bool saga = slice_is(t->mode, "saga");
    json_put_object(w, NULL);
    if (t->gid.length > 0)
        json_put_string(w, "gid", t->gid);
    json_put_string(w, "mode", t->mode);
    if (t->name.length > 0)
        json_put_string(w, "name", t->name);
    draft_put_pairs(w, "labels", &t->labels);
    draft_put_ms(w, "deadline", t->deadline_ms);
    if (t->client_driven)
        json_put_text(w, "drive", "client");
    json_put_array(w, "branches");
    for (const struct branch *b = t->branches; b != NULL; b = b->next)
        put_branch(w, b, saga);
    json_put_end(w);
    put_partings(w, t->partings, true);
    put_partings(w, t->partings, false);
    json_put_end(w);
}

const char *stl_tx_json(stl_tx *t, size_t *length) {
    struct json_writer w;
    if (!draft_begin(&t->draft, &w))
        return NULL;
    put_transaction(t, &w);
    return draft_end(&t->draft, length);
}

int client_tx_failed(const stl_tx *t, stl_err *e) {
    return draft_failed(&t->draft, e);
}

bool client_tx_named(const stl_tx *t) {
    return t->gid.length > 0;
}
