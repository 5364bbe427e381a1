#include "model/effect.h"

#include <string.h>

#include "base/err.h"

void effects_init(struct effects *e, size_t entries_max) {
    *e = (struct effects){ 0 };
    buffer_init(&e->entries, entries_max);
    buffer_init(&e->call_bytes, SIZE_MAX / 2);
    buffer_init(&e->change_bytes, SIZE_MAX / 2);
    buffer_init(&e->pulled_bytes, SIZE_MAX / 2);
}

void effects_done(struct effects *e) {
    buffer_done(&e->entries);
    buffer_done(&e->call_bytes);
    buffer_done(&e->change_bytes);
    buffer_done(&e->pulled_bytes);
}

static void look(struct effects *e) {
    e->calls = (struct call *)(void *)e->call_bytes.at;
    e->call_count = e->call_bytes.length / sizeof(struct call);
    e->changes = (struct change *)(void *)e->change_bytes.at;
    e->change_count = e->change_bytes.length / sizeof(struct change);
    e->pulled = (struct pulled *)(void *)e->pulled_bytes.at;
    e->pulled_count = e->pulled_bytes.length / sizeof(struct pulled);
}

void effects_clear(struct effects *e) {
    buffer_clear(&e->entries);
    buffer_clear(&e->call_bytes);
    e->entry_count = 0;
    effects_clear_step(e);
}

void effects_clear_step(struct effects *e) {
    buffer_clear(&e->change_bytes);
    buffer_clear(&e->pulled_bytes);
    e->reply = (struct reply){ 0 };
    e->load = (struct load){ 0 };
    look(e);
}

int effects_call(struct effects *e, const struct call *call) {
    buffer_add(&e->call_bytes, call, sizeof *call);
    look(e);
    return buffer_failed(&e->call_bytes);
}

void effects_cut_calls(struct effects *e, size_t count) {
    buffer_cut(&e->call_bytes, count * sizeof(struct call));
    look(e);
}

bool effects_withdraw(struct effects *e, uint64_t transaction, uint16_t branch, uint8_t role) {
    for (size_t i = e->call_count; i > 0; i--) {
        struct call *call = &e->calls[i - 1];
        if (call->transaction != transaction || call->branch != branch || call->role != role)
            continue;
        memmove(call, call + 1, (e->call_count - i) * sizeof *call);
        buffer_cut(&e->call_bytes, e->call_bytes.length - sizeof *call);
        look(e);
        return true;
    }
    return false;
}

int effects_change(struct effects *e, const struct change *change) {
    buffer_add(&e->change_bytes, change, sizeof *change);
    look(e);
    return buffer_failed(&e->change_bytes);
}

int effects_pulled(struct effects *e, const struct pulled *pulled) {
    buffer_add(&e->pulled_bytes, pulled, sizeof *pulled);
    look(e);
    return buffer_failed(&e->pulled_bytes);
}
