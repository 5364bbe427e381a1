#include "sink/stomp/stomp_sink.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "net/loop.h"
#include "net/timer.h"
#include "sink/stomp/stomp_target.h"

static const struct stomp_pace usual_pace = { .heart_beat_ms = 10000,
                                              .login_ms = 5000,
                                              .silence_ms = 60000,
                                              .idle_ms = 60000,
                                              .pause_first_ms = 100,
                                              .pause_max_ms = 10000 };

struct stomp_sink {
    struct sink sink; /* first */
    struct loop *loop;
    struct sink_options options;
    struct stomp_pace pace;
    struct chain brokers;
    size_t broker_count;
    struct chain errands;
    struct buffer line; /* the broker of the call that is being sent */
};

/* One session in the sink's chain. */
struct stomp_broker {
    struct chain link;
    struct stomp_session *session;
};

/* One unanswered call. */
struct errand {
    struct chain link;
    struct stomp_sink *sink;
    struct stomp_flight flight;
    struct call call;
    struct call_message message;
    struct timer timer; /* its timeout, or the moment to tell what was known at once */
    uint64_t begun_ms;
    uint8_t verdict; /* known at once; VERDICT_NONE: the session tells */
    struct why why;
};

/* Outcomes. */

static void retire(struct errand *e) {
    chain_remove(&e->link);
    timer_done(&e->timer);
    free(e);
}

static void tell(struct errand *e, enum verdict verdict, const char *sentence) {
    struct stomp_sink *s = e->sink;
    const struct outcome o = { .transaction = e->call.transaction,
                               .branch = e->call.branch,
                               .role = e->call.role,
                               .verdict = (uint8_t)verdict,
                               .attempt = e->call.attempt,
                               .took_ms = (uint32_t)(loop_now_ms(s->loop) - e->begun_ms),
                               .body = slice_text(sentence) };
    timer_stop(&e->timer);
    s->options.on_outcome(s->options.context, &o);
    retire(e);
}

static void on_over(void *context, struct stomp_flight *f, enum verdict verdict, const char *sentence) {
    (void)context;
    tell(CHAIN_OWNER(f, struct errand, flight), verdict, sentence);
}

static void on_timer(void *context) {
    struct errand *e = context;
    enum verdict verdict = e->verdict;
    if (verdict == VERDICT_NONE)
        verdict = stomp_session_withdraw(&e->flight, &e->why);
    tell(e, verdict, e->why.text);
}

/* Brokers. */

static void free_broker(struct stomp_sink *s, struct stomp_broker *b) {
    chain_remove(&b->link);
    s->broker_count--;
    stomp_session_free(b->session);
    free(b);
}

static struct stomp_broker *find_broker(struct stomp_sink *s, struct slice line) {
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next) {
        struct stomp_broker *b = CHAIN_OWNER(link, struct stomp_broker, link);
        if (slice_equal(stomp_session_broker(b->session), line))
            return b;
    }
    return NULL;
}

static void on_idle(void *context, struct stomp_session *session) {
    struct stomp_sink *s = context;
    struct stomp_broker *b = find_broker(s, stomp_session_broker(session));
    assert(b != NULL);
    free_broker(s, b);
}

static void free_resting(struct stomp_sink *s) {
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next) {
        struct stomp_broker *b = CHAIN_OWNER(link, struct stomp_broker, link);
        if (stomp_session_at_rest(b->session)) {
            free_broker(s, b);
            return;
        }
    }
}

static int new_broker(struct stomp_sink *s, struct slice line, struct stomp_broker **out, struct why *why) {
    const struct stomp_session_options options = {
        .loop = s->loop, .sink = &s->options, .pace = &s->pace, .over = on_over, .idle = on_idle, .context = s
    };
    if (s->broker_count == STOMP_SINK_BROKERS)
        free_resting(s);
    if (s->broker_count == STOMP_SINK_BROKERS)
        return why_set(
            why, ERR_LIMIT,
            "more than %d STOMP brokers (user, hosts, vhost, password_file) at a time; nothing was "
            "sent",
            STOMP_SINK_BROKERS);
    struct stomp_broker *b = calloc(1, sizeof *b);
    if (b == NULL)
        return why_set(why, ERR_MEMORY, "no memory for one more STOMP broker");
    int code = stomp_session_new(&b->session, line, &options, why);
    if (code < 0) {
        free(b);
        return code;
    }
    chain_add_last(&s->brokers, &b->link);
    s->broker_count++;
    *out = b;
    return 0;
}

/* Sending. */

/* 0 when the session has it; else nothing was sent, and why tells. */
static int hand_over(struct stomp_sink *s, struct errand *e, const struct sink_target *target,
                     struct why *why) {
    struct stomp_target t;
    if (e->call.message == NULL)
        return why_set(why, ERR_INVALID, "a STOMP broker takes messages; this call is none");
    int code = stomp_target_read(target, false, &t, why);
    if (code < 0)
        return code;
    buffer_clear(&s->line);
    stomp_target_broker(&s->line, target);
    code = buffer_failed(&s->line);
    if (code < 0)
        return why_set(why, code, "the broker's line: %s", err_text(code));
    struct stomp_broker *b = find_broker(s, buffer_slice(&s->line));
    if (b == NULL)
        code = new_broker(s, buffer_slice(&s->line), &b, why);
    if (code < 0)
        return code;
    e->flight.destination = t.destination;
    e->flight.persistent = t.persistent;
    code = stomp_session_send(b->session, &e->flight);
    if (code < 0)
        why_set(why, code, "%d messages wait for this broker already; nothing was sent", STOMP_WAITING);
    return code;
}

/* The one outcome that cannot wait: there is nothing to keep it in. */
static void tell_no_memory(struct stomp_sink *s, const struct call *call) {
    const struct outcome o = { .transaction = call->transaction,
                               .branch = call->branch,
                               .role = call->role,
                               .verdict = VERDICT_NOT_SENT,
                               .attempt = call->attempt,
                               .body = SLICE("no memory for one more message") };
    s->options.on_outcome(s->options.context, &o);
}

static void send_call(struct sink *sink, const struct call *call, const struct sink_target *target) {
    struct stomp_sink *s = (struct stomp_sink *)sink;
    struct errand *e = calloc(1, sizeof *e);
    if (e == NULL || timer_init(&e->timer, s->loop, on_timer, e) < 0) {
        free(e);
        tell_no_memory(s, call);
        return;
    }
    chain_add_last(&s->errands, &e->link);
    e->sink = s;
    e->call = *call;
    if (call->message != NULL) {
        e->message = *call->message;
        e->call.message = &e->message;
    }
    e->flight.call = &e->call;
    e->begun_ms = loop_now_ms(s->loop);
    e->verdict = VERDICT_NONE;
    if (hand_over(s, e, target, &e->why) < 0) {
        e->verdict = VERDICT_NOT_SENT;
        timer_start(&e->timer, 0);
        return;
    }
    timer_start(&e->timer, call->timeout_ms);
}

/* Around. */

static void set_egress(struct sink *sink, const struct egress *egress) {
    struct stomp_sink *s = (struct stomp_sink *)sink;
    s->options.egress = egress;
    for (struct chain *link = s->brokers.next; link != &s->brokers; link = link->next)
        stomp_session_rejudge(CHAIN_OWNER(link, struct stomp_broker, link)->session);
}

static void close_sink(struct sink *sink) {
    struct stomp_sink *s = (struct stomp_sink *)sink;
    while (!chain_empty(&s->brokers))
        free_broker(s, CHAIN_OWNER(s->brokers.next, struct stomp_broker, link));
    while (!chain_empty(&s->errands))
        retire(CHAIN_OWNER(s->errands.next, struct errand, link));
    buffer_done(&s->line);
    free(s);
}

static const char *const schemes[] = { "stomp", "stomps", NULL };
static const struct sink_ops operations = {
    .schemes = schemes, .send = send_call, .set_egress = set_egress, .close = close_sink
};

int stomp_sink_open_paced(struct sink **out, struct loop *loop, const struct sink_options *options,
                          const struct stomp_pace *pace, struct why *why) {
    assert(options->egress != NULL);
    assert(options->on_outcome != NULL);
    struct stomp_sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the STOMP sink");
    s->sink.ops = &operations;
    s->loop = loop;
    s->options = *options;
    s->pace = *pace;
    chain_init(&s->brokers);
    chain_init(&s->errands);
    buffer_init(&s->line, LIMIT_URL_BYTES * 4);
    *out = &s->sink;
    return 0;
}

int stomp_sink_open(struct sink **out, struct loop *loop, const struct sink_options *options,
                    struct why *why) {
    return stomp_sink_open_paced(out, loop, options, &usual_pace, why);
}
