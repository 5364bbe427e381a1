/* Routes of RocketMQ: what was accepted can be walked, and every place is a queue of a broker that can be
 * called. */
#include "fuzz.h"

#include <string.h>

#include "wire/rocketmq_route.h"

static void walk(const struct rocketmq_route *r) {
    uint32_t queues = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct rocketmq_broker *b = &r->brokers[i];
        FUZZ_CHECK(b->port > 0 && b->host.length > 0 && b->host.length <= ROCKETMQ_HOST_BYTES);
        FUZZ_CHECK(b->queues > 0 && b->queues <= ROCKETMQ_QUEUES && b->name.length > 0);
        FUZZ_CHECK(memchr(b->host.at, '\0', b->host.length) == NULL);
        queues += b->queues;
    }
    FUZZ_CHECK(queues == r->queues);
    for (uint32_t place = 0; place < queues && place < 64; place++) {
        struct rocketmq_queue q = rocketmq_route_queue(r, place);
        FUZZ_CHECK(q.number < q.broker->queues);
        struct rocketmq_queue before = rocketmq_route_other(r, place, 1);
        FUZZ_CHECK(before.broker == q.broker && before.number == q.number);
        for (uint32_t attempt = 2; attempt < 6; attempt++) {
            q = rocketmq_route_other(r, place, attempt);
            FUZZ_CHECK(q.number < q.broker->queues);
            FUZZ_CHECK(r->count == 1 || q.broker != before.broker);
            FUZZ_CHECK(queues == 1 || q.broker != before.broker || q.number != before.number);
            before = q;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rocketmq_route route;
    struct why why = { "" };
    struct arena arena;
    arena_init(&arena, 4096, 1 << 20);
    int code = rocketmq_route_decode(slice_of((const char *)data, size), 0, &arena, &route, &why);
    FUZZ_CHECK((code == 0) == (why.text[0] == '\0'));
    if (code == 0)
        walk(&route);
    arena_done(&arena);
    return 0;
}
