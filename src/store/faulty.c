#include "store/faulty.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One of the two threads of a store: what it alone touches. */
struct stream {
    uint64_t state;
};

struct faulty {
    struct store head;
    struct store *inner;
    struct faulty_plan plan;
    struct faulty_rule *rules;
    uint64_t calls[FAULTY_CALLS]; /* each touched by its own thread only */
    struct stream streams[2];     /* J, H */
    uint64_t unknown_seq;         /* J: an append that was answered unknown; 0: none */
    _Atomic int failed;
    _Atomic uint64_t faults[FAULTY_FAULTS];
};

static const struct store_ops faulty_ops;

static struct faulty *faulty_of(struct store *s) {
    assert(s->ops == &faulty_ops);
    return (struct faulty *)s;
}

/* SplitMix64: small, fast, and good enough to choose faults. */
static uint64_t draw(struct stream *from) {
    uint64_t z = (from->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool writes(enum faulty_call call) {
    return call == FAULTY_APPEND || call == FAULTY_TRIM || call == FAULTY_FOLD || call == FAULTY_PURGE;
}

static bool fits(enum faulty_call call, enum faulty_fault fault) {
    return writes(call) || fault == FAULTY_LATE || fault == FAULTY_IO_BEFORE;
}

static enum faulty_fault draw_fault(struct faulty *f, enum faulty_call call) {
    struct stream *stream = &f->streams[call <= FAULTY_TRIM ? 0 : 1];
    uint64_t drawn = draw(stream) % 1000000;
    for (enum faulty_fault fault = FAULTY_NONE + 1; fault < FAULTY_FAULTS; fault++) {
        if (drawn < f->plan.per_million[fault])
            return fits(call, fault) ? fault : FAULTY_NONE;
        drawn -= f->plan.per_million[fault];
    }
    return FAULTY_NONE;
}

static enum faulty_fault choose(struct faulty *f, enum faulty_call call) {
    uint64_t number = ++f->calls[call];
    enum faulty_fault fault = draw_fault(f, call);
    for (size_t i = 0; i < f->plan.rule_count; i++) {
        const struct faulty_rule *rule = &f->rules[i];
        if (rule->call == call && number >= rule->first && number - rule->first < rule->times) {
            fault = fits(call, rule->fault) ? rule->fault : FAULTY_NONE;
            break;
        }
    }
    f->faults[fault]++;
    return fault;
}

static void be_late(struct faulty *f) {
    uint32_t ms = f->plan.delay_ms;
    if (f->plan.delay != NULL) {
        f->plan.delay(f->plan.self, ms);
        return;
    }
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&pause, NULL);
}

/* What happens before the inner store is asked: 0 means ask it. */
static int before(struct faulty *f, enum faulty_call call, enum faulty_fault *fault, struct why *why) {
    *fault = FAULTY_NONE;
    if (f->failed != 0)
        return why_set(why, f->failed, "a fault was injected earlier");
    *fault = choose(f, call);
    if (*fault == FAULTY_LATE)
        be_late(f);
    if (*fault == FAULTY_SPACE)
        return why_set(why, ERR_SPACE, "injected: no space");
    if (*fault == FAULTY_UNKNOWN_BEFORE)
        return why_set(why, ERR_UNKNOWN, "injected: unknown, nothing was done");
    if (*fault == FAULTY_IO_BEFORE) {
        f->failed = ERR_IO;
        return why_set(why, ERR_IO, "injected: write failed");
    }
    return 0;
}

/* What the caller is told of what the inner store answered. */
static int after(struct faulty *f, enum faulty_fault fault, int code, struct why *why) {
    if (fault == FAULTY_UNKNOWN_AFTER && code == 0)
        return why_set(why, ERR_UNKNOWN, "injected: unknown, it was done");
    if (fault == FAULTY_IO_AFTER) {
        f->failed = ERR_IO;
        return why_set(why, ERR_IO, "injected: sync failed");
    }
    return code;
}

static int faulty_recover(struct store *s, const struct store_visitor *visit, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_RECOVER, &fault, why);
    return code == 0 ? f->inner->ops->recover(f->inner, visit, why) : code;
}

static int faulty_append(struct store *s, uint64_t seq, struct slice batch, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    if (f->unknown_seq != 0 && seq != f->unknown_seq)
        return why_set(why, ERR_INVALID, "batch %llu is unknown: offer it again before batch %llu",
                       (unsigned long long)f->unknown_seq, (unsigned long long)seq);
    int code = before(f, FAULTY_APPEND, &fault, why);
    if (code == 0)
        code = after(f, fault, f->inner->ops->append(f->inner, seq, batch, why), why);
    if (code == ERR_UNKNOWN)
        f->unknown_seq = seq;
    else if (code == 0)
        f->unknown_seq = 0;
    return code;
}

static int faulty_trim(struct store *s, uint64_t seq, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_TRIM, &fault, why);
    return code == 0 ? after(f, fault, f->inner->ops->trim(f->inner, seq, why), why) : code;
}

static int faulty_fold(struct store *s, const struct stored_row *rows, size_t count, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_FOLD, &fault, why);
    return code == 0 ? after(f, fault, f->inner->ops->fold(f->inner, rows, count, why), why) : code;
}

static int faulty_find(struct store *s, uint8_t kind, uint64_t key_hash, const struct store_visitor *visit,
                       struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_FIND, &fault, why);
    return code == 0 ? f->inner->ops->find(f->inner, kind, key_hash, visit, why) : code;
}

static int faulty_scan(struct store *s, uint8_t kind, uint64_t from, bool ascending, size_t max,
                       const struct store_visitor *visit, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_SCAN, &fault, why);
    return code == 0 ? f->inner->ops->scan(f->inner, kind, from, ascending, max, visit, why) : code;
}

static int faulty_keys(struct store *s, uint8_t kind, const struct store_visitor *visit, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_KEYS, &fault, why);
    return code == 0 ? f->inner->ops->keys(f->inner, kind, visit, why) : code;
}

/* *cursor and *removed stay as they were on failure, also when the rows are gone. */
static int faulty_purge(struct store *s, uint8_t kind, uint64_t now_ms, uint64_t *cursor, size_t max,
                        size_t *removed, struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    uint64_t reached = *cursor;
    size_t gone = 0;
    int code = before(f, FAULTY_PURGE, &fault, why);
    if (code == 0)
        code = after(f, fault, f->inner->ops->purge(f->inner, kind, now_ms, &reached, max, &gone, why), why);
    if (code != 0)
        return code;
    *cursor = reached;
    *removed = gone;
    return 0;
}

static int faulty_count_rows(struct store *s, uint64_t counts[STORED_KIND_END], struct why *why) {
    struct faulty *f = faulty_of(s);
    enum faulty_fault fault;
    int code = before(f, FAULTY_COUNT, &fault, why);
    return code == 0 ? f->inner->ops->count(f->inner, counts, why) : code;
}

static void faulty_usage(struct store *s, struct store_usage *usage) {
    struct faulty *f = faulty_of(s);
    f->inner->ops->usage(f->inner, usage);
}

static void faulty_close(struct store *s) {
    struct faulty *f = faulty_of(s);
    store_close(f->inner);
    free(f->rules);
    free(f);
}

int faulty_new(struct store *inner, const struct faulty_plan *plan, struct store **out, struct why *why) {
    struct faulty *f = calloc(1, sizeof *f);
    struct faulty_rule *rules = calloc(plan->rule_count + 1, sizeof *rules);
    uint64_t sum = 0;
    for (enum faulty_fault fault = FAULTY_NONE + 1; fault < FAULTY_FAULTS; fault++)
        sum += plan->per_million[fault];
    assert(sum <= 1000000);
    if (f == NULL || rules == NULL) {
        free(f);
        free(rules);
        return why_set(why, ERR_MEMORY, "no memory for a faulty store");
    }
    if (plan->rule_count > 0)
        memcpy(rules, plan->rules, plan->rule_count * sizeof *rules);
    f->head = (struct store){ .ops = &faulty_ops, .key_seed = inner->key_seed };
    f->inner = inner;
    f->plan = *plan;
    f->rules = rules;
    f->streams[0].state = plan->seed;
    f->streams[1].state = ~plan->seed;
    *out = &f->head;
    return 0;
}

uint64_t faulty_count(const struct store *s, enum faulty_fault fault) {
    assert(s->ops == &faulty_ops);
    assert(fault < FAULTY_FAULTS);
    return ((const struct faulty *)s)->faults[fault];
}

static const struct store_ops faulty_ops = {
    .name = "faulty",
    .recover = faulty_recover,
    .append = faulty_append,
    .trim = faulty_trim,
    .fold = faulty_fold,
    .find = faulty_find,
    .scan = faulty_scan,
    .keys = faulty_keys,
    .purge = faulty_purge,
    .count = faulty_count_rows,
    .usage = faulty_usage,
    .close = faulty_close,
};
