#include "sink/rocketmq/rocketmq_session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/connection.h"
#include "net/dialler.h"
#include "net/loop.h"
#include "net/timer.h"
#include "sink/socket_address.h"
#include "wire/rocketmq_route.h"

#define HEADER_ARENA_BYTES (2u * 1024u * 1024u)

struct rocketmq_session {
    struct chain link;             /* in usable or ending */
    struct rocketmq_sessions *all; /* NULL: they are closed, and only the memory is left */
    char host[ROCKETMQ_HOST_BYTES + 1];
    uint16_t port;
    bool secure;
    bool ending; /* takes no more requests */
    struct dial *dial;
    struct connection *connection;                       /* NULL until the dial is done */
    struct chain waiting;                                /* exchanges that are not sent */
    struct rocketmq_exchange *slots[ROCKETMQ_IN_FLIGHT]; /* by the low bits of their number */
    size_t in_flight;
    uint32_t sequence;
    uint64_t heard;
    struct buffer in;   /* the beginning of a frame */
    struct timer timer; /* idle, or a failure to tell */
    char sentence[600];
};

struct rocketmq_sessions {
    struct loop *loop;
    struct rocketmq_sessions_options options;
    struct chain usable;
    struct chain ending;
    size_t count;
    struct buffer out;   /* the request that is being spelled */
    struct arena header; /* of the answer that is being read */
};

static void pump(struct rocketmq_session *s);

static bool is_idle(const struct rocketmq_session *s) {
    return s->in_flight == 0 && chain_empty(&s->waiting);
}

/* The end of a session. */

static void free_session(struct rocketmq_session *s) {
    chain_remove(&s->link);
    if (s->all != NULL)
        s->all->count--;
    timer_done(&s->timer);
    buffer_done(&s->in);
    free(s);
}

static void set_ending(struct rocketmq_session *s) {
    if (s->ending)
        return;
    s->ending = true;
    chain_remove(&s->link);
    chain_add_last(&s->all->ending, &s->link);
}

static struct rocketmq_exchange *take_waiting(struct rocketmq_session *s) {
    if (chain_empty(&s->waiting))
        return NULL;
    struct rocketmq_exchange *x = CHAIN_OWNER(s->waiting.next, struct rocketmq_exchange, link);
    chain_remove(&x->link);
    x->session = NULL;
    return x;
}

static void clear_slot(struct rocketmq_session *s, struct rocketmq_exchange *x) {
    s->slots[(uint32_t)x->opaque % ROCKETMQ_IN_FLIGHT] = NULL;
    s->in_flight--;
    x->session = NULL;
}

static void fail_waiting(struct rocketmq_session *s, int code, const char *sentence) {
    struct rocketmq_exchange *x;
    while ((x = take_waiting(s)) != NULL)
        x->failed(x, code, sentence);
}

/* Out of the table first: whoever sends again from inside failed gets a new session. */
static void fail_all(struct rocketmq_session *s, int code, const char *sentence) {
    set_ending(s);
    for (size_t i = 0; i < ROCKETMQ_IN_FLIGHT; i++) {
        struct rocketmq_exchange *x = s->slots[i];
        if (x == NULL)
            continue;
        clear_slot(s, x);
        x->failed(x, code, sentence);
    }
    fail_waiting(s, code, sentence);
}

/* Ends now; the memory of a connected one goes when its connection is gone. */
static void end_now(struct rocketmq_session *s) {
    if (s->connection != NULL) {
        connection_close(s->connection);
        return;
    }
    if (s->dial != NULL)
        dial_cancel(s->dial);
    free_session(s);
}

/* Nothing is under way any more: keep it for a while, or let it go. */
static void settle_down(struct rocketmq_session *s) {
    if (!is_idle(s) || (s->connection != NULL && !connection_open(s->connection)))
        return;
    if (s->ending)
        timer_start(&s->timer, 0); /* not here: a callback of this session may be on the stack */
    else
        timer_start(&s->timer, ROCKETMQ_IDLE_MS);
}

static void on_timer(void *context) {
    struct rocketmq_session *s = context;
    if (!is_idle(s)) {
        pump(s);
        settle_down(s);
        return;
    }
    set_ending(s);
    end_now(s);
}

/* Requests. */

static uint32_t free_slot(const struct rocketmq_session *s) {
    uint32_t slot = s->sequence % ROCKETMQ_IN_FLIGHT;
    while (s->slots[slot] != NULL)
        slot = (slot + 1) % ROCKETMQ_IN_FLIGHT;
    return slot;
}

static bool has_room(const struct rocketmq_session *s) {
    return s->connection != NULL && connection_open(s->connection) && s->in_flight < ROCKETMQ_IN_FLIGHT &&
           connection_queued(s->connection) < ROCKETMQ_UNSENT;
}

/* Numbers count up and never repeat within 2^23 requests; their low bits are the slot. */
static int send_one(struct rocketmq_session *s, struct rocketmq_exchange *x) {
    struct buffer *out = &s->all->out;
    struct slice parts[2] = { SLICE_NONE, SLICE_NONE };
    uint32_t slot = free_slot(s);
    int32_t opaque = (int32_t)((++s->sequence & 0x7fffffu) * ROCKETMQ_IN_FLIGHT + slot);
    buffer_clear(out);
    int code = x->write(x, opaque, out, &parts[1]);
    if (code < 0)
        return code;
    x->session = s;
    x->opaque = opaque;
    x->sent = true;
    x->heard = s->heard;
    s->slots[slot] = x;
    s->in_flight++;
    parts[0] = buffer_slice(out);
    (void)connection_send(s->connection, parts,
                          parts[1].length > 0 ? 2 : 1); /* when it fails, on_closed tells */
    return 0;
}

static void pump(struct rocketmq_session *s) {
    while (has_room(s) && !chain_empty(&s->waiting)) {
        struct rocketmq_exchange *x = take_waiting(s);
        int code = send_one(s, x);
        if (code < 0)
            x->failed(x, code, err_text(code));
    }
}

void rocketmq_session_ask(struct rocketmq_session *s, struct rocketmq_exchange *x) {
    assert(!s->ending);
    assert(x->session == NULL);
    timer_stop(&s->timer);
    x->sent = false;
    if (chain_empty(&s->waiting) && has_room(s) && send_one(s, x) == 0)
        return;
    /* Also one that cannot be spelled now: it fails when its turn comes, not from in here. */
    x->session = s;
    chain_add_last(&s->waiting, &x->link);
    if (has_room(s))
        timer_start(&s->timer, 0);
}

static void forget(struct rocketmq_session *s, struct rocketmq_exchange *x) {
    if (!chain_linked(&x->link)) {
        clear_slot(s, x);
        return;
    }
    chain_remove(&x->link);
    x->session = NULL;
}

void rocketmq_exchange_cancel(struct rocketmq_exchange *x) {
    if (x->session != NULL)
        forget(x->session, x);
}

void rocketmq_exchange_timeout(struct rocketmq_exchange *x) {
    struct rocketmq_session *s = x->session;
    if (s == NULL)
        return;
    bool silent = x->sent && s->heard == x->heard;
    forget(s, x);
    if (silent) {
        set_ending(s);
        snprintf(s->sentence, sizeof s->sentence, "%s port %u does not answer", s->host, s->port);
        fail_waiting(s, ERR_TIMEOUT, s->sentence);
    }
    pump(s);
    settle_down(s);
}

/* Answers. */

static void take_answer(struct rocketmq_session *s, const struct rocketmq_command *c, struct slice body) {
    if ((c->flag & ROCKETMQ_ANSWER) == 0)
        return; /* a request of the server's: it has none that concern a producer of finished messages */
    struct rocketmq_exchange *x = s->slots[(uint32_t)c->opaque % ROCKETMQ_IN_FLIGHT];
    if (x == NULL || x->opaque != c->opaque)
        return; /* too late, or to nobody's question */
    clear_slot(s, x);
    x->answered(x, c, body);
}

/* As many frames as are complete; *taken is what they take. */
static int take_frames(struct rocketmq_session *s, struct slice bytes, size_t *taken, struct why *why) {
    int code = 0;
    for (*taken = 0; connection_open(s->connection);) {
        struct rocketmq_frame frame;
        struct rocketmq_command command;
        size_t length;
        code = rocketmq_frame_decode(slice_from(bytes, *taken), ROCKETMQ_ANSWER_BYTES, &frame, &length, why);
        if (code < 0)
            return code == ERR_MORE ? 0 : code;
        arena_reset(&s->all->header);
        code = rocketmq_header_decode(&frame, &s->all->header, &command, why);
        if (code < 0)
            return code;
        *taken += length;
        take_answer(s, &command, frame.body);
    }
    return code;
}

static void on_received(void *context, struct slice bytes) {
    struct rocketmq_session *s = context;
    struct why why = { "" };
    size_t taken = 0;
    s->heard++;
    bool kept = s->in.length > 0;
    if (kept)
        buffer_add_slice(&s->in, bytes);
    int code = buffer_failed(&s->in);
    if (code == 0)
        code = take_frames(s, kept ? buffer_slice(&s->in) : bytes, &taken, &why);
    if (kept)
        buffer_consume(&s->in, taken);
    else
        buffer_add_slice(&s->in, slice_from(bytes, taken));
    if (code == 0)
        code = buffer_failed(&s->in);
    if (code < 0 && connection_open(s->connection)) {
        snprintf(s->sentence, sizeof s->sentence, "%s port %u sent something that is not RocketMQ: %s",
                 s->host, s->port, why.text[0] == '\0' ? err_text(code) : why.text);
        connection_close(s->connection);
        return;
    }
    if (s->in.length > 0)
        connection_acknowledge(s->connection);
    pump(s);
    settle_down(s);
}

static void on_drained(void *context) {
    pump(context);
}

static void on_closed(void *context, int code, const char *sentence) {
    struct rocketmq_session *s = context;
    s->connection = NULL;
    if (s->all != NULL) {
        if (s->sentence[0] == '\0' || code != 0)
            snprintf(s->sentence, sizeof s->sentence,
                     "the connection to %s port %u ended before an answer: %s", s->host, s->port, sentence);
        fail_all(s, code == 0 ? ERR_SYNTAX : code, s->sentence);
    }
    free_session(s);
}

static const struct connection_events events = { .received = on_received,
                                                 .drained = on_drained,
                                                 .closed = on_closed };

/* Dialling. */

/* Every address that a name resolved to, before anything is sent there. */
static int judge(void *context, const char *host, uint16_t port, const struct sockaddr *at, struct why *why) {
    const struct rocketmq_session *s = context;
    return socket_address_judge(s->all->options.egress, host, port, at, why);
}

static void on_dialled(void *context, int code, struct connection *c, const struct why *why) {
    struct rocketmq_session *s = context;
    s->dial = NULL;
    if (code < 0) {
        snprintf(s->sentence, sizeof s->sentence, "%s", why->text);
        fail_all(s, code, s->sentence);
        free_session(s);
        return;
    }
    s->connection = c;
    connection_use(c, &events, s);
    pump(s);
    settle_down(s);
}

static bool is_to(const struct rocketmq_session *s, struct slice host, uint16_t port, bool secure) {
    return s->port == port && s->secure == secure && slice_is_nocase(host, s->host);
}

static int begin(struct rocketmq_session *s, struct slice host, uint16_t port, bool secure) {
    memcpy(s->host, host.at, host.length);
    s->port = port;
    s->secure = secure;
    chain_init(&s->waiting);
    buffer_init(&s->in, ROCKETMQ_ANSWER_BYTES + LOOP_READ_BYTES);
    int code = timer_init(&s->timer, s->all->loop, on_timer, s);
    if (code < 0)
        return code;
    const struct dial_options dial = { .host = s->host,
                                       .port = port,
                                       .timeout_ms = s->all->options.connect_ms,
                                       .tls = secure ? s->all->options.tls : NULL,
                                       .judge = judge,
                                       .done = on_dialled,
                                       .context = s };
    return dial_start(&s->dial, s->all->loop, &dial);
}

struct rocketmq_session *rocketmq_sessions_find(struct rocketmq_sessions *all, struct slice host,
                                                uint16_t port, bool secure, struct why *why) {
    for (struct chain *link = all->usable.next; link != &all->usable; link = link->next) {
        struct rocketmq_session *s = CHAIN_OWNER(link, struct rocketmq_session, link);
        if (is_to(s, host, port, secure) && (s->connection == NULL || connection_open(s->connection)))
            return s;
    }
    int code = 0;
    if (host.length == 0 || host.length > ROCKETMQ_HOST_BYTES)
        code = why_set(why, ERR_LIMIT, "a host name of %zu bytes, 1 to %d are possible", host.length,
                       ROCKETMQ_HOST_BYTES);
    else if (secure && all->options.tls == NULL)
        code = why_set(why, ERR_UNSUPPORTED, "%.*s wants TLS, which is not set up here", SLICE_PRINT(host));
    else if (all->count == ROCKETMQ_SESSIONS)
        code = why_set(why, ERR_LIMIT, "%d RocketMQ servers are in use at once, which is the most",
                       ROCKETMQ_SESSIONS);
    if (code < 0)
        return NULL;
    struct rocketmq_session *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->all = all;
        all->count++;
        chain_add_last(&all->usable, &s->link);
        if (begin(s, host, port, secure) == 0)
            return s;
        free_session(s);
    }
    why_set(why, ERR_MEMORY, "no memory to connect to %.*s", SLICE_PRINT(host));
    return NULL;
}

/* All of them. */

int rocketmq_sessions_open(struct rocketmq_sessions **out, struct loop *loop,
                           const struct rocketmq_sessions_options *options) {
    struct rocketmq_sessions *all = calloc(1, sizeof *all);
    if (all == NULL)
        return ERR_MEMORY;
    all->loop = loop;
    all->options = *options;
    chain_init(&all->usable);
    chain_init(&all->ending);
    buffer_init(&all->out, ROCKETMQ_FRAME_BYTES);
    arena_init(&all->header, 4096, HEADER_ARENA_BYTES);
    *out = all;
    return 0;
}

static void end_chain(struct chain *head, bool forget) {
    struct chain *link = head->next;
    while (link != head) {
        struct rocketmq_session *s = CHAIN_OWNER(link, struct rocketmq_session, link);
        link = link->next;
        if (forget) {
            assert(is_idle(s));
            chain_remove(&s->link);
            s->all = NULL;
            timer_stop(&s->timer);
            end_now(s);
        } else {
            set_ending(s);
            settle_down(s);
        }
    }
}

void rocketmq_sessions_close(struct rocketmq_sessions *all) {
    end_chain(&all->usable, true);
    end_chain(&all->ending, true);
    buffer_done(&all->out);
    arena_done(&all->header);
    free(all);
}

void rocketmq_sessions_set_egress(struct rocketmq_sessions *all, const struct egress *egress) {
    all->options.egress = egress;
    end_chain(&all->usable, false);
}

size_t rocketmq_sessions_count(const struct rocketmq_sessions *all) {
    return all->count;
}
