/* Remembered answers: what was said to an Idempotency-Key is said again for 24 hours. Source: design.md 4
 * (17). */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/leb128.h"
#include "engine/seat.h"

enum {
    REMEMBER_MS = 24 * 60 * 60 * 1000,
    RECORD_BYTES =
        256, /* of two records without key and body: this one, and that one before it is forgotten */
    SMALL_BYTES = 1024,
};

static uint64_t answer_hash(const struct engine *e, struct slice namespace_name, struct slice key) {
    return hash_seeded(e->options.hash_seed, key) ^ (hash_seeded(e->options.hash_seed, namespace_name) << 1);
}

static bool has_key(const struct answer *a, struct slice namespace_name, struct slice key) {
    return a->key.length == namespace_name.length + 1 + key.length &&
           slice_equal(slice_upto(a->key, namespace_name.length), namespace_name) &&
           slice_equal(slice_from(a->key, namespace_name.length + 1), key);
}

static struct answer *find(struct engine *e, struct slice namespace_name, struct slice key) {
    size_t cursor = 0;
    uint64_t hash = answer_hash(e, namespace_name, key);
    for (struct answer *a; (a = table_find(&e->answers, hash, &cursor)) != NULL;)
        if (has_key(a, namespace_name, key))
            return a;
    return NULL;
}

const struct remembered *engine_answer_find(struct engine *e, struct slice namespace_name, struct slice key) {
    struct answer *a = find(e, namespace_name, key);
    return a == NULL ? NULL : &a->remembered;
}

/* Fill what points into the record. */
static int read_record(struct answer *a) {
    struct leb128_cursor c = { .left = a->record };
    a->forget_ms = leb128_take(&c);
    a->key = leb128_take_bytes(&c);
    a->remembered.http = (uint16_t)leb128_take_upto(&c, 999);
    struct slice fingerprint = leb128_take_exactly(&c, sizeof a->remembered.fingerprint);
    a->remembered.body = leb128_take_bytes(&c);
    if (c.failed || c.left.length != 0)
        return ERR_CORRUPT;
    memcpy(a->remembered.fingerprint, fingerprint.at, sizeof a->remembered.fingerprint);
    return 0;
}

static void answer_free(struct engine *e, struct answer *a) {
    memory_give(&e->memory, a, sizeof *a + a->record.length);
}

static int answer_new(struct engine *e, uint64_t id, struct slice record, struct answer **out) {
    if (table_reserve(&e->answers) != 0 || order_reserve(&e->answers_by_id) != 0 ||
        due_heap_reserve(&e->answers_due, e->answers.count + 1) != 0)
        return ERR_MEMORY;
    struct answer *a = memory_take(&e->memory, sizeof *a + record.length);
    if (a == NULL)
        return ERR_MEMORY;
    memcpy(a + 1, record.at, record.length);
    a->record = slice_of((const char *)(a + 1), record.length);
    a->thing = (struct thing){ .kind = STORED_ANSWER, .id = id, .seq = 1 };
    a->due.rank = id;
    int result = read_record(a);
    size_t separator = slice_find(a->key, '\0');
    if (result != 0 || separator == a->key.length) {
        answer_free(e, a);
        return ERR_CORRUPT;
    }
    a->table_hash = answer_hash(e, slice_upto(a->key, separator), slice_from(a->key, separator + 1));
    table_add(&e->answers, a->table_hash, a);
    order_add(&e->answers_by_id, id, a);
    due_set(&e->answers_due, &a->due, a->forget_ms);
    *out = a;
    return 0;
}

static void leave_table(struct engine *e, struct answer *a) {
    if (a->due.place == 0)
        return;
    due_clear(&e->answers_due, &a->due);
    table_remove(&e->answers, a->table_hash, a);
    order_remove(&e->answers_by_id, a->thing.id);
}

/* The second and last record says that it is forgotten; its row becomes final, and retention may remove it.
 */
static void forget(struct engine *e, struct answer *a, struct effects *effects) {
    leave_table(e, a);
    a->thing.seq = 2;
    a->thing.complete = true;
    thing_put(e, effects, &a->thing, SLICE("-"));
}

/* What is small always finds room beside the act it belongs to: the line that a turn may cross is far below
 * the end of its buffer. What is large must not fill the turn. */
static bool has_room(const struct effects *effects, size_t bytes) {
    if (bytes > SMALL_BYTES)
        return !batch_is_full(effects, bytes);
    return effects->entries.length + bytes <= effects->entries.max;
}

int engine_answer_save(struct engine *e, struct slice namespace_name, struct slice key,
                       const struct remembered *answer, uint64_t now_ms, struct effects *effects) {
    struct buffer *record = &e->record;
    struct answer *a;
    if (!has_room(effects, answer->body.length + namespace_name.length + key.length + RECORD_BYTES))
        return ERR_LIMIT;
    buffer_clear(record);
    leb128_put(record, now_ms + REMEMBER_MS);
    leb128_put(record, namespace_name.length + 1 + key.length);
    buffer_add_slice(record, namespace_name);
    buffer_add_byte(record, '\0');
    buffer_add_slice(record, key);
    leb128_put(record, answer->http);
    buffer_add(record, answer->fingerprint, sizeof answer->fingerprint);
    leb128_put_bytes(record, answer->body);
    if (buffer_failed(record) != 0)
        return ERR_MEMORY;
    uint64_t id = now_ms << 16;
    if (id <= e->answer_id)
        id = e->answer_id + 1;
    struct answer *before = find(e, namespace_name, key);
    int result = answer_new(e, id, buffer_slice(record), &a);
    if (result != 0)
        return result;
    e->answer_id = id;
    a->remembered.about = answer->about;
    if (before != NULL)
        forget(e, before, effects);
    thing_put(e, effects, &a->thing, a->record);
    return 0;
}

void answer_drop(struct engine *e, struct answer *a) {
    leave_table(e, a);
    thing_clean(e, &a->thing);
    answer_free(e, a);
}

bool answer_is_about(const struct engine *e, uint64_t id, struct id_set set) {
    const struct answer *a = order_find(&e->answers_by_id, id);
    return a != NULL && id_set_has(set, a->remembered.about);
}

void answers_forget(struct engine *e, uint64_t now_ms, struct effects *effects) {
    struct due *due;
    while ((due = due_first(&e->answers_due)) != NULL && due->at_ms <= now_ms &&
           !batch_is_full(effects, 64)) {
        forget(e, CHAIN_OWNER(due, struct answer, due), effects);
    }
}

int answer_recover(struct engine *e, uint64_t batch, uint64_t id, uint32_t seq, struct slice record) {
    struct answer *a = NULL;
    int result = 0;
    if (seq == 1 && id <= e->answer_id && order_find(&e->answers_by_id, id) != NULL)
        return 0; /* its row is there already */
    if (seq == 1) {
        result = answer_new(e, id, record, &a);
        if (result == 0 && id > e->answer_id)
            e->answer_id = id;
    } else {
        a = order_find(&e->answers_by_id, id);
        if (a == NULL)
            return 0;
        leave_table(e, a);
        a->thing.seq = seq;
        a->thing.complete = true;
    }
    if (result == 0 && batch > 0)
        thing_dirty(e, &a->thing, batch);
    return result;
}
