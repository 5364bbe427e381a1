/* Events: the timeline of a transaction or message and the stream of all, as JSON and as Server-Sent Events.
 */
#include <assert.h>
#include <string.h>

#include "protocol/chronicle.h"
#include "server/api.h"
#include "server/stream.h"
#include "wire/header_value.h"

enum {
    HEARTBEAT_S = 15,
    PUMP_BYTES = 64 * 1024,  /* written at a time */
    SLOW_BYTES = 256 * 1024, /* a reader with more than this waiting is left alone */
    NEXT_BYTES = 80,
};

static const char json[] = "application/json";

static void begin_again(struct visit *v);

/* Whose timeline it is. */
static uint8_t subject_of(const struct visit *v) {
    switch (v->match.route->id) {
    case ROUTE_MESSAGE_TIMELINE:
        return STORED_MESSAGE;
    case ROUTE_NOTICE_TIMELINE:
        return STORED_NOTICE;
    default:
        return STORED_TRANSACTION;
    }
}

/* --- ids --- */

/* "A-B-C": numbers, at least one. Returns how many there are; 0: it is something else. */
static size_t read_numbers(struct slice text, uint64_t *numbers, size_t max) {
    for (size_t count = 0; count < max; count++) {
        size_t dash = slice_find(text, '-');
        if (slice_u64(slice_upto(text, dash), &numbers[count]) != 0)
            return 0;
        if (dash == text.length)
            return count + 1;
        text = slice_from(text, dash + 1);
    }
    return 0;
}

/* Numbers that are no place are from somewhere else: their reader has missed an unknown number of events. */
static bool read_place(struct slice text, struct feed_place *out) {
    uint64_t n[3];
    size_t count = read_numbers(text, n, 3);
    *out = count == 3 ? (struct feed_place){ .epoch = n[0], .batch = n[1], .index = n[2] }
                      : (struct feed_place){ .batch = UINT64_MAX };
    return count > 0;
}

/* "SEQ-INDEX", or a list's "SEQ". */
static bool read_record(struct slice text, uint64_t *seq, uint64_t *index) {
    uint64_t n[2] = { 0, 0 };
    if (read_numbers(text, n, 2) == 0 || n[0] > UINT32_MAX)
        return false;
    *seq = n[0];
    *index = n[1];
    return true;
}

/* Last-Event-ID wins over ?after=. False: there is none. */
static bool wanted_id(struct visit *v, struct slice *id) {
    struct slice header = http1_find(&v->exchange.request.head, "last-event-id");
    if (header.at != NULL && header_value_event_id(header, id) == 0)
        return true;
    *id = header.at != NULL ? SLICE("?") : v->query.after;
    return id->length > 0;
}

static bool wants_stream(const struct visit *v) {
    struct slice accept = http1_find(&v->exchange.request.head, "accept");
    for (size_t i = 0; i + 17 <= accept.length; i++)
        if (slice_is_nocase(slice_of(accept.at + i, 17), "text/event-stream"))
            return true;
    return false;
}

static bool refuse_id(struct visit *v, struct slice id) {
    struct problem p;
    PROBLEM_SAY(&p, PROBLEM_BAD_REQUEST, "\"%.*s\" is no event id of this stream",
                SLICE_PRINT(slice_upto(id, 60)));
    visit_refuse(v, &p);
    return false;
}

/* --- writing --- */

static void add_place(struct buffer *to, struct feed_place place) {
    buffer_add_u64(to, place.epoch);
    buffer_add_byte(to, '-');
    buffer_add_u64(to, place.batch);
    buffer_add_byte(to, '-');
    buffer_add_u64(to, place.index);
}

/* What follows an event's id. */
static void add_content(struct buffer *to, struct slice name, struct slice data) {
    buffer_add_text(to, "\nevent: ");
    buffer_add_slice(to, name);
    buffer_add_text(to, "\ndata: ");
    buffer_add_slice(to, data);
    buffer_add_text(to, "\n\n");
}

static void add_feed_event(struct buffer *to, struct feed_place place, struct slice name, struct slice data) {
    buffer_add_text(to, "id: ");
    add_place(to, place);
    add_content(to, name, data);
}

static void add_record_event(struct buffer *to, uint32_t seq, size_t index, struct slice name,
                             struct slice data) {
    buffer_add_text(to, "id: ");
    buffer_add_u64(to, seq);
    buffer_add_byte(to, '-');
    buffer_add_u64(to, index);
    add_content(to, name, data);
}

/* No stream any more. One that reads its transaction again is in no list meanwhile, but counts. */
static void uncount(struct visit *v) {
    chain_remove(&v->part.stream.link);
    v->daemon->stream_count -= v->part.stream.counted;
    v->part.stream.counted = false;
}

static void leave(struct visit *v) {
    uncount(v);
    exchange_end(&v->exchange);
}

/* It is of this stream's transaction, and not told yet. */
static bool is_next(const struct visit *v, const struct feed_event *event) {
    if (event->kind != subject_of(v) || event->id != v->part.stream.transaction)
        return false;
    return event->seq > v->part.stream.seq ||
           (event->seq == v->part.stream.seq && event->index >= v->part.stream.index);
}

/* What of the feed belongs to this stream, from where it stands, as text of about PUMP_BYTES; 0: there may be
 * more. *last: the stream's transaction is final. */
static int take_events(struct visit *v, struct buffer *text, bool *last) {
    struct feed_event event;
    int code = 0;
    while (!*last && text->length < PUMP_BYTES &&
           (code = feed_next(v->daemon->feed, v->part.stream.after, &event)) == 0) {
        v->part.stream.after = event.place;
        if (v->part.stream.all) {
            add_feed_event(text, event.place, event.name, event.json);
            continue;
        }
        if (!is_next(v, &event))
            continue;
        v->part.stream.seq = event.seq;
        v->part.stream.index = event.index + 1;
        *last = event.last;
        add_record_event(text, event.seq, event.index, event.name, event.json);
    }
    return code;
}

/* Write what there is, as long as the reader keeps up. Returns whether the stream goes on. */
static bool pump(struct visit *v) {
    struct daemon *d = v->daemon;
    struct buffer *text = &d->event_text;
    bool last = false;
    for (int code = 0; code == 0 && exchange_queued(&v->exchange) <= SLOW_BYTES;) {
        buffer_clear(text);
        code = take_events(v, text, &last);
        if (code == ERR_LIMIT && !v->part.stream.all) {
            begin_again(v);
            return false;
        }
        if (code == ERR_LIMIT) {
            v->part.stream.after = feed_newest(d->feed);
            add_feed_event(text, v->part.stream.after, SLICE("lagged"),
                           SLICE("{\"read_again\":\"/v1/transactions\",\"and\":\"/v1/messages\"}"));
        }
        if (exchange_write(&v->exchange, buffer_slice(text)) != 0)
            return true; /* its connection is broken: it will be gone soon */
        if (last) {
            leave(v);
            return false;
        }
    }
    return true;
}

void stream_pump(struct daemon *d) {
    for (struct chain *link = d->streams.next, *next; link != &d->streams; link = next) {
        next = link->next;
        (void)pump(CHAIN_OWNER(link, struct visit, part.stream.link));
    }
}

void stream_second(struct daemon *d) {
    if (d->stream_count == 0)
        return;
    feed_watch(d->feed, daemon_now_ms(d));
    if (++d->stream_seconds % HEARTBEAT_S != 0)
        return;
    for (struct chain *link = d->streams.next; link != &d->streams; link = link->next)
        (void)exchange_write(&CHAIN_OWNER(link, struct visit, part.stream.link)->exchange, SLICE(":\n\n"));
}

void stream_end_all(struct daemon *d) {
    while (!chain_empty(&d->streams))
        leave(CHAIN_OWNER(d->streams.next, struct visit, part.stream.link));
}

void api_stream_drained(struct visit *v) {
    if (chain_linked(&v->part.stream.link))
        (void)pump(v);
}

static int admit_stream(struct visit *v) {
    struct daemon *d = v->daemon;
    struct problem p;
    if (d->stream_count < settings_number(&d->settings, SETTING_LIMITS_STREAMS))
        return 0;
    PROBLEM_SAY(&p, PROBLEM_QUOTA, "%zu clients read event streams already", d->stream_count);
    PROBLEM_NOTE(&p, setting, SLICE("limits.streams"));
    p.retry_after_ms = 1000;
    visit_refuse(v, &p);
    return ERR_LIMIT;
}

/* From now on this visit is a stream. */
static void open_stream(struct visit *v) {
    struct daemon *d = v->daemon;
    v->answered = true;
    v->part.stream.counted = true;
    v->gone = uncount;
    d->stream_count++;
    chain_add_last(&d->streams, &v->part.stream.link);
    exchange_open(&v->exchange, 200, "text/event-stream");
    if (v->exchange.is_head)
        leave(v);
}

/* --- all transactions --- */

static void list_feed(struct visit *v) {
    struct daemon *d = v->daemon;
    struct feed_event event;
    struct json_writer w;
    struct buffer next;
    struct feed_place after = v->part.stream.after;
    buffer_init(&next, NEXT_BYTES);
    json_writer_init(&w, visit_scratch(v));
    json_put_object(&w, NULL);
    json_put_array(&w, "items");
    for (uint32_t count = 0; count < v->query.limit; count++) {
        int code = feed_next(d->feed, after, &event);
        if (code == ERR_LIMIT) {
            /* What is gone is gone: begin with what there is. */
            after = feed_floor(d->feed);
            code = feed_next(d->feed, after, &event);
        }
        if (code != 0)
            break;
        after = event.place;
        json_put_raw(&w, NULL, event.json);
    }
    json_put_end(&w);
    add_place(&next, after);
    json_put_string(&w, "next", buffer_slice(&next));
    json_put_end(&w);
    buffer_done(&next);
    visit_answer(v, 200, json);
}

void api_events(struct visit *v) {
    struct daemon *d = v->daemon;
    struct slice id;
    bool stream = wants_stream(v);
    if (stream && admit_stream(v) != 0)
        return;
    feed_watch(d->feed, daemon_now_ms(d));
    v->part.stream.all = true;
    v->part.stream.after = stream ? feed_newest(d->feed) : feed_floor(d->feed);
    if (wanted_id(v, &id) && !read_place(id, &v->part.stream.after)) {
        refuse_id(v, id);
        return;
    }
    if (!stream) {
        list_feed(v);
        return;
    }
    open_stream(v);
    if (!v->exchange.is_head)
        (void)pump(v);
}

/* --- one transaction --- */

/* Every record of this transaction after (seq, index), as events. */
static int add_records(struct visit *v, const struct transaction *t, struct buffer *to) {
    struct image_cursor cursor;
    struct slice bytes;
    uint32_t seq = 0;
    struct buffer line;
    buffer_init(&line, SIZE_MAX / 2);
    transaction_records(t, &cursor);
    while (transaction_next_record(&cursor, &bytes)) {
        struct record r;
        if (++seq < v->part.stream.seq)
            continue;
        arena_reset(&v->daemon->event_arena);
        if (record_decode(bytes, &v->daemon->event_arena, &r) != 0)
            continue;
        for (size_t i = 0; i < chronicle_count(t, &r); i++) {
            struct json_writer w;
            if (seq == v->part.stream.seq && i < v->part.stream.index)
                continue;
            buffer_clear(&line);
            json_writer_init(&w, &line);
            chronicle_put(&w, t, &r, seq, i);
            add_record_event(to, seq, i, slice_text(chronicle_event(t, &r, i)), buffer_slice(&line));
        }
        v->part.stream.seq = seq;
        v->part.stream.index = chronicle_count(t, &r);
    }
    int code = buffer_failed(&line);
    buffer_done(&line);
    return code;
}

/* What was rendered when the transaction was asked for is durable: tell it, then follow the feed. */
static void on_begun(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    if (!v->answered)
        open_stream(v);
    else
        chain_add_last(&v->daemon->streams, &v->part.stream.link);
    if (!chain_linked(&v->part.stream.link))
        return; /* HEAD: it is over */
    if (exchange_write(&v->exchange, buffer_slice(&v->exchange.body_pieces)) != 0) {
        uncount(v); /* a stream with a hole would be a lie; the reader comes back where it stood */
        exchange_break(&v->exchange);
        return;
    }
    buffer_clear(&v->exchange.body_pieces);
    if (v->part.stream.over)
        leave(v);
    else
        (void)pump(v);
}

static void on_stream_taken_back(struct driver_seal *seal) {
    struct visit *v = CHAIN_OWNER(seal, struct visit, seal);
    if (v->answered)
        leave(v);
    else
        visit_taken_back(v);
}

static void begin_stream(struct visit *v, const struct transaction *t) {
    struct buffer *text = &v->exchange.body_pieces;
    v->part.stream.transaction = t->id;
    v->part.stream.after = feed_newest(v->daemon->feed);
    v->part.stream.over = status_is_final(t->status);
    buffer_clear(text);
    (void)add_records(v, t, text);
    visit_shows(v, t);
    v->seal.open = on_begun;
    v->seal.taken_back = on_stream_taken_back;
    driver_seal(v->daemon->driver, &v->seal);
}

static void list_timeline(struct visit *v, const struct transaction *t) {
    struct json_writer w;
    struct problem p;
    json_writer_init(&w, visit_scratch(v));
    if (chronicle_list(&w, t, (uint32_t)v->part.stream.seq, v->part.stream.limit, &v->daemon->event_arena) !=
        0) {
        problem_init(&p, PROBLEM_INTERNAL);
        visit_refuse_sealed(v, &p);
        return;
    }
    visit_shows(v, t);
    visit_answer_sealed(v, 200, json);
}

static void shown(struct driver_ask *ask, const struct reply *reply) {
    struct visit *v = CHAIN_OWNER(ask, struct visit, ask);
    struct problem p;
    if (reply != NULL && reply->transaction != NULL) {
        if (v->part.stream.follow)
            begin_stream(v, reply->transaction);
        else
            list_timeline(v, reply->transaction);
        return;
    }
    if (v->answered) {
        leave(v);
        return;
    }
    if (reply == NULL)
        problem_init(&p, PROBLEM_BUSY);
    else
        PROBLEM_SAY(&p, PROBLEM_NOT_FOUND, "there is no %s %s",
                    subject_of(v) == STORED_MESSAGE  ? "message"
                    : subject_of(v) == STORED_NOTICE ? "notification"
                                                     : "transaction",
                    v->match.gid);
    visit_refuse_sealed(v, &p);
}

static void ask(struct visit *v) {
    v->ask.event.kind = EVENT_SHOW;
    v->ask.event.subject = subject_of(v);
    v->ask.event.namespace_name = v->namespace_name;
    v->ask.event.gid = slice_text(v->match.gid);
    v->ask.answer = shown;
    driver_ask(v->daemon->driver, &v->ask);
}

/* The feed has run away from this stream: its own records say everything again, from where it stands. */
static void begin_again(struct visit *v) {
    chain_remove(&v->part.stream.link);
    ask(v);
}

static bool names_limit(struct slice query) {
    while (query.length > 0) {
        if (slice_starts(query, "limit="))
            return true;
        query = slice_from(query, slice_find(query, '&') + 1);
    }
    return false;
}

void api_timeline(struct visit *v) {
    struct slice id;
    uint64_t seq = 0;
    uint64_t index = 0;
    v->part.stream.follow = wants_stream(v);
    /* A timeline is whole unless a page of it is asked for. */
    v->part.stream.limit = names_limit(v->exchange.request.query) ? v->query.limit : 0;
    if (v->part.stream.follow && admit_stream(v) != 0)
        return;
    if (wanted_id(v, &id) && !read_record(id, &seq, &index)) {
        refuse_id(v, id);
        return;
    }
    v->part.stream.seq = seq;
    v->part.stream.index = index + 1;
    if (v->part.stream.follow)
        feed_watch(v->daemon->feed, daemon_now_ms(v->daemon));
    ask(v);
}
