#include "sink/rabbitmq/rabbitmq_lane.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void rabbitmq_lanes_init(struct rabbitmq_lanes *lanes) {
    for (size_t i = 0; i < RABBITMQ_CHANNELS; i++)
        lanes->at[i].channel = (uint16_t)(i + 1);
}

void rabbitmq_lanes_done(struct rabbitmq_lanes *lanes) {
    assert(lanes->unconfirmed == 0);
    for (size_t i = 0; i < RABBITMQ_CHANNELS; i++)
        free(lanes->at[i].ring);
}

struct rabbitmq_lane *rabbitmq_lanes_find(struct rabbitmq_lanes *lanes, struct slice exchange) {
    struct rabbitmq_lane *best = NULL;
    for (size_t i = 0; i < RABBITMQ_CHANNELS; i++) {
        struct rabbitmq_lane *l = &lanes->at[i];
        if (l->ring != NULL && slice_is(exchange, l->exchange))
            return l;
        if (l->unconfirmed == 0 && (best == NULL || l->used < best->used))
            best = l;
    }
    if (best != NULL && best->ring == NULL) {
        best->ring = calloc(RABBITMQ_UNCONFIRMED, sizeof(struct rabbitmq_flight *));
        best->next = best->oldest = 1;
    }
    if (best == NULL || best->ring == NULL)
        return NULL;
    snprintf(best->exchange, sizeof best->exchange, "%.*s", SLICE_PRINT(exchange));
    return best;
}

struct rabbitmq_lane *rabbitmq_lanes_of(struct rabbitmq_lanes *lanes, uint16_t channel) {
    if (channel < 1 || channel > RABBITMQ_CHANNELS || lanes->at[channel - 1].ring == NULL)
        return NULL;
    return &lanes->at[channel - 1];
}

bool rabbitmq_lane_full(const struct rabbitmq_lane *l) {
    return l->next - l->oldest >= RABBITMQ_UNCONFIRMED;
}

void rabbitmq_lane_begin(struct rabbitmq_lane *l) {
    assert(l->unconfirmed == 0);
    l->next = l->oldest = 1;
}

void rabbitmq_lane_add(struct rabbitmq_lanes *lanes, struct rabbitmq_lane *l, struct rabbitmq_flight *f) {
    assert(!rabbitmq_lane_full(l));
    f->channel = l->channel;
    f->tag = l->next++;
    l->ring[f->tag % RABBITMQ_UNCONFIRMED] = f;
    l->unconfirmed++;
    l->used = ++lanes->published;
    lanes->unconfirmed++;
}

void rabbitmq_lane_remove(struct rabbitmq_lanes *lanes, struct rabbitmq_flight *f) {
    struct rabbitmq_lane *l = &lanes->at[f->channel - 1];
    assert(l->ring[f->tag % RABBITMQ_UNCONFIRMED] == f);
    l->ring[f->tag % RABBITMQ_UNCONFIRMED] = NULL;
    l->unconfirmed--;
    lanes->unconfirmed--;
    while (l->oldest < l->next && l->ring[l->oldest % RABBITMQ_UNCONFIRMED] == NULL)
        l->oldest++;
}

struct rabbitmq_flight *rabbitmq_lane_at(const struct rabbitmq_lane *l, uint64_t tag) {
    return tag < l->oldest || tag >= l->next ? NULL : l->ring[tag % RABBITMQ_UNCONFIRMED];
}

static bool is_meant(const struct rabbitmq_flight *f, const struct rabbitmq_event *e) {
    struct slice key = f->route.routing_key.length > 0 ? f->route.routing_key : f->message.topic;
    return !f->returned && slice_is(f->message.id, e->id) && slice_is(key, e->routing_key) &&
           slice_is(f->route.exchange, e->exchange);
}

void rabbitmq_lane_return(struct rabbitmq_lane *l, const struct rabbitmq_event *e) {
    uint64_t tag = l->oldest;
    struct rabbitmq_flight *f = NULL;
    for (; tag < l->next; tag++) {
        f = rabbitmq_lane_at(l, tag);
        if (f != NULL && is_meant(f, e))
            break;
    }
    if (tag == l->next)
        return; /* its flight was given up meanwhile */
    f->returned = true;
    if (f->route.queue)
        snprintf(f->sentence, sizeof f->sentence, "there is no queue \"%.100s\" (the broker says %u %.100s)",
                 e->routing_key, e->code, e->words);
    else
        snprintf(
            f->sentence, sizeof f->sentence,
            "no queue is bound to exchange \"%.100s\" for routing key \"%.100s\" (the broker says %u %.60s)",
            e->exchange, e->routing_key, e->code, e->words);
}
