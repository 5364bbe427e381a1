/* Bodies of definitions: a complaint that names something, or an outlet that keeps every promise of
 * model/definition.h, survives its record, and whose sink is a line that is read back as it was written. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "protocol/definition_form.h"
#include "wire/sink_target.h"

static int judge(void *self, struct slice url, struct why *why) {
    (void)self;
    return url.length % 5 == 4 ? why_set(why, ERR_DENIED, "not allowed") : 0;
}

static int judge_sink(void *self, struct slice line, struct why *why) {
    struct arena *arena = self;
    struct sink_target target;
    struct buffer again;
    FUZZ_CHECK(line.length <= LIMIT_URL_BYTES);
    FUZZ_CHECK(sink_target_decode(line, arena, &target, why) == 0);
    buffer_init(&again, LIMIT_URL_BYTES);
    sink_target_encode(&again, &target);
    FUZZ_CHECK(slice_equal(buffer_slice(&again), line));
    buffer_done(&again);
    return 0;
}

static void check(const struct definition *d) {
    const struct outlet *o = &d->outlet;
    struct definition back;
    struct buffer record;
    FUZZ_CHECK(d->source.length > 0 && d->source.length <= LIMIT_DEFINITION_BYTES);
    if (d->kind == DEFINITION_SUBSCRIPTION) {
        FUZZ_CHECK(o->topic.length >= 1 && o->topic.length <= LIMIT_TOPIC_BYTES);
        FUZZ_CHECK(o->concurrency >= 1 && o->concurrency <= LIMIT_CONCURRENCY);
        FUZZ_CHECK(o->timeout_ms >= LIMIT_CALL_TIMEOUT_MS_MIN && o->timeout_ms <= LIMIT_CALL_TIMEOUT_MS_MAX);
        FUZZ_CHECK(o->ack_timeout_ms >= DEFINITION_ACK_TIMEOUT_MS_MIN && o->ack_timeout_ms <= LIMIT_LEASE_MS);
        FUZZ_CHECK(o->retry.max_ms >= o->retry.first_ms && o->retry.then == GIVE_UP_ROLLBACK);
        FUZZ_CHECK(!o->park_key || o->ordered);
        FUZZ_CHECK(!slice_equal(o->refused_topic, o->topic));
    }
    buffer_init(&record, 1 << 20);
    definition_encode(&record, d);
    FUZZ_CHECK(definition_decode(buffer_slice(&record), &back) == 0);
    FUZZ_CHECK(slice_equal(back.source, d->source) && slice_equal(back.outlet.url, o->url));
    buffer_done(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct submission_options options = {
        .namespace_name = SLICE("default"),
        .call_timeout_ms = 5000,
        .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 300000 },
        .judge = judge,
        .judge_sink = judge_sink,
    };
    struct slice body = slice_of((const char *)data, size);
    struct definition d;
    struct problem problem;
    struct arena arena;
    arena_init(&arena, 65536, 64 << 20);
    options.judge_self = &arena;
    memset(&problem, 0, sizeof problem);
    for (uint8_t kind = DEFINITION_TOPIC; kind < DEFINITION_KIND_END; kind++) {
        if (definition_form_decode(kind, SLICE("name"), body, &options, &arena, &d, &problem) != 0)
            FUZZ_CHECK(problem_http(&problem) >= 400);
        else
            check(&d);
    }
    arena_done(&arena);
    return 0;
}
