/* Lists: what is in memory and what is in history, merged by id into one order, page by page.
 *
 * History is read in slices on its own thread; each slice is merged with memory when it arrives. What is in
 * memory is newer than its row. A thing that is folded meanwhile is in at least one of the two, because its
 * row is durable before it leaves memory and answers come in the order of their completion. Work for one page
 * is bounded by LIMIT_SCAN_ROWS; then the page is partial and has a cursor. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/render.h"
#include "protocol/render_message.h"
#include "protocol/render_notice.h"
#include "server/api.h"
#include "server/merge.h"

enum { SLICE_ROWS = 200 };

static const char json[] = "application/json";

/* A slice on its way. visit is NULL when nobody wants it any more. */
struct list_scan {
    struct visit *visit;
};

static bool is_audit(const struct visit *v) {
    return v->match.route->id == ROUTE_AUDIT;
}

static bool is_of_deliveries(const struct visit *v) {
    return v->match.route->id == ROUTE_DELIVERY_LIST;
}

/* What is listed, or holds it: the kind of its rows. */
static uint8_t kind_of(const struct visit *v) {
    if (is_audit(v))
        return STORED_AUDIT;
    switch (v->match.route->id) {
    case ROUTE_LIST:
        return STORED_TRANSACTION;
    case ROUTE_NOTICE_LIST:
    case ROUTE_MISSED:
        return STORED_NOTICE;
    default:
        return STORED_MESSAGE;
    }
}

/* --- items --- */

static void put_hex(struct json_writer *w, const char *name, const uint8_t hash[32]) {
    struct buffer hex;
    buffer_init(&hex, 128);
    digest_add_hex(&hex, slice_of((const char *)hash, 32));
    json_put_string(w, name, buffer_slice(&hex));
    buffer_done(&hex);
}

/* Newest first: the line that stands before this one in the page is the one that follows it in the chain. */
static void put_audit(struct visit *v, uint64_t id, struct slice record) {
    struct json_writer *w = &v->part.list.writer;
    struct audit_entry e;
    bool good = audit_decode(record, &e) == 0 && e.chained;
    if (good && v->part.list.shown > 0 && memcmp(v->part.list.hash, e.hash, sizeof e.hash) != 0)
        good = false;
    v->part.list.broken |= !good;
    v->part.list.shown++;
    json_put_object(w, NULL);
    json_put_u64(w, "number", id);
    json_put_bool(w, "chained", good);
    if (audit_decode(record, &e) == 0) {
        memcpy(v->part.list.hash, e.hash_before, sizeof e.hash_before);
        render_time(w, "at", e.at_ms);
        json_put_string(w, "who", e.who);
        json_put_string(w, "what", e.what);
        json_put_string(w, "gid", e.gid);
        json_put_string(w, "branch", e.branch);
        json_put_string(w, "reason", e.text);
        put_hex(w, "hash", e.hash);
        put_hex(w, "hash_before", e.hash_before);
    }
    json_put_end(w);
}

/* Those of one message that are wanted. */
static void put_deliveries(struct visit *v, const struct transaction *t) {
    struct list_filter of_message = v->query.filter;
    of_message.attention = 0;
    if (!list_filter_matches(&of_message, t))
        return;
    for (uint16_t i = 0; i < t->branch_count; i++) {
        if (!branch_is_delivery(&t->branches[i]))
            continue;
        struct delivery_stand stand = api_delivery_stand(v->daemon, t, i);
        if (!list_filter_takes(&v->query.filter, t, i, delivery_status(t, i, &stand)))
            continue;
        v->part.list.shown++;
        visit_shows(v, t);
        render_delivery(&v->part.list.writer, t, i, &stand, false, SLICE_NONE);
    }
}

static void put_transaction(struct visit *v, const struct transaction *t) {
    if (is_of_deliveries(v)) {
        put_deliveries(v, t);
        return;
    }
    if (!list_filter_matches(&v->query.filter, t))
        return;
    v->part.list.shown++;
    visit_shows(v, t);
    if (v->match.route->id == ROUTE_MISSED)
        render_missed(&v->part.list.writer, t);
    else if (kind_of(v) == STORED_NOTICE)
        render_notice_item(&v->part.list.writer, t);
    else if (kind_of(v) == STORED_MESSAGE)
        render_message_item(&v->part.list.writer, t);
    else
        render_item(&v->part.list.writer, t);
}

static int put_row(struct visit *v, const struct stored_row *row) {
    struct daemon *d = v->daemon;
    struct transaction t;
    if (is_audit(v)) {
        put_audit(v, row->id, row->image);
        return 0;
    }
    arena_reset(&d->event_arena);
    int code = transaction_load(&t, row->image, &d->list_memory, &d->event_arena);
    if (code != 0)
        return code;
    put_transaction(v, &t);
    transaction_done(&t);
    return 0;
}

/* --- memory --- */

/* The next thing in memory after `at` in the list's direction: its id, or 0. */
static uint64_t next_in_memory(const struct visit *v, uint64_t at, const struct transaction **t,
                               struct stored_entry *line) {
    if (!is_audit(v)) {
        *t = engine_walk(v->daemon->engine, kind_of(v), at, v->query.oldest_first);
        return *t == NULL ? 0 : (*t)->id;
    }
    for (size_t i = 0; engine_audit_recent(v->daemon->engine, i, line); i++)
        if (line->id < at)
            return line->id;
    return 0;
}

/* --- pages --- */

static void add_link(struct visit *v, uint64_t next) {
    struct buffer link;
    struct slice query = v->exchange.request.query;
    buffer_init(&link, LIMIT_HEADER_BYTES);
    buffer_add_byte(&link, '<');
    buffer_add_slice(&link, v->exchange.request.path);
    buffer_add_byte(&link, '?');
    while (query.length > 0) {
        struct slice parameter = slice_upto(query, slice_find(query, '&'));
        if (!slice_starts(parameter, "cursor=")) {
            buffer_add_slice(&link, parameter);
            buffer_add_byte(&link, '&');
        }
        query = slice_from(query, parameter.length + 1);
    }
    buffer_add_text(&link, "cursor=");
    query_add_cursor(next, v->query.oldest_first, &link);
    buffer_add_text(&link, ">; rel=\"next\"");
    if (buffer_failed(&link) == 0)
        exchange_header(&v->exchange, "Link", buffer_slice(&link));
    buffer_done(&link);
}

static uint64_t approximate_total(const struct visit *v) {
    const struct daemon *d = v->daemon;
    struct engine_figures engine;
    struct chores_figures chores;
    engine_figures(d->engine, &engine);
    chores_figures(d->chores, &chores);
    uint64_t ever = kind_of(v) == STORED_MESSAGE  ? d->messages_at_start + engine.published
                    : kind_of(v) == STORED_NOTICE ? d->notices_at_start + engine.notified
                                                  : d->rows_at_start + engine.submitted;
    ever -= engine.taken_back[kind_of(v)];
    return ever > chores.purged ? ever - chores.purged : 0;
}

/* next: id of the last item looked at when there may be more, else 0. */
static void finish(struct visit *v, uint64_t next) {
    struct json_writer *w = &v->part.list.writer;
    bool counted = v->match.route->id != ROUTE_MISSED; /* its reader may not know of others' */
    uint64_t total =
        counted && (v->query.has_cursor || next != 0) ? approximate_total(v) : v->part.list.shown;
    if (next != 0)
        add_link(v, next);
    if (is_audit(v)) {
        json_put_end(w);
        json_put_bool(w, "chained", !v->part.list.broken);
        if (next == 0) {
            json_put_null(w, "next");
        } else {
            struct buffer cursor;
            buffer_init(&cursor, 128);
            query_add_cursor(next, false, &cursor);
            json_put_string(w, "next", buffer_slice(&cursor));
            buffer_done(&cursor);
        }
        json_put_end(w);
    } else {
        render_list_end(w, next, v->query.oldest_first, total);
    }
    buffer_add_slice(visit_scratch(v), buffer_slice(&v->exchange.body_pieces));
    visit_answer_sealed(v, 200, json);
}

static bool is_full(const struct visit *v) {
    return v->part.list.shown >= v->part.list.limit || v->part.list.scanned >= LIMIT_SCAN_ROWS;
}

/* Is there anything behind the place where the list stands? */
static bool has_more(const struct visit *v, size_t rows_left, bool more) {
    const struct transaction *t = NULL;
    struct stored_entry line = { .id = 0 };
    return more || rows_left > 0 || next_in_memory(v, v->part.list.at, &t, &line) != 0;
}

/* Put the next thing, from wherever it comes. Returns its id, 0 when there is none for now. */
static uint64_t put_next(struct visit *v, const struct stored_row *rows, size_t count, bool more,
                         size_t *taken) {
    const struct transaction *t = NULL;
    struct stored_entry line = { .id = 0 };
    const struct stored_row *row = *taken < count ? &rows[*taken] : NULL;
    uint64_t memory = next_in_memory(v, v->part.list.at, &t, &line);
    struct merge_slice slice = { .next = row == NULL ? 0 : row->id,
                                 .left = count - *taken,
                                 .more = more,
                                 .ascending = v->query.oldest_first };
    enum merge_choice choice = merge_next(&slice, memory);
    if (choice == MERGE_WAIT || choice == MERGE_END)
        return 0;
    *taken += choice != MERGE_MEMORY;
    if (choice == MERGE_ROW) {
        v->part.list.broken |= put_row(v, row) != 0;
        return row->id;
    }
    if (t != NULL)
        put_transaction(v, t);
    else
        put_audit(v, line.id, line.record);
    return memory;
}

/* Merge a slice with memory. Returns whether the page was finished. */
static bool merge(struct visit *v, const struct stored_row *rows, size_t count, bool more) {
    size_t taken = 0;
    uint64_t id;
    while (!is_full(v) && (id = put_next(v, rows, count, more, &taken)) != 0) {
        v->part.list.at = id;
        v->part.list.scanned++;
    }
    if (is_full(v) && has_more(v, count - taken, more)) {
        finish(v, v->part.list.at);
        return true;
    }
    if (more && !is_full(v))
        return false; /* the next slice begins behind the last row, which is where the list stands */
    finish(v, 0);
    return true;
}

static void ask_slice(struct visit *v);

static void refuse(struct visit *v, enum problem_type type) {
    struct problem p;
    problem_init(&p, type);
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
}

static void on_rows(void *self, int code, const struct stored_row *rows, size_t count, bool more,
                    const struct why *why) {
    struct list_scan *scan = self;
    struct visit *v = scan->visit;
    (void)why;
    free(scan);
    if (v == NULL)
        return;
    v->part.list.scan = NULL;
    if (code != 0)
        refuse(v, PROBLEM_STORE_UNAVAILABLE);
    else if (!merge(v, rows, count, more))
        ask_slice(v);
}

static void list_gone(struct visit *v) {
    if (v->part.list.scan != NULL)
        v->part.list.scan->visit = NULL;
    v->part.list.scan = NULL;
}

static void ask_slice(struct visit *v) {
    struct list_scan *scan = malloc(sizeof *scan);
    if (scan == NULL) {
        refuse(v, PROBLEM_BUSY);
        return;
    }
    scan->visit = v;
    v->part.list.scan = scan;
    v->gone = list_gone;
    if (committer_scan(v->daemon->committer, kind_of(v), v->part.list.at, v->query.oldest_first, SLICE_ROWS,
                       on_rows, scan) != 0) {
        v->part.list.scan = NULL;
        free(scan);
        refuse(v, PROBLEM_BUSY);
    }
}

static void begin(struct visit *v) {
    uint64_t most = settings_number(&v->daemon->settings, SETTING_LIMITS_PAGE);
    buffer_clear(&v->exchange.body_pieces);
    v->part.list.limit = v->query.limit < most ? v->query.limit : (uint32_t)most;
    v->part.list.at = v->query.has_cursor ? v->query.cursor : v->query.oldest_first ? 0 : UINT64_MAX;
    json_writer_init(&v->part.list.writer, &v->exchange.body_pieces);
}

void api_list(struct visit *v) {
    begin(v);
    render_list_begin(&v->part.list.writer);
    /* What is unfinished is in memory: history need not be asked. */
    if (is_of_deliveries(v) && list_filter_is_live(&v->query.filter))
        (void)merge(v, NULL, 0, false);
    else
        ask_slice(v);
}

void api_audit(struct visit *v) {
    begin(v);
    json_put_object(&v->part.list.writer, NULL);
    json_put_array(&v->part.list.writer, "items");
    ask_slice(v);
}
