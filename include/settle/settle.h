/* libsettle: talk to settled from C and C++.
 *
 * What it is for: submitting sagas and TCC transactions, asking for their state, deciding client-driven ones;
 * publishing reliable messages and consuming them; sending notifications; following events. Everything goes
 * through the public HTTP API of settled (docs/reference/http.md); this library adds no power of its own.
 *
 * Rules that hold for every function here:
 *   - no global state, no signal handlers, no threads, no output; nothing here exits or aborts the program;
 *   - an int result is 0 or a negative STL_E... code, and the optional stl_err (may be NULL), owned by the
 *     caller, tells the story; without an error it is left alone;
 *   - outputs (**out) are untouched on failure; what they receive is freed by the matching _free or _close,
 *     and those accept NULL;
 *   - input strings and bytes are borrowed for the call only; input strings are UTF-8 and end with NUL;
 *   - strings handed out belong to the object they were asked of, and live as long as it does;
 *   - times are milliseconds and end in _ms.
 *
 * Threads: a stl_client may be used by any number of threads at once: every call takes a connection of its
 * own from a small pool under a mutex and gives it back afterwards, so calls never wait for each other. All
 * other objects belong to one thread at a time.
 *
 * A connection that the server closes does not kill the program: the library sends with MSG_NOSIGNAL, also
 * over TLS, and leaves the caller's signal settings as they are. */
#ifndef SETTLE_SETTLE_H
#define SETTLE_SETTLE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Failures. The first group never reached an answer; the second is settled's own answer, by HTTP status. */
#define STL_EMEMORY (-1)      /* out of memory */
#define STL_EINVALID (-2)     /* an argument or a builder call makes no sense; text names it */
#define STL_ELIMIT (-3)       /* an answer larger than this library accepts (64 MiB) */
#define STL_EUNREACHABLE (-4) /* no connection: nothing was sent, nothing can have happened */
#define STL_EUNKNOWN \
    (-5) /* the connection broke after sending: it may have happened; repeat with the same gid */
#define STL_ETIMEOUT (-6)   /* no answer in time: it may have happened; repeat with the same gid */
#define STL_EPROTOCOL (-7)  /* the other side does not speak settle's HTTP */
#define STL_ETLS (-8)       /* the TLS session could not be set up or verified: nothing was sent */
#define STL_ESTOPPED (-9)   /* the caller's callback asked to stop */
#define STL_EREFUSED (-20)  /* 400, 413, 414, 422, 431 ...: the request itself is wrong */
#define STL_EAUTH (-21)     /* 401: no token, or one that is not known; text lists the places looked at */
#define STL_EDENIED (-22)   /* 403: the token lacks a role */
#define STL_ENOTFOUND (-23) /* 404 */
#define STL_ECONFLICT (-24) /* 409: already decided otherwise, same gid with another body, still running */
#define STL_EBUSY (-25)     /* 429, 503, 507: nothing happened, try later */
#define STL_ESERVER (-26)   /* any other 5xx */

/* The sentence for a code ("success" for 0); static, never NULL. */
const char *stl_strerror(int code);

/* The story of a failure. The caller owns it and need not initialise it. */
typedef struct stl_err {
    int code;          /* the function's result */
    int http;          /* status of settled's answer, 0 when there was none */
    int retry;         /* 1: repeating the very same call may help; 0: it will not */
    char type[96];     /* problem type, e.g. "/problems/already-decided": a page on the same daemon; or "" */
    char decision[24]; /* the decision that stands, when a 409 names one; or "" */
    char text[1024];   /* one or two sentences */
} stl_err;

/* ---- the client -------------------------------------------------------------------------------------- */

typedef struct stl_client stl_client;

/* All fields optional: zero means the default. */
typedef struct stl_opts {
    const char *token;      /* the bearer token itself */
    const char *token_file; /* a file holding one line: the token */
    int timeout_ms;         /* connect, and silence of the server; default 10000 */
    const char *ca_file;    /* PEM file to trust for https instead of the system's */
    int no_token_search;    /* 1: use only token and token_file, and go without when both are NULL */
} stl_opts;

/* url is "http://host:port" or "https://host:port"; NULL means $SETTLE_SERVER, else http://127.0.0.1:8711.
 * opts may be NULL. Connects to nothing yet.
 *
 * The token is looked for in this order: opts->token, opts->token_file, $SETTLE_TOKEN, $SETTLE_TOKEN_FILE,
 * ./settle-data/token, /var/lib/settle/token; none is not an error here (settled may run with --no-auth).
 * Errors: STL_EMEMORY, STL_EINVALID (url; opts->token_file or $SETTLE_TOKEN_FILE unreadable). */
int stl_client_open(stl_client **out, const char *url, const stl_opts *opts, stl_err *e);
/* Closes its connections. No call may be using the client any more. */
void stl_client_close(stl_client *c);
/* The server's base url without a trailing slash. */
const char *stl_client_url(const stl_client *c);
/* The bearer token in use, or NULL. */
const char *stl_client_token(const stl_client *c);
/* Where it came from: "$SETTLE_TOKEN", the path of the file that holds it, or "" when it was given directly
 * or there is none. For showing a command that works without showing the token. */
const char *stl_client_token_source(const stl_client *c);
/* Where the token was looked for and what was found there, one place per line; for explaining a 401. */
const char *stl_client_token_places(const stl_client *c);

/* ---- any request ------------------------------------------------------------------------------------- */

typedef struct stl_response stl_response;

/* Send one request and read the whole answer. path starts with '/', carries its query and is already
 * percent-encoded. headers: NULL, or a NULL-ended array of "Name: value"; Host, Authorization, Content-Length
 * and, with a body, Content-Type: application/json are added. wait_ms: how much longer than the client's
 * timeout the server may think (what ?wait= asks for).
 *
 * Returns 0 when an answer came, whatever its status: see stl_response_check. Sends twice only what may be
 * repeated (GET, PUT, DELETE, or a request with an Idempotency-Key), and only when a kept connection turns
 * out to be dead before the first byte of the answer. Errors: the first group above. */
int stl_request(stl_client *c, const char *method, const char *path, const char *const *headers,
                const void *body, size_t body_length, int wait_ms, stl_response **out, stl_err *e);
int stl_response_status(const stl_response *r);
/* The body; NUL follows it, and *length (may be NULL) does not count that. Never NULL. */
const char *stl_response_body(const stl_response *r, size_t *length);
/* The first header of that name (any case), or NULL. */
const char *stl_response_header(const stl_response *r, const char *name);
/* 0 for 2xx; otherwise the code of the second group, with the problem document (RFC 9457) told in *e. */
int stl_response_check(const stl_client *c, const stl_response *r, stl_err *e);
void stl_response_free(stl_response *r);

/* ---- building and submitting a transaction ----------------------------------------------------------- */

typedef struct stl_tx stl_tx;
typedef struct stl_result stl_result;

/* mode is "saga" or "tcc". gid (1-128 of A-Za-z0-9._:-) is the caller's own name for the transaction, by
 * which a submit may be repeated safely; NULL lets the server make one, and then a repeat starts another
 * transaction. NULL when out of memory.
 *
 * The calls that follow may ignore their result: the first failure is remembered, and stl_tx_submit and
 * stl_tx_json report it. Bodies are JSON of length bytes, checked by settled, sent to the participant as they
 * are apart from references ${branch#/pointer}; length 0 means no body. */
stl_tx *stl_tx_new(const char *mode, const char *gid);
void stl_tx_free(stl_tx *t);
int stl_tx_name(stl_tx *t, const char *name);
int stl_tx_label(stl_tx *t, const char *key, const char *value);
int stl_tx_deadline(stl_tx *t, long long deadline_ms);
/* 1: the caller itself calls the forward operations and then commits or rolls back ("drive":"client"). */
int stl_tx_client_driven(stl_tx *t, int yes);

/* Add a branch; the calls below it (after, pivot, retry, ...) speak of the branch added last. */
int stl_tx_saga(stl_tx *t, const char *id, const char *action_url, const char *compensate_url,
                const void *body, size_t length); /* compensate_url may be NULL */
int stl_tx_tcc(stl_tx *t, const char *id, const char *base_url, const void *body, size_t length);
int stl_tx_tcc_urls(stl_tx *t, const char *id, const char *try_url, const char *confirm_url,
                    const char *cancel_url, const void *body, size_t length);
/* Name one predecessor; call it once for each. Without it a saga's branch follows the one before it and a
 * TCC's starts at once. stl_tx_at_once says: after nothing. */
int stl_tx_after(stl_tx *t, const char *id);
int stl_tx_at_once(stl_tx *t);
int stl_tx_pivot(stl_tx *t);         /* saga: this step's success is the commit decision */
int stl_tx_cancel_always(stl_tx *t); /* TCC: cancel even a cleanly refused try */
int stl_tx_timeout(stl_tx *t, int call_timeout_ms);
/* Zero keeps the default. factor_percent 200 doubles. for_ms: give up a forward step after this long and roll
 * back; decided work is never given up. */
int stl_tx_retry(stl_tx *t, int first_ms, int factor_percent, int max_ms, long long for_ms);

/* Send a message under topic, or a notification to an endpoint, when the transaction has committed or was
 * rolled back: recorded with the decision, so neither gets lost and neither goes out without it. Call as
 * often as there are things to send. key may be NULL. */
int stl_tx_on_commit_msg(stl_tx *t, const char *topic, const char *key, const void *body, size_t length);
int stl_tx_on_rollback_msg(stl_tx *t, const char *topic, const char *key, const void *body, size_t length);
int stl_tx_on_commit_notify(stl_tx *t, const char *endpoint, const char *event, const void *body,
                            size_t length);
int stl_tx_on_rollback_notify(stl_tx *t, const char *endpoint, const char *event, const void *body,
                              size_t length);

/* The request body that stl_tx_submit would send; length may be NULL. NULL after a builder failure. The
 * string lives until the next call on t. */
const char *stl_tx_json(stl_tx *t, size_t *length);

/* Submit and, when wait_ms > 0, wait that long (at most 60000) for a final state. 0 means accepted durably;
 * look at the result for how it went: rolled back is not an error of this call. On STL_EUNKNOWN and
 * STL_ETIMEOUT repeat the call with the same gid. */
int stl_tx_submit(stl_client *c, stl_tx *t, int wait_ms, stl_result **out, stl_err *e);

/* ---- what became of it ------------------------------------------------------------------------------- */

/* The state now. STL_ENOTFOUND when there is no such gid. */
int stl_tx_get(stl_client *c, const char *gid, stl_result **out, stl_err *e);
/* Wait at most wait_ms, in requests of at most 60 s, until it is final. 0 also when it is not final yet: see
 * stl_result_final. */
int stl_tx_wait(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e);
/* Decide a client-driven transaction. STL_ECONFLICT carries the decision that stands in e->decision. out may
 * be NULL. */
int stl_tx_commit(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e);
int stl_tx_rollback(stl_client *c, const char *gid, int wait_ms, stl_result **out, stl_err *e);

/* Of messages and notifications too: the gid is their id, the status is "half", "committed", "rolled_back" or
 * "scheduled", "delivered", "gave_up", ... A message is final when its last delivery is over. */
const char *stl_result_gid(const stl_result *r);
const char *stl_result_status(const stl_result *r); /* "committed", "rolling_back", ... */
int stl_result_final(const stl_result *r);          /* 1 when nothing is owed any more */
int stl_result_committed(const stl_result *r);      /* 1 when final and committed */
int stl_result_attention(const stl_result *r);      /* 1 when an operator should look */
/* Why it rolled back or waits, in one sentence; "" when there is nothing to say. */
const char *stl_result_reason(const stl_result *r);
/* settled's whole answer as JSON; length may be NULL. */
const char *stl_result_json(const stl_result *r, size_t *length);
void stl_result_free(stl_result *r);

/* ---- reliable messages: producing -------------------------------------------------------------------- */

typedef struct stl_msg stl_msg;

/* A message to be published under topic (1-128 of A-Za-z0-9._:-). id is the caller's own name for it, by
 * which publishing may be repeated safely; NULL lets the server make one, and then a repeat publishes another
 * message. A half message needs an id. NULL when out of memory.
 *
 * As with stl_tx the calls that follow may ignore their result: the first failure is remembered and reported
 * when the message is sent. A message may be sent again, and by several clients. */
stl_msg *stl_msg_new(const char *topic, const char *id);
void stl_msg_free(stl_msg *m);
/* Messages of one key reach each ordered subscription in the order in which they were committed. */
int stl_msg_key(stl_msg *m, const char *key);
/* At most 256 KiB of JSON, or 192 KiB of any other bytes. content_type NULL means application/json, and then
 * it must be JSON. */
int stl_msg_body(stl_msg *m, const char *content_type, const void *body, size_t length);
int stl_msg_header(stl_msg *m, const char *name, const char *value); /* sent along with each delivery */
int stl_msg_label(stl_msg *m, const char *key, const char *value);   /* for finding it; not sent along */
/* Deliver it this long after its commit; 0 is at once. */
int stl_msg_delay(stl_msg *m, long long delay_ms);

/* How settled finds out about a half message whose producer stays silent; exactly one of the three.
 * http: settled POSTs to this URL and expects the body of stl_check_reply.
 * pg: the producer's PostgreSQL transaction, by what docs/datasources.md selects in it.
 * marker: the producer's transaction has inserted the message's id as a row before the half message is sent.
 */
int stl_msg_check_http(stl_msg *m, const char *url);
int stl_msg_check_pg(stl_msg *m, const char *datasource, const char *xid, const char *system);
int stl_msg_check_marker(stl_msg *m, const char *datasource);
/* Ask for the first time after after_ms, then every every_ms, growing up to max_ms; after tries answers that
 * do not decide, an operator is told. Zero keeps the server's default. */
int stl_msg_check_times(stl_msg *m, long long after_ms, long long every_ms, long long max_ms, int tries);

/* The request body that stl_msg_publish (half 0) or stl_msg_half (half 1) would send; length may be NULL.
 * NULL after a builder failure. The string lives until the next call on m. */
const char *stl_msg_json(stl_msg *m, int half, size_t *length);

/* Publish. 0 means: durable, and it will be delivered. wait_ms over 0: wait that long (at most 60000) for the
 * end of all deliveries. out may be NULL. On STL_EUNKNOWN and STL_ETIMEOUT repeat it with the same id. */
int stl_msg_publish(stl_client *c, stl_msg *m, int wait_ms, stl_result **out, stl_err *e);
/* Announce: nobody gets it before it is committed. 0 means that it is durable and that settled will ask by
 * itself when nothing more is heard. Repeat as above. */
int stl_msg_half(stl_client *c, stl_msg *m, stl_err *e);
/* Decide a half message. The first decision is final; the same one again is fine; STL_ECONFLICT carries the
 * opposite one that stands in e->decision. Repeat freely. */
int stl_msg_commit(stl_client *c, const char *id, stl_err *e);
int stl_msg_rollback(stl_client *c, const char *id, stl_err *e);
/* Let settled ask now instead of when its time comes. wait_ms over 0: wait that long (at most 60000) for the
 * end: rolled back, or committed and every delivery over. */
int stl_msg_check(stl_client *c, const char *id, int wait_ms, stl_result **out, stl_err *e);
/* The state now; stl_result_json has the deliveries one by one. */
int stl_msg_get(stl_client *c, const char *id, stl_result **out, stl_err *e);

/* What a producer answers to an HTTP check-back (status 200, application/json): the body, a static string.
 * STL_UNKNOWN, also for any other number: ask again later. */
#define STL_COMMITTED 1
#define STL_ROLLED_BACK 2
#define STL_UNKNOWN 3
const char *stl_check_reply(int state);

/* ---- reliable messages: consuming -------------------------------------------------------------------- */

typedef struct stl_header {
    const char *name;
    const char *value;
} stl_header;

/* One delivery that was pulled. All of it belongs to its batch. New members are added at the end only. */
typedef struct stl_delivery {
    const char *id; /* for stl_ack and stl_nack; the same for all attempts, so also for recognising doubles */
    const char *message; /* the message's id */
    const char *topic;
    const char *key; /* "" when it has none */
    int attempt;     /* 1 for the first */
    const char *content_type;
    const stl_header *headers;
    size_t header_count;
    const void *body; /* NUL follows it, uncounted */
    size_t body_length;
} stl_delivery;

typedef struct stl_batch stl_batch;

/* Take at most max (1-1000) deliveries of a subscription that is pulled, and keep each from other consumers
 * for lease_ms (0: the subscription's ack_timeout); what is not acked by then comes again. wait_ms over 0:
 * wait that long (at most 60000) for the first one. 0 also with an empty batch. After STL_EUNKNOWN and
 * STL_ETIMEOUT pull again: what the lost answer held comes again when its lease is over. */
int stl_pull(stl_client *c, const char *subscription, int max, int lease_ms, int wait_ms, stl_batch **out,
             stl_err *e);
size_t stl_batch_count(const stl_batch *b);
const stl_delivery *stl_batch_at(const stl_batch *b, size_t index); /* NULL beyond the end */
void stl_batch_free(stl_batch *b);

/* The work is done and on disk. A repeat is fine, and so is an ack after the lease. */
int stl_ack(stl_client *c, const char *delivery, stl_err *e);
/* Not now: again after delay_ms, 0 for what the subscription's retry says. reason may be NULL. */
int stl_nack(stl_client *c, const char *delivery, long long delay_ms, const char *reason, stl_err *e);
/* Never: a business refusal. It goes to on_refused of the subscription, or to the dead letters. */
int stl_refuse(stl_client *c, const char *delivery, const char *reason, stl_err *e);

/* ---- notifications ----------------------------------------------------------------------------------- */

typedef struct stl_notice stl_notice;

/* A best-effort notification to an endpoint that is defined in settled. id as with stl_msg_new. NULL when out
 * of memory; failures are remembered as with stl_msg. */
stl_notice *stl_notice_new(const char *endpoint, const char *event, const char *id);
void stl_notice_free(stl_notice *n);
int stl_notice_ref(stl_notice *n,
                   const char *ref); /* the caller's own reference, such as an order's number */
int stl_notice_body(stl_notice *n, const void *json, size_t length);
/* Call it for each attempt, in order: the wait after the failure before it. Without any: the server's usual
 * schedule. */
int stl_notice_after(stl_notice *n, long long delay_ms);
/* Besides a 2xx the receiver must answer exactly this. */
int stl_notice_success(stl_notice *n, const char *body);
const char *stl_notice_json(stl_notice *n, size_t *length);
/* 0 means: durable, and tried as its schedule says, then given up. Repeat as stl_msg_publish. out may be
 * NULL. */
int stl_notify(stl_client *c, stl_notice *n, int wait_ms, stl_result **out, stl_err *e);
int stl_notice_get(stl_client *c, const char *id, stl_result **out, stl_err *e);

/* ---- streams ----------------------------------------------------------------------------------------- */

/* One server-sent event; the strings live during the callback. */
typedef struct stl_event {
    const char *id;   /* resume after this one with last_id; "" when it has none */
    const char *name; /* "tx.decision", ... */
    const char *json;
    size_t json_length;
} stl_event;

/* Return 0 to go on, anything else to stop: then stl_events returns STL_ESTOPPED. */
typedef int stl_event_fn(void *argument, const stl_event *event);
/* Follow an event stream: path "/v1/events" or "/v1/transactions/GID/events", with its filters. last_id may
 * be NULL. Blocks the calling thread. Returns 0 when the server ends the stream, STL_ESTOPPED, or an error;
 * STL_ETIMEOUT after 45 s without even a heartbeat. Does not reconnect by itself: call again with the last id
 * seen. */
int stl_events(stl_client *c, const char *path, const char *last_id, stl_event_fn *callback, void *argument,
               stl_err *e);

typedef int stl_bytes_fn(void *argument, const void *bytes, size_t length);
/* GET something large and hand it over piece by piece. Not a 2xx: the error, and the callback saw nothing. A
 * connection that ends before the declared end is STL_EUNKNOWN: what was handed over is incomplete. */
int stl_download(stl_client *c, const char *path, stl_bytes_fn *callback, void *argument, stl_err *e);

#ifdef __cplusplus
}
#endif

#endif
