/* For tests: a STOMP broker in the same loop, polite or rude. It counts what it hears; ids of messages are
 * "m-NUMBER". One for each test program. */
#ifndef SINK_STOMP_BROKER_TEST_H
#define SINK_STOMP_BROKER_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/connection.h"
#include "wire/stomp.h"

#define BROKER_MESSAGES 12000
#define BROKER_GUESTS 128

/* What it does is set by the test. */
static struct {
    const char *connected; /* instead of the usual answer to CONNECT; "" for none */
    const char *say;       /* instead of the next RECEIPT */
    bool names;            /* @ in it stands for the receipt's id */
    bool hang_up;          /* after say */
    size_t receipts;       /* that many, then silence */
    bool backwards;        /* receipts of one read in reverse order */
    bool beats;            /* answer a heart-beat with one */
} manner;

struct guest {
    struct connection *c;
    struct buffer in;
    struct stomp_frame frame;
    struct stomp_room room;
    struct buffer owed; /* receipts of this read */
};

static struct guest *guests[BROKER_GUESTS];
static size_t guest_count, open_guests;
static size_t connects, sends, beats, disconnects;
static uint32_t order[BROKER_MESSAGES]; /* numbers of the messages as they came */
static char last_connect[1024];
static char last_send[4096]; /* "[name=value]..." {body length} */
static char last_receipt[32];

static void say(struct guest *g, const char *text) {
    const struct slice parts[2] = { slice_text(text), STOMP_FRAME_END };
    if (text[0] != '\0' && connection_open(g->c))
        connection_send(g->c, parts, 2);
}

static void write_down(const struct stomp_frame *f, char *out, size_t room) {
    struct buffer text;
    buffer_init(&text, 1 << 20);
    for (size_t i = 0; i < f->header_count; i++)
        buffer_add_format(&text, "[%.*s=%.*s]", SLICE_PRINT(f->room->headers[i].name),
                          SLICE_PRINT(f->room->headers[i].value));
    buffer_add_format(&text, " {%zu}", f->body.length);
    snprintf(out, room, "%.*s", SLICE_PRINT(buffer_slice(&text)));
    buffer_done(&text);
}

static void take_send(struct guest *g) {
    struct slice id = slice_from(stomp_frame_value(&g->frame, "settle-id"), 2);
    struct slice receipt = stomp_frame_value(&g->frame, "receipt");
    uint64_t number;
    assert_int_equal(slice_u64(id, &number), 0);
    order[sends++] = (uint32_t)number;
    if (sends < 50)
        write_down(&g->frame, last_send, sizeof last_send);
    snprintf(last_receipt, sizeof last_receipt, "%.*s", SLICE_PRINT(receipt));
    if (manner.say != NULL) {
        const char *named = manner.names ? strstr(manner.say, "@") : NULL;
        char text[256];
        if (named == NULL)
            snprintf(text, sizeof text, "%s", manner.say);
        else
            snprintf(text, sizeof text, "%.*s%s%s", (int)(named - manner.say), manner.say, last_receipt,
                     named + 1);
        manner.say = NULL;
        say(g, text);
        if (manner.hang_up)
            connection_finish(g->c);
        return;
    }
    if (manner.receipts == 0)
        return;
    manner.receipts--;
    char frame[64];
    int length =
        snprintf(frame, sizeof frame, "RECEIPT\nreceipt-id:%.*s\n\n%c\n", SLICE_PRINT(receipt), '\0');
    if (manner.backwards) {
        struct buffer old = g->owed;
        buffer_init(&g->owed, 4 << 20);
        buffer_add(&g->owed, frame, (size_t)length);
        buffer_add_slice(&g->owed, buffer_slice(&old));
        buffer_done(&old);
    } else {
        buffer_add(&g->owed, frame, (size_t)length);
    }
}

static void take(struct guest *g) {
    switch (g->frame.command) {
    case STOMP_CONNECT:
        connects++;
        write_down(&g->frame, last_connect, sizeof last_connect);
        say(g, manner.connected != NULL ? manner.connected
                                        : "CONNECTED\nversion:1.2\nheart-beat:0,0\nserver:test\n\n");
        return;
    case STOMP_SEND:
        take_send(g);
        return;
    case STOMP_DISCONNECT:
        disconnects++;
        return;
    default:
        assert_int_equal(g->frame.command, STOMP_HEART_BEAT);
        beats++;
        if (manner.beats)
            connection_send(g->c, &STOMP_BEAT, 1);
    }
}

static void on_received(void *context, struct slice bytes) {
    struct guest *g = context;
    size_t taken;
    size_t done = 0;
    int code;
    buffer_add_slice(&g->in, bytes);
    while ((code = stomp_frame_decode(&g->frame, slice_from(buffer_slice(&g->in), done), &taken)) == 0) {
        done += taken;
        take(g);
        stomp_frame_init(&g->frame, &g->room);
    }
    assert_int_equal(code, ERR_MORE);
    buffer_consume(&g->in, done);
    const struct slice owed = buffer_slice(&g->owed);
    if (owed.length > 0 && connection_open(g->c))
        connection_send(g->c, &owed, 1);
    buffer_clear(&g->owed);
}

static void on_ended(void *context) {
    connection_finish(((struct guest *)context)->c);
}

static void on_closed(void *context, int code, const char *sentence) {
    struct guest *g = context;
    (void)code;
    (void)sentence;
    open_guests--;
    buffer_done(&g->in);
    buffer_done(&g->owed);
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] == g)
            guests[i] = NULL;
    free(g);
}

static const struct connection_events guest_events = { .received = on_received,
                                                       .ended = on_ended,
                                                       .closed = on_closed };

static void on_accepted(void *context, struct connection *c) {
    struct guest *g = calloc(1, sizeof *g);
    (void)context;
    assert_true(guest_count < BROKER_GUESTS);
    g->c = c;
    buffer_init(&g->in, 32 << 20);
    buffer_init(&g->owed, 4 << 20);
    stomp_frame_init(&g->frame, &g->room);
    guests[guest_count++] = g;
    open_guests++;
    connection_use(c, &guest_events, g);
}

#endif
