#include "sim/sim_taken_back.h"

#include <stdlib.h>

#include "engine/mutant.h"
#include "sim/sometimes.h"

void taken_back_done(struct taken_back *t) {
    free(t->ids);
    *t = (struct taken_back){ 0 };
}

/* Each set lies behind the one before it: whatever begins later has a greater id. */
void taken_back_note(struct taken_back *t, struct id_set set) {
    while (t->count + set.count > t->capacity) {
        t->capacity = t->capacity == 0 ? 64 : t->capacity * 2;
        t->ids = realloc(t->ids, t->capacity * sizeof *t->ids);
        if (t->ids == NULL)
            abort();
    }
    for (size_t i = 0; i < set.count; i++) {
        if (t->count > 0 && t->ids[t->count - 1] >= set.ids[i])
            abort();
        t->ids[t->count++] = set.ids[i];
    }
}

bool taken_back_has(const struct taken_back *t, uint64_t id) {
    return id_set_has((struct id_set){ .ids = t->ids, .count = t->count }, id);
}

size_t taken_back_sort_out(struct sim_turn *turn, struct id_set set, struct outgoing *told) {
    size_t kept = 0, count = 0;

    for (size_t i = 0; i < turn->outgoing_count; i++) {
        struct outgoing out = turn->outgoing[i];

        if (!out.told.has || !id_set_has(set, out.told.id)) {
            turn->outgoing[kept++] = out;
            continue;
        }
        if (out.told.kind != REPLY_ACCEPTED)
            SOMETIMES(taken_back_shown);
        if (!MUTANT(taken_back_accepted))
            out.told = (struct told){
                .kind = out.ask->kind == EVENT_SHOW ? REPLY_NOT_FOUND : TOLD_TAKEN_BACK,
                .event = out.told.event,
                .id = out.told.id,
            };
        told[count++] = out;
    }
    turn->outgoing_count = kept;
    return count;
}
