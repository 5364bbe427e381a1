/* The inside of a session, shared by its two halves: stomp_session.c connects, keeps the time and lets go,
 * stomp_dialogue.c writes and understands frames. Nobody else includes this. */
#ifndef SINK_STOMP_INSIDE_H
#define SINK_STOMP_INSIDE_H

#include "base/arena.h"
#include "net/timer.h"
#include "sink/stomp/stomp_session.h"
#include "sink/stomp/stomp_target.h"
#include "sink/stomp/stomp_window.h"
#include "wire/stomp.h"

/* Headers of one SEND; those of settle and of the message together. */
#define STOMP_SEND_HEAD_BYTES (64 * 1024)
/* Frames up to this are gathered into one write; so is a body up to half of it. */
#define STOMP_GATHERED_BYTES (64 * 1024)
#define STOMP_WORDS_BYTES 400

struct connection;
struct dial;

enum stomp_state {
    STOMP_STATE_IDLE, /* no connection */
    STOMP_STATE_DIALLING,
    STOMP_STATE_LOGIN, /* CONNECT is sent, or about to be */
    STOMP_STATE_READY,
    STOMP_STATE_PAUSE, /* until the next round over the hosts */
};

struct stomp_session {
    struct stomp_session_options options;
    struct arena arena; /* of what follows */
    struct slice broker;
    struct sink_target hosts;
    struct stomp_target target;

    uint8_t state;
    bool telling; /* the owner is being told something: it may send, and must not end this session */
    bool stale;   /* judged by old rules: nothing more is sent on this connection */
    size_t host;
    size_t tried;    /* hosts, in this round */
    uint8_t verdict; /* of this round, if it fails */
    char words[STOMP_WORDS_BYTES];
    uint32_t pause_ms;
    struct dial *dial;
    struct connection *connection;

    struct chain waiting;
    size_t waiting_count;
    struct stomp_window window;

    struct buffer in;
    struct buffer head; /* of the frame that is being written */
    struct buffer out;  /* frames that go in one write */
    struct stomp_frame frame;
    struct stomp_room room;

    struct timer pump;  /* there is something to send */
    struct timer clock; /* what the state waits for */
    uint64_t used_ms;   /* when there was work last */
    uint64_t heard_ms;
    uint64_t wrote_ms;
    uint64_t begun_ms; /* when the window was empty last */
    uint64_t tick_ms;  /* of the clock's last round while ready */
    uint32_t beat_ms;  /* our promise; 0: none */
    uint32_t hears_ms; /* the broker's; 0: none */
};

uint64_t stomp_session_now_ms(const struct stomp_session *s);
/* In this state, wait for so long (stomp_session.c says for what). */
void stomp_session_enter(struct stomp_session *s, enum stomp_state state, uint64_t clock_ms);
/* Tell the owner. */
void stomp_session_over(struct stomp_session *s, struct stomp_flight *f, enum verdict verdict,
                        const char *sentence);
/* This host did not take us in: the next one, if there is one that was not asked; else whoever waits learns
 * why. Of all answers a broker's own counts more than no answer, and that more than a refusal of egress. */
void stomp_session_fail_host(struct stomp_session *s, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The connection is of no more use, and nobody knows what became of what went over it. */
void stomp_session_lose(struct stomp_session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Send as much as goes now. */
void stomp_session_pump(struct stomp_session *s);
/* Bytes came. The connection may be gone afterwards. */
void stomp_session_hear(struct stomp_session *s, struct slice bytes);

#endif
