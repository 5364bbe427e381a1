#include "sim/post.h"

#include <string.h>

#include "sim/world.h"

struct post *post_add(struct world *w, struct slice gid, uint8_t mode) {
    struct post *p = world_take(w, 1, sizeof *p);

    if (w->post_count == w->post_capacity) {
        uint32_t capacity = w->post_capacity == 0 ? 32 : w->post_capacity * 2;
        struct post **grown = world_take(w, capacity, sizeof *grown);

        if (w->post_count > 0)
            memcpy(grown, w->posts, w->post_count * sizeof *grown);
        w->posts = grown;
        w->post_capacity = capacity;
    }
    p->gid = gid;
    p->mode = mode;
    p->number = w->post_count;
    p->producer.dies_at = p->producer.tries_max = UINT32_MAX;
    w->posts[w->post_count++] = p;
    return p;
}

struct post *post_find(struct world *w, struct slice gid) {
    for (uint32_t i = 0; i < w->post_count; i++)
        if (slice_equal(w->posts[i]->gid, gid))
            return w->posts[i];
    return NULL;
}

struct post *post_of_id(struct world *w, uint64_t id) {
    struct post *purged = NULL;

    for (uint32_t i = 0; i < w->post_count; i++) {
        if (w->posts[i]->witness.id != id)
            continue;
        if (w->posts[i]->purged_id != id)
            return w->posts[i];
        purged = w->posts[i];
    }
    return purged;
}

struct delivery *post_delivery(const struct post *p, struct slice name) {
    for (uint32_t i = 0; i < p->witness.delivery_count; i++)
        if (slice_equal(p->witness.deliveries[i]->channel->name, name))
            return p->witness.deliveries[i];
    return NULL;
}

struct sim_channel *channel_named(struct world *w, uint8_t kind, struct slice name) {
    for (uint32_t i = 0; i < w->channel_count; i++)
        if (w->channels[i].kind == kind && slice_equal(w->channels[i].name, name))
            return &w->channels[i];
    return NULL;
}

bool post_operation_over(const struct post_operation *o) {
    return o->done || o->refused || o->resolved;
}

bool post_happened(const struct post *p) {
    return p->spawned || p->producer.local == LOCAL_COMMITTED;
}

void post_identify(struct world *w, struct post *p, uint32_t number) {
    p->number = number;
    p->request = (struct transaction_request){
        .namespace_name = SLICE("default"),
        .gid = p->gid,
        .mode = p->mode,
        .principal = SLICE("producer"),
        .message = &p->message,
        .branches = &p->branch,
        .branch_count = p->mode == MODE_NOTICE || p->producer.form != CHECK_NONE ? 1 : 0,
    };
    plan_fingerprint(p->request.fingerprint, number, 1000);
    p->other_message = p->message;
    p->other_message.body = world_text(w, "another");
    p->other = p->request;
    p->other.message = &p->other_message;
    plan_fingerprint(p->other.fingerprint, number, 1001);
}
