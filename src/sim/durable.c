#include "sim/durable.h"

#include "base/hash.h"
#include "sim/post.h"
#include "sim/world.h"

uint64_t durable_digest(const struct transaction *t) {
    struct image_cursor cursor;
    struct slice bytes;
    uint64_t digest = 0;

    transaction_records(t, &cursor);
    while (transaction_next_record(&cursor, &bytes))
        digest = digest * UINT64_C(0x100000001b3) ^ hash_stable(bytes);
    return digest;
}

struct durable durable_of_plan(const struct plan *p) {
    return (struct durable){ .gid = p->gid,
                             .kind = STORED_TRANSACTION,
                             .id = p->witness.id,
                             .purged_id = p->purged_id,
                             .seq = p->witness.seq,
                             .digest = p->witness.digest,
                             .decision = p->witness.decision,
                             .status = p->witness.status };
}

struct durable durable_of_post(const struct post *p) {
    return (struct durable){ .gid = p->gid,
                             .kind = mode_kind(p->mode),
                             .id = p->witness.id,
                             .purged_id = p->purged_id,
                             .seq = p->witness.seq,
                             .digest = p->witness.digest,
                             .decision = p->witness.decision,
                             .status = p->witness.status };
}

void durable_untrue(struct world *w, const struct ask *ask, const struct told *told, const char *invariant,
                    const char *sentence) {
    struct slice gid = ask->post != NULL ? ask->post->gid : ask->plan->gid;

    world_fail(w, FAILURE_CORRECTNESS, invariant, "%.*s: answer %u to event %u: %s", SLICE_PRINT(gid),
               told->kind, ask->kind, sentence);
}

void durable_check_told(struct world *w, struct durable d, struct shown *shown, const struct ask *ask,
                        const struct told *told) {
    if (!told->has) {
        if (told->kind == REPLY_NOT_FOUND && shown->id != 0 && shown->id == d.id && d.purged_id != shown->id)
            durable_untrue(w, ask, told, "I-G4", "not found, but it was told to be there");
        return;
    }
    if (told->id != d.id) {
        if (told->id != d.purged_id)
            durable_untrue(w, ask, told, "I-G2", "it shows something that is not durable");
        return;
    }
    if (told->seq > d.seq)
        durable_untrue(w, ask, told, "I-G2", "it shows more than is durable");
    if (told->decision != DECISION_NONE && told->decision != d.decision)
        durable_untrue(w, ask, told, "I-G1", "it shows another decision");
    if (shown->id == told->id) {
        if (told->seq < shown->seq)
            durable_untrue(w, ask, told, "G12", "it shows less than an earlier answer");
        if (shown->decision != DECISION_NONE && told->decision != shown->decision)
            durable_untrue(w, ask, told, "I-G1", "an earlier answer told another decision");
        if (shown->status != 0 && told->status != shown->status)
            durable_untrue(w, ask, told, "I-G8", "an earlier answer told another end");
    }
    *shown = (struct shown){ .id = told->id,
                             .seq = told->seq,
                             .decision = told->decision,
                             .status = status_is_final(told->status) ? told->status : 0 };
}

void durable_check_recovered(struct world *w, struct durable d, const struct engine *e) {
    const struct transaction *t = engine_find(e, d.kind, SLICE("default"), d.gid);
    const struct stored_row *row;

    if (d.id == 0 || d.id == d.purged_id) {
        if (t != NULL)
            world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s comes back from nowhere", SLICE_PRINT(d.gid));
        return;
    }
    if (t == NULL) {
        row = sim_store_row(&w->store, d.kind, d.id);
        if (row == NULL || !row->final || row->seq != d.seq)
            world_fail(w, FAILURE_CORRECTNESS, "I-G4", "%.*s is lost: %u durable records", SLICE_PRINT(d.gid),
                       d.seq);
        return;
    }
    if (t->id != d.id || t->seq != d.seq || durable_digest(t) != d.digest)
        world_fail(w, FAILURE_CORRECTNESS, "I-G2", "%.*s comes back with %u records, %u are durable",
                   SLICE_PRINT(d.gid), t->seq, d.seq);
    if (t->decision != d.decision || t->status != d.status)
        world_fail(w, FAILURE_CORRECTNESS, "I-G1", "%.*s comes back as %s, was %s", SLICE_PRINT(d.gid),
                   status_word(t->status), status_word(d.status));
}
