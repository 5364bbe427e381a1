/* For tests of the sinks of brokers: a loop, egress rules, messages by the thousand, and what became of each.
 */
#ifndef SINK_BROKER_TEST_H
#define SINK_BROKER_TEST_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/arena.h"
#include "net/loop.h"
#include "net/tls.h"
#include "sink/sink.h"

struct parcel {
    struct call call;
    struct call_message message;
    struct sink_target target;
    char id[24];
    char target_text[400];
    int answers;
    uint8_t verdict;
    char sentence[512];
};

struct post {
    struct loop *loop;
    struct sink *sink;
    struct arena arena;
    struct egress egress;
    struct tls *tls;
    char secret[64]; /* what every file holds; "": there is none */
    size_t secrets_read;
    struct parcel *parcels;
    size_t count; /* sent */
    size_t answered;
    size_t by_verdict[VERDICT_COUNT];
    uint32_t timeout_ms;
    struct slice topic;
    struct slice key;
    struct slice body;
    const struct label *headers;
    uint16_t header_count;
    uint32_t order[16]; /* transactions of the first answers */
    /* Send the next one that is not done again, once, from inside its outcome; this is called before. */
    void (*resend)(void);
};

static inline void post_on_outcome(void *context, const struct outcome *o) {
    struct post *p = context;
    struct parcel *parcel = &p->parcels[o->transaction];
    size_t length = o->body.length < sizeof parcel->sentence ? o->body.length : sizeof parcel->sentence - 1;
    if (length > 0)
        memcpy(parcel->sentence, o->body.at, length);
    parcel->sentence[length] = '\0';
    parcel->answers++;
    parcel->verdict = o->verdict;
    p->by_verdict[o->verdict]++;
    if (p->answered < sizeof p->order / sizeof p->order[0])
        p->order[p->answered] = (uint32_t)o->transaction;
    p->answered++;
    if (p->resend != NULL && o->verdict != VERDICT_DONE) {
        p->resend();
        p->resend = NULL;
        p->answered--;
        p->sink->ops->send(p->sink, &parcel->call, &parcel->target);
        return;
    }
    if (p->answered == p->count)
        loop_stop(p->loop);
}

static inline int post_secret(void *context, struct slice file, struct buffer *to, struct why *why) {
    struct post *p = context;
    p->secrets_read++;
    if (p->secret[0] == '\0')
        return why_set(why, ERR_NOT_FOUND, "there is no file %.*s", SLICE_PRINT(file));
    buffer_clear(to);
    buffer_add_text(to, p->secret);
    return buffer_failed(to);
}

static inline void post_open(struct post *p, size_t room, const char *ca, const char *allow,
                             int (*open)(struct sink **out, struct loop *loop,
                                         const struct sink_options *options, struct why *why)) {
    memset(p, 0, sizeof *p);
    int code = loop_new(&p->loop, NULL);
    arena_init(&p->arena, 65536, (size_t)256 << 20);
    egress_init(&p->egress, &p->arena);
    if (code == 0 && allow[0] != '\0')
        code = egress_allow(&p->egress, slice_text(allow), NULL);
    if (code == 0)
        code = tls_new_client(&p->tls, ca, NULL);
    p->parcels = calloc(room, sizeof *p->parcels);
    p->timeout_ms = 20000;
    p->topic = SLICE("orders");
    p->body = SLICE("{\"order\":1}");
    struct sink_options options = { .tls = p->tls,
                                    .egress = &p->egress,
                                    .connect_ms = 1000,
                                    .secret = post_secret,
                                    .on_outcome = post_on_outcome,
                                    .context = p };
    struct why why = { "" };
    if (code == 0)
        code = open(&p->sink, p->loop, &options, &why);
    if (code != 0)
        fprintf(stderr, "the sink does not open: %s\n", why.text);
    assert(code == 0 && p->parcels != NULL);
}

static inline void post_close(struct post *p) {
    sink_close(p->sink);
    loop_free(p->loop);
    tls_free(p->tls);
    arena_done(&p->arena);
    free(p->parcels);
}

/* The number of the parcel. */
static inline size_t post_send(struct post *p, const char *target) {
    size_t number = p->count++;
    struct parcel *parcel = &p->parcels[number];
    struct why why = { "" };
    parcel->answers = 0;
    snprintf(parcel->target_text, sizeof parcel->target_text, "%s", target);
    snprintf(parcel->id, sizeof parcel->id, "m-%zu", number);
    int code = sink_target_decode(slice_text(parcel->target_text), &p->arena, &parcel->target, &why);
    if (code != 0)
        fprintf(stderr, "%s: %s\n", target, why.text);
    assert(code == 0);
    parcel->message = (struct call_message){ .id = slice_text(parcel->id),
                                             .topic = p->topic,
                                             .key = p->key,
                                             .content_type = SLICE("application/json"),
                                             .headers = p->headers,
                                             .header_count = p->header_count };
    parcel->call = (struct call){ .transaction = number,
                                  .attempt = 1,
                                  .timeout_ms = p->timeout_ms,
                                  .gid = SLICE("gid-1"),
                                  .branch_id = SLICE("b"),
                                  .operation = SLICE("deliver"),
                                  .url = slice_text(parcel->target_text),
                                  .body = p->body,
                                  .message = &parcel->message };
    p->sink->ops->send(p->sink, &parcel->call, &parcel->target);
    return number;
}

/* The same message once more, as another attempt. */
static inline void post_send_again(struct post *p, size_t number) {
    p->answered--;
    p->parcels[number].call.attempt++;
    p->sink->ops->send(p->sink, &p->parcels[number].call, &p->parcels[number].target);
}

/* Until everything is answered; false: not within ms. */
static inline bool post_wait(struct post *p, uint64_t ms) {
    if (p->answered < p->count)
        loop_run_for(p->loop, ms);
    return p->answered == p->count;
}

/* Send one and wait; the parcel with its outcome. */
static inline const struct parcel *post_one(struct post *p, const char *target) {
    size_t number = post_send(p, target);
    post_wait(p, p->timeout_ms + 10000);
    return &p->parcels[number];
}

static inline double post_now_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Rate and price of count messages, a window of them on their way at a time. Fails when one is not done. */
static inline bool post_measure(struct post *p, const char *name, const char *target, size_t count,
                                size_t window) {
    double begin_s = post_now_s(CLOCK_MONOTONIC), begin_cpu_s = post_now_s(CLOCK_PROCESS_CPUTIME_ID);
    size_t done_before = p->by_verdict[VERDICT_DONE], sent = 0;
    while (sent < count || p->answered < p->count) {
        while (sent < count && p->count - p->answered < window) {
            post_send(p, target);
            sent++;
        }
        loop_run_for(p->loop, 1);
        if (post_now_s(CLOCK_MONOTONIC) - begin_s > 60)
            return false;
    }
    double took_s = post_now_s(CLOCK_MONOTONIC) - begin_s;
    double cpu_s = post_now_s(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu_s;
    printf("%s: %zu messages of %zu bytes confirmed in %.2f s: %.0f/s, %.1f us of CPU each\n", name, count,
           p->body.length, took_s, (double)count / took_s, cpu_s * 1e6 / (double)count);
    return p->by_verdict[VERDICT_DONE] == done_before + count;
}

#endif
