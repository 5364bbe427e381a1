#include "protocol/message_word.h"

#include <assert.h>

static const char *const status_words[] = { "half", "committed", "rolled_back" };

static const uint32_t statuses[] = {
    1u << STATUS_ACTIVE,
    1u << STATUS_COMMITTING | 1u << STATUS_COMMITTED | 1u << STATUS_HEURISTIC_COMMIT,
    1u << STATUS_ROLLING_BACK | 1u << STATUS_ROLLED_BACK | 1u << STATUS_HEURISTIC_ROLLBACK |
        1u << STATUS_HEURISTIC_MIXED,
};

static const char *const delivery_words[DELIVERY_STATUS_COUNT] = {
    [DELIVERY_PENDING] = "pending", [DELIVERY_DELIVERING] = "delivering", [DELIVERY_RETRYING] = "retrying",
    [DELIVERY_PARKED] = "parked",   [DELIVERY_ACKED] = "acked",           [DELIVERY_REFUSED] = "refused",
    [DELIVERY_DEAD] = "dead",       [DELIVERY_DISCARDED] = "discarded",
};

const char *message_status_word(uint8_t status) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if ((statuses[i] >> status & 1) != 0)
            return status_words[i];
    assert(!"every status has a word");
    return "";
}

uint32_t message_statuses(struct slice word) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (slice_is(word, status_words[i]))
            return statuses[i];
    return 0;
}

const char *const *message_status_words(size_t *count) {
    *count = sizeof status_words / sizeof *status_words;
    return status_words;
}

enum delivery_status delivery_status(const struct transaction *t, uint16_t branch,
                                     const struct delivery_stand *stand) {
    const struct operation *o = &t->branches[branch].operation[ROLE_CONFIRM];
    switch (o->status) {
    case OPERATION_DONE:
        return DELIVERY_ACKED;
    case OPERATION_REFUSED:
        return DELIVERY_REFUSED;
    case OPERATION_DEAD:
        return DELIVERY_DEAD;
    case OPERATION_RESOLVED:
    case OPERATION_SKIPPED:
        return DELIVERY_DISCARDED;
    default:
        break;
    }
    if (o->open || stand->out)
        return DELIVERY_DELIVERING;
    if (stand->parked)
        return DELIVERY_PARKED;
    return o->attempt > 1 ? DELIVERY_RETRYING : DELIVERY_PENDING;
}

const char *delivery_status_word(enum delivery_status status) {
    assert((unsigned)status < DELIVERY_STATUS_COUNT);
    return delivery_words[status];
}

bool delivery_is_over(enum delivery_status status) {
    return status == DELIVERY_ACKED || status == DELIVERY_REFUSED || status == DELIVERY_DISCARDED;
}

const char *const *delivery_status_words(size_t *count) {
    *count = DELIVERY_STATUS_COUNT;
    return delivery_words;
}

uint32_t message_deliveries(const struct transaction *t) {
    uint32_t count = 0;
    for (size_t i = 0; i < t->branch_count; i++)
        count += branch_is_delivery(&t->branches[i]);
    return count;
}

void delivery_add_id(struct buffer *to, const struct transaction *t, struct slice subscription) {
    buffer_add_slice(to, t->gid);
    buffer_add_byte(to, '~');
    buffer_add_slice(to, subscription);
}
