/* One broker as one login sees it: a connection that is made when there is something to send, kept while
 * there is, and made again when it breaks.
 *
 * SENDs go out in the order in which they were given, as many as STOMP_WINDOW ahead of their receipts; the
 * rest waits. What was given before the connection broke and has no receipt is VERDICT_UNKNOWN; what had not
 * been sent goes over the next connection. Hosts are tried one after another, each until its answer to
 * CONNECT; when a round over all of them found none, everything that waits learns why, and the next round
 * begins after a pause that doubles (pace). A receipt makes the pause short again.
 *
 * Heart-beats are offered both ways. A broker that is silent for three times the interval it promised is
 * taken for gone, and so is one without heart-beats that has said nothing for a minute while receipts are
 * due.
 *
 * One thread: the loop's. Timeouts are the owner's: it withdraws what has waited long enough. */
#ifndef SINK_STOMP_SESSION_H
#define SINK_STOMP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/chain.h"
#include "model/call.h"
#include "sink/sink.h"

#define STOMP_WINDOW 1000

struct loop;
struct stomp_session;

/* How long things take, milliseconds. */
struct stomp_pace {
    uint32_t heart_beat_ms; /* offered both ways */
    uint32_t login_ms;      /* from CONNECT to its answer */
    uint32_t silence_ms;    /* without heart-beats: that long without a word while receipts are due */
    uint32_t idle_ms;       /* a connection without work is kept for that long */
    uint32_t pause_first_ms;
    uint32_t pause_max_ms;
};

/* One SEND; embedded in its owner, who fills the first part. */
struct stomp_flight {
    const struct call *call; /* borrowed until it is over; has a message */
    struct slice destination;
    bool persistent;
    /* Below: the session's. */
    struct chain link;
    struct stomp_session *session; /* NULL: none has it */
    uint64_t receipt;              /* 0: not sent yet */
};

struct stomp_session_options {
    struct loop *loop;
    const struct sink_options
        *sink;                     /* tls, egress, connect_ms and secret as they are at each dial; borrowed */
    const struct stomp_pace *pace; /* borrowed */
    /* The flight is over: VERDICT_DONE with "", or something else with a sentence. Never from inside a
     * function of this header; stomp_session_send may be called in it. */
    void (*over)(void *context, struct stomp_flight *f, enum verdict verdict, const char *sentence);
    /* Nothing to do for pace->idle_ms, and no connection any more: the owner may free it in here. */
    void (*idle)(void *context, struct stomp_session *s);
    void *context;
};

/* broker: the line of stomp_target_broker; copied. 0; ERR_MEMORY; or what the line breaks, told in why. */
int stomp_session_new(struct stomp_session **out, struct slice broker,
                      const struct stomp_session_options *options, struct why *why);
/* Nothing is told any more; flights may be gone before. NULL is fine. */
void stomp_session_free(struct stomp_session *s);

struct slice stomp_session_broker(const struct stomp_session *s);
/* Without anything to send, to hear, to tell or to wait for: it may be freed for another one's sake. */
bool stomp_session_at_rest(const struct stomp_session *s);
/* ERR_LIMIT: STOMP_WAITING are waiting already. Sent in the next round of the loop at the earliest. */
#define STOMP_WAITING 100000
int stomp_session_send(struct stomp_session *s, struct stomp_flight *f);
/* Its time is up. What becomes of it (VERDICT_UNKNOWN or VERDICT_NOT_SENT), and in why the reason. over is
 * not called for it; its receipt still takes a place in the window until it comes. */
enum verdict stomp_session_withdraw(struct stomp_flight *f, struct why *why);
/* The rules of egress have changed: what stands was judged by the old ones. */
void stomp_session_rejudge(struct stomp_session *s);

#endif
