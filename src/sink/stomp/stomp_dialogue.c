#include "sink/stomp/stomp_inside.h"

#include <stdio.h>
#include <string.h>

#include "net/connection.h"
#include "sink/stomp/stomp_message.h"

/* With that much on its way to the kernel the rest waits in order. */
#define QUEUED_BYTES (1024 * 1024)

/* Sending. */

static void flush(struct stomp_session *s, struct slice body) {
    const struct slice parts[3] = { buffer_slice(&s->out), body, STOMP_FRAME_END };
    if (s->out.length == 0)
        return;
    s->wrote_ms = stomp_session_now_ms(s);
    (void)connection_send(s->connection, parts, body.length > 0 ? 3 : 1); /* on_closed tells when it fails */
    buffer_clear(&s->out);
}

static int write_frame(struct stomp_session *s, const struct stomp_flight *f) {
    struct slice body = f->call->body;
    buffer_clear(&s->head);
    int code = stomp_message_write(&s->head, f->call, f->destination, f->persistent, s->window.next);
    if (code < 0)
        return code;
    bool gathered = body.length <= STOMP_GATHERED_BYTES / 2;
    if (s->out.length + s->head.length + (gathered ? body.length : 0) + 1 > STOMP_GATHERED_BYTES)
        flush(s, SLICE_NONE);
    buffer_add_slice(&s->out, buffer_slice(&s->head));
    if (gathered) {
        buffer_add_slice(&s->out, body);
        buffer_add_slice(&s->out, STOMP_FRAME_END);
    }
    code = buffer_failed(&s->out);
    if (code < 0)
        buffer_clear(&s->out);
    else if (!gathered)
        flush(s, body);
    return code;
}

void stomp_session_pump(struct stomp_session *s) {
    while (!chain_empty(&s->waiting) && !s->stale && !stomp_window_full(&s->window) &&
           connection_queued(s->connection) < QUEUED_BYTES) {
        struct stomp_flight *f = CHAIN_OWNER(s->waiting.next, struct stomp_flight, link);
        chain_remove(&f->link);
        s->waiting_count--;
        if (s->window.open == 0)
            s->begun_ms = stomp_session_now_ms(s);
        int code = write_frame(s, f);
        if (code == 0) {
            stomp_window_add(&s->window, f);
        } else {
            char sentence[STOMP_WORDS_BYTES];
            snprintf(sentence, sizeof sentence, "the message cannot be written as a STOMP frame: %s%s",
                     err_text(code), code == ERR_LIMIT ? " (65536 bytes of headers)" : "");
            stomp_session_over(s, f, VERDICT_NOT_SENT, sentence);
        }
    }
    flush(s, SLICE_NONE);
    s->used_ms = stomp_session_now_ms(s);
}

/* Hearing. */

/* What a broker says in an ERROR, on one line. */
static const char *words_of(const struct stomp_frame *f, char out[STOMP_WORDS_BYTES / 2]) {
    struct slice message = stomp_frame_value(f, "message");
    struct slice line = slice_trim(slice_upto(f->body, slice_find(f->body, '\n')));
    bool both = message.length > 0 && line.length > 0 && !slice_equal(message, line);
    snprintf(out, STOMP_WORDS_BYTES / 2, "%.*s%s%.*s", SLICE_PRINT(message), both ? ": " : "",
             SLICE_PRINT(both || message.length == 0 ? line : SLICE_NONE));
    for (char *at = out; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    if (out[0] == '\0')
        snprintf(out, STOMP_WORDS_BYTES / 2, "no reason given");
    return out;
}

static void hear_connected(struct stomp_session *s) {
    uint32_t sends;
    uint32_t wants;
    const struct stomp_pace *pace = s->options.pace;
    struct slice version = stomp_frame_value(&s->frame, "version");
    struct slice beat = stomp_frame_value(&s->frame, "heart-beat");
    const struct slice host = s->hosts.hosts[s->host].name;
    if (!slice_is(version, "1.2")) {
        stomp_session_fail_host(s, VERDICT_UNKNOWN, "%.*s speaks STOMP %.*s, not 1.2", SLICE_PRINT(host),
                                SLICE_PRINT(slice_upto(version, 16)));
        return;
    }
    if (stomp_heart_beat(beat, &sends, &wants) < 0) {
        stomp_session_fail_host(s, VERDICT_UNKNOWN,
                                "%.*s answered CONNECT with a heart-beat that is not two numbers",
                                SLICE_PRINT(host));
        return;
    }
    s->beat_ms = wants == 0 ? 0 : wants > pace->heart_beat_ms ? wants : pace->heart_beat_ms;
    s->hears_ms = sends == 0 ? 0 : sends > pace->heart_beat_ms ? sends : pace->heart_beat_ms;
    s->tried = 0;
    s->used_ms = s->tick_ms = s->begun_ms = stomp_session_now_ms(s);
    stomp_session_enter(s, STOMP_STATE_READY, 0);
    timer_start(&s->pump, 0);
}

static void hear_receipt(struct stomp_session *s) {
    struct stomp_flight *f;
    if (stomp_window_close(&s->window, stomp_frame_value(&s->frame, "receipt-id"), &f) < 0) {
        stomp_session_lose(
            s,
            "the broker sent a RECEIPT for something that was never sent; the connection was closed before "
            "a receipt for this message");
        return;
    }
    s->pause_ms = 0;
    s->used_ms = stomp_session_now_ms(s);
    if (s->waiting_count > 0 || s->stale)
        timer_start(&s->pump, 0);
    if (f != NULL)
        stomp_session_over(s, f, VERDICT_DONE, "");
}

/* The broker closes after an ERROR, or should. */
static void hear_error(struct stomp_session *s) {
    char words[STOMP_WORDS_BYTES / 2];
    char sentence[STOMP_WORDS_BYTES];
    struct stomp_flight *f = NULL;
    struct slice named = stomp_frame_value(&s->frame, "receipt-id");
    words_of(&s->frame, words);
    bool known = named.length > 0 && stomp_window_close(&s->window, named, &f) == 0;
    snprintf(sentence, sizeof sentence, "the broker refused this message: %s", words);
    stomp_session_lose(s, "the broker ended the connection over %s, before a receipt for this one: %s",
                       known ? "another message" : "a message that it did not name", words);
    if (f != NULL)
        stomp_session_over(s, f, VERDICT_UNKNOWN, sentence);
}

static void hear(struct stomp_session *s) {
    uint8_t command = s->frame.command;
    char words[STOMP_WORDS_BYTES / 2];
    if (command == STOMP_HEART_BEAT)
        return;
    if (s->state == STOMP_STATE_LOGIN && command == STOMP_CONNECTED)
        hear_connected(s);
    else if (s->state == STOMP_STATE_LOGIN && command == STOMP_ERROR)
        stomp_session_fail_host(s, VERDICT_UNKNOWN, "%.*s refused the login: %s",
                                SLICE_PRINT(s->hosts.hosts[s->host].name), words_of(&s->frame, words));
    else if (s->state == STOMP_STATE_LOGIN)
        stomp_session_fail_host(s, VERDICT_UNKNOWN, "%.*s answered CONNECT with %s",
                                SLICE_PRINT(s->hosts.hosts[s->host].name), stomp_command_name(command));
    else if (command == STOMP_RECEIPT)
        hear_receipt(s);
    else if (command == STOMP_ERROR)
        hear_error(s);
    else if (command != STOMP_MESSAGE) /* nobody subscribed, but it does no harm */
        stomp_session_lose(
            s,
            "the broker sent %s, which no broker sends here; the connection was closed before a receipt for "
            "this message",
            stomp_command_name(command));
}

static void hear_fault(struct stomp_session *s) {
    const struct slice host = s->hosts.hosts[s->host].name;
    const char *fault = s->frame.fault == NULL ? "no memory for its answer" : s->frame.fault;
    if (s->state == STOMP_STATE_LOGIN)
        stomp_session_fail_host(s, VERDICT_UNKNOWN, "%.*s does not speak STOMP 1.2: %s", SLICE_PRINT(host),
                                fault);
    else
        stomp_session_lose(
            s,
            "the broker said something that is not STOMP 1.2 (%s); the connection was closed before a "
            "receipt for this message",
            fault);
}

void stomp_session_hear(struct stomp_session *s, struct slice bytes) {
    struct connection *c = s->connection;
    size_t done = 0;
    size_t taken;
    int code;
    s->heard_ms = stomp_session_now_ms(s);
    buffer_add_slice(&s->in, bytes);
    code = buffer_failed(&s->in);
    while (code == 0) {
        code = stomp_frame_decode(&s->frame, slice_from(buffer_slice(&s->in), done), &taken);
        if (code < 0)
            break;
        done += taken;
        hear(s);
        if (s->connection != c)
            return;
        stomp_frame_init(&s->frame, &s->room);
    }
    if (code == ERR_MORE)
        buffer_consume(&s->in, done);
    else
        hear_fault(s);
}
