#ifdef SETTLE_WITH_KAFKA

#include "sink/kafka/kafka_producer.h"

#include <assert.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"
#include "sink/kafka/kafka_target.h"

#define ADDRESSES_MAX 16
#define HOST_BYTES 256
#define LINGER_MS 2
/* A message is at most a payload and its headers; librdkafka's own bound is 1,000,000 bytes. */
#define QUEUE_MESSAGES 200000

struct kafka_producer {
    rd_kafka_t *kafka;
    rd_kafka_queue_t *queue;
    int descriptor;
    struct kafka_producer_options options;
    char hosts[SINK_TARGET_HOSTS][HOST_BYTES]; /* to begin with */
    size_t host_count;

    pthread_mutex_t lock;  /* guards what follows */
    uint32_t hosts_denied; /* a bit for each host */
    bool reached;          /* some address was allowed */
    struct why denial;     /* the last */

    char last_error[256]; /* what librdkafka complained about last; the loop's */
};

/* Egress, on librdkafka's threads. */

/* name may have brackets and ":port" behind it. */
static void split_name(const char *name, char host[HOST_BYTES], uint16_t *port) {
    const char *colon = strrchr(name, ':');
    size_t length = colon == NULL ? strlen(name) : (size_t)(colon - name);
    *port = colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);
    if (length >= 2 && name[0] == '[' && name[length - 1] == ']') {
        name++;
        length -= 2;
    }
    snprintf(host, HOST_BYTES, "%.*s", (int)(length < HOST_BYTES ? length : HOST_BYTES - 1), name);
}

static void note_denial(struct kafka_producer *p, const char *host, const struct why *why) {
    pthread_mutex_lock(&p->lock);
    p->denial = *why;
    for (size_t i = 0; i < p->host_count; i++)
        if (strcmp(p->hosts[i], host) == 0)
            p->hosts_denied |= 1u << i;
    bool all = !p->reached && p->hosts_denied == (1u << p->host_count) - 1;
    pthread_mutex_unlock(&p->lock);
    if (all)
        p->options.on_denied(p->options.context);
}

static void note_reached(struct kafka_producer *p) {
    pthread_mutex_lock(&p->lock);
    p->reached = true;
    pthread_mutex_unlock(&p->lock);
}

/* An address list in one piece, so that it can be freed as such. */
struct address_list {
    struct addrinfo entries[ADDRESSES_MAX];
    struct sockaddr_storage addresses[ADDRESSES_MAX];
};

static size_t keep_allowed(struct kafka_producer *p, const char *host, uint16_t port,
                           const struct addrinfo *found, struct address_list *list, struct why *why) {
    size_t count = 0;
    for (const struct addrinfo *at = found; at != NULL && count < ADDRESSES_MAX; at = at->ai_next) {
        if (at->ai_addrlen > sizeof list->addresses[0] ||
            broker_judge_address(p->options.judge, host, port, at->ai_addr, why) < 0)
            continue;
        memcpy(&list->addresses[count], at->ai_addr, at->ai_addrlen);
        list->entries[count] = *at;
        list->entries[count].ai_addr = (struct sockaddr *)&list->addresses[count];
        list->entries[count].ai_canonname = NULL;
        list->entries[count].ai_next = NULL;
        if (count > 0)
            list->entries[count - 1].ai_next = &list->entries[count];
        count++;
    }
    return count;
}

/* A name stands only for those of its addresses that may be called. */
static int resolve(const char *node, const char *service, const struct addrinfo *hints,
                   struct addrinfo **result, void *opaque) {
    struct kafka_producer *p = opaque;
    struct addrinfo *found = NULL;
    struct why why = { "" };
    char host[HOST_BYTES];
    if (node == NULL) {
        free(*result);
        return 0;
    }
    int code = getaddrinfo(node, service, hints, &found);
    if (code != 0)
        return code;
    struct address_list *list = calloc(1, sizeof *list);
    uint16_t port = (uint16_t)strtoul(service == NULL ? "0" : service, NULL, 10);
    snprintf(host, sizeof host, "%s", node);
    size_t count = list == NULL ? 0 : keep_allowed(p, host, port, found, list, &why);
    freeaddrinfo(found);
    if (count == 0) {
        free(list);
        if (why.text[0] != '\0')
            note_denial(p, host, &why);
        return list == NULL ? EAI_MEMORY : EAI_FAIL;
    }
    *result = &list->entries[0];
    return 0;
}

/* The last word: whatever address it is, and however it was found. The socket does not block. */
static int connect_judged(int socket, const struct sockaddr *address, int length, const char *name,
                          void *opaque) {
    struct kafka_producer *p = opaque;
    struct why why = { "" };
    char host[HOST_BYTES];
    uint16_t port;
    split_name(name, host, &port);
    if (broker_judge_address(p->options.judge, host, port, address, &why) < 0) {
        note_denial(p, host, &why);
        return EACCES;
    }
    note_reached(p);
    if (connect(socket, address, (socklen_t)length) == 0 || errno == EINPROGRESS)
        return 0;
    return errno;
}

/* What librdkafka tells, on the loop. */

static void on_error(rd_kafka_t *kafka, int code, const char *reason, void *opaque) {
    struct kafka_producer *p = opaque;
    (void)kafka;
    (void)code;
    snprintf(p->last_error, sizeof p->last_error, "%s", reason);
}

/* Its log would go to standard error; what matters comes as an error too. */
static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text) {
    (void)kafka;
    (void)level;
    (void)facility;
    (void)text;
}

__attribute__((format(printf, 3, 4))) static enum verdict say(char text[400], enum verdict verdict,
                                                              const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 400, format, arguments);
    va_end(arguments);
    return verdict;
}

static enum verdict judge_failure(struct kafka_producer *p, const rd_kafka_message_t *m, char text[400]) {
    bool timed_out = m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
    const char *because = p->last_error[0] == '\0' ? "" : ". Last error: ";
    if (rd_kafka_message_status(m) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        return say(text, VERDICT_UNKNOWN, "%s; it may be in the log of its partition or not%s%s",
                   timed_out ? "no acknowledgement in time" : rd_kafka_err2str(m->err), because,
                   p->last_error);
    pthread_mutex_lock(&p->lock);
    struct why denial = p->denial;
    pthread_mutex_unlock(&p->lock);
    if (m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || timed_out) {
        if (denial.text[0] != '\0')
            return say(text, VERDICT_FORBIDDEN, "%s", denial.text);
        return say(text, VERDICT_NOT_SENT, "not delivered within %u ms%s%s", p->options.timeout_ms, because,
                   p->last_error);
    }
    return say(text, VERDICT_UNKNOWN, "the message was refused: %s (%s)", rd_kafka_err2str(m->err),
               rd_kafka_err2name(m->err));
}

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *m, void *opaque) {
    struct kafka_producer *p = opaque;
    char text[400] = "";
    (void)kafka;
    bool done =
        m->err == RD_KAFKA_RESP_ERR_NO_ERROR || rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_PERSISTED;
    const struct kafka_report report = { .flight = m->_private,
                                         .verdict = done ? VERDICT_DONE : judge_failure(p, m, text),
                                         .sentence = text };
    p->options.on_report(p->options.context, &report);
}

/* Opening. */

struct configuration {
    rd_kafka_conf_t *conf;
    struct why *why;
    int code;
};

static void set(struct configuration *c, const char *name, const char *value) {
    char words[200];
    if (c->code == 0 && rd_kafka_conf_set(c->conf, name, value, words, sizeof words) != RD_KAFKA_CONF_OK)
        c->code = why_set(c->why, ERR_INVALID, "librdkafka does not take %s: %s", name, words);
}

static void set_number(struct configuration *c, const char *name, uint32_t value) {
    char text[16];
    snprintf(text, sizeof text, "%u", value);
    set(c, name, text);
}

static void set_slice(struct configuration *c, const char *name, struct slice value) {
    char text[4096];
    if (value.length >= sizeof text) {
        c->code = why_set(c->why, ERR_LIMIT, "%s is longer than %zu bytes", name, sizeof text - 1);
        return;
    }
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(value));
    set(c, name, text);
    explicit_bzero(text, sizeof text);
}

static void configure(struct configuration *c, const struct kafka_producer_options *o) {
    const struct sink_target *t = o->target;
    struct slice compression = sink_target_value(t, "compression");
    struct buffer hosts;
    buffer_init(&hosts, LIMIT_URL_BYTES);
    kafka_bootstrap(&hosts, t);
    bool sasl = t->user.length > 0, secure = kafka_is_secure(t);
    set_slice(c, "bootstrap.servers", buffer_slice(&hosts));
    buffer_done(&hosts);
    set(c, "client.id", "settled");
    set(c, "enable.idempotence", "true");
    set(c, "acks", "all");
    set(c, "partitioner", "murmur2_random"); /* the Java client's */
    set_number(c, "message.timeout.ms", o->timeout_ms);
    set_number(c, "linger.ms", LINGER_MS < o->timeout_ms ? LINGER_MS : 0);
    set_number(c, "queue.buffering.max.messages", QUEUE_MESSAGES);
    set_number(c, "socket.connection.setup.timeout.ms", o->connect_ms < 1000 ? 1000 : o->connect_ms);
    set_number(c, "reconnect.backoff.max.ms", 2000);
    /* A topic that was refused is refused until this; the default is five minutes. */
    set_number(c, "topic.metadata.refresh.interval.ms", 10000);
    set(c, "security.protocol",
        sasl ? (secure ? "sasl_ssl" : "sasl_plaintext") : (secure ? "ssl" : "plaintext"));
    if (secure) /* older versions do not look at the name by themselves */
        set(c, "ssl.endpoint.identification.algorithm", "https");
    if (secure && o->ca != NULL)
        set(c, "ssl.ca.location", o->ca);
    if (compression.length > 0)
        set_slice(c, "compression.codec", compression);
    if (sasl) {
        set_slice(c, "sasl.mechanism", sink_target_value(t, "sasl"));
        set_slice(c, "sasl.username", t->user);
        set_slice(c, "sasl.password", o->password);
    }
}

static int start(struct kafka_producer *p, struct why *why) {
    char words[300];
    struct configuration c = { .conf = rd_kafka_conf_new(), .why = why };
    configure(&c, &p->options);
    if (c.code < 0) {
        rd_kafka_conf_destroy(c.conf);
        return c.code;
    }
    rd_kafka_conf_set_opaque(c.conf, p);
    rd_kafka_conf_set_dr_msg_cb(c.conf, on_delivery);
    rd_kafka_conf_set_error_cb(c.conf, on_error);
    rd_kafka_conf_set_log_cb(c.conf, on_log);
    rd_kafka_conf_set_resolve_cb(c.conf, resolve);
    rd_kafka_conf_set_connect_cb(c.conf, connect_judged);
    p->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, c.conf, words, sizeof words);
    if (p->kafka == NULL) {
        rd_kafka_conf_destroy(c.conf);
        return why_set(why, ERR_INVALID, "librdkafka makes no producer: %s", words);
    }
    const uint64_t one = 1;
    p->queue = rd_kafka_queue_get_main(p->kafka);
    rd_kafka_queue_io_event_enable(p->queue, p->descriptor, &one, sizeof one);
    /* It tells when a queue stops being empty, and this one may have stopped already. */
    ssize_t told = write(p->descriptor, &one, sizeof one);
    (void)told;
    return 0;
}

static void release(struct kafka_producer *p) {
    if (p->descriptor >= 0)
        close(p->descriptor);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int kafka_producer_open(struct kafka_producer **out, const struct kafka_producer_options *options,
                        struct why *why) {
    struct kafka_producer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a Kafka producer");
    p->options = *options;
    pthread_mutex_init(&p->lock, NULL);
    p->host_count = options->target->host_count;
    for (size_t i = 0; i < p->host_count; i++)
        snprintf(p->hosts[i], sizeof p->hosts[i], "%.*s", SLICE_PRINT(options->target->hosts[i].name));
    p->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int code = p->descriptor < 0
                   ? why_set(why, ERR_IO, "no descriptor for a Kafka producer: %s", strerror(errno))
                   : start(p, why);
    p->options.target = NULL;
    p->options.password = SLICE_NONE;
    if (code < 0) {
        release(p);
        return code;
    }
    *out = p;
    return 0;
}

int kafka_producer_descriptor(const struct kafka_producer *p) {
    return p->descriptor;
}

void kafka_producer_poll(struct kafka_producer *p) {
    uint64_t count;
    ssize_t got = read(p->descriptor, &count, sizeof count);
    (void)got;
    (void)rd_kafka_poll(p->kafka, 0);
}

/* Sending. */

static int add_header(rd_kafka_headers_t *headers, struct slice name, struct slice value) {
    return rd_kafka_header_add(headers, name.at, (ssize_t)name.length, value.length == 0 ? "" : value.at,
                               (ssize_t)value.length) == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : ERR_MEMORY;
}

static rd_kafka_headers_t *make_headers(const struct kafka_message *m) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new((size_t)m->message->header_count + 4);
    int code = add_header(headers, SLICE("settle-id"), m->message->id);
    code |= add_header(headers, SLICE("settle-topic"), m->message->topic);
    code |= add_header(headers, SLICE("settle-gid"), m->gid);
    code |= add_header(headers, SLICE("content-type"), m->message->content_type);
    for (size_t i = 0; i < m->message->header_count; i++)
        code |= add_header(headers, m->message->headers[i].key, m->message->headers[i].value);
    if (code == 0)
        return headers;
    rd_kafka_headers_destroy(headers);
    return NULL;
}

static int code_of(rd_kafka_resp_err_t error) {
    switch (error) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return ERR_LIMIT;
    case RD_KAFKA_RESP_ERR__FATAL:
        return ERR_CLOSED;
    default:
        return ERR_INVALID;
    }
}

int kafka_producer_send(struct kafka_producer *p, const struct kafka_message *m, void *flight,
                        struct why *why) {
    char topic[KAFKA_TOPIC_BYTES + 1];
    struct slice key = m->message->key;
    rd_kafka_headers_t *headers = make_headers(m);
    if (headers == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the message's headers");
    snprintf(topic, sizeof topic, "%.*s", SLICE_PRINT(m->topic));
    /* An empty body is an empty value; without one it would be a tombstone, which deletes. */
    void *body = (void *)(uintptr_t)(m->body.length == 0 ? "" : m->body.at);
    rd_kafka_resp_err_t error =
        rd_kafka_producev(p->kafka, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(body, m->body.length),
                          RD_KAFKA_V_KEY(key.length == 0 ? NULL : key.at, key.length),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(flight), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    rd_kafka_headers_destroy(headers);
    return why_set(why, code_of(error), "the message was not taken: %s", rd_kafka_err2str(error));
}

bool kafka_producer_fatal(struct kafka_producer *p, struct why *why) {
    char words[300] = "";
    if (rd_kafka_fatal_error(p->kafka, words, sizeof words) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    why_set(why, ERR_CLOSED, "the Kafka producer ended: %s", words);
    return true;
}

bool kafka_producer_denied(struct kafka_producer *p) {
    pthread_mutex_lock(&p->lock);
    bool denied = !p->reached && p->hosts_denied == (1u << p->host_count) - 1;
    pthread_mutex_unlock(&p->lock);
    return denied;
}

void kafka_producer_purge(struct kafka_producer *p) {
    (void)rd_kafka_purge(p->kafka,
                         RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void kafka_producer_close(struct kafka_producer *p) {
    rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(p->queue);
    kafka_producer_purge(p);
    rd_kafka_destroy(p->kafka);
    release(p);
}

const char *kafka_producer_library(void) {
    static char text[64];
    if (text[0] == '\0')
        snprintf(text, sizeof text, "librdkafka %s", rd_kafka_version_str());
    return text;
}

#endif
