/* Journal batches, records and images of any bytes: never more than ERR_CORRUPT; what is accepted keeps every
 * invariant of a transaction, and its image loads again to the same bytes. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "model/journal.h"
#include "model/record.h"
#include "model/transaction.h"

static void round_trip(struct slice bytes, struct arena *arena) {
    struct record record;
    if (record_decode(bytes, arena, &record) != 0)
        return;
    struct buffer out;
    buffer_init(&out, 16 << 20);
    record_encode(&out, &record);
    struct record again;
    FUZZ_CHECK(buffer_failed(&out) == 0);
    FUZZ_CHECK(record_decode(buffer_slice(&out), arena, &again) == 0);
    FUZZ_CHECK(record.kind == again.kind && record.at_ms == again.at_ms);
    buffer_done(&out);
}

static void load_again(const struct transaction *t, struct arena *arena) {
    struct memory memory;
    struct transaction copy;
    struct buffer image;
    struct buffer second;
    buffer_init(&image, 64 << 20);
    buffer_init(&second, 64 << 20);
    memory_init(&memory, 256 << 20);
    transaction_image(t, &image);
    FUZZ_CHECK(transaction_load(&copy, buffer_slice(&image), &memory, arena) == 0);
    transaction_check(&copy);
    FUZZ_CHECK(copy.seq == t->seq && copy.status == t->status && copy.decision == t->decision);
    transaction_image(&copy, &second);
    FUZZ_CHECK(slice_equal(buffer_slice(&image), buffer_slice(&second)));
    transaction_done(&copy);
    memory_done(&memory);
    buffer_done(&image);
    buffer_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 65536)
        return 0;
    struct arena arena;
    struct memory memory;
    struct transaction t;
    arena_init(&arena, 65536, 64 << 20);
    memory_init(&memory, 256 << 20);
    transaction_init(&t, &memory);
    struct slice rest = slice_of((const char *)data, size);
    struct slice frame;
    while (rest.length > 0 && record_unframe(&rest, &frame) == 0) {
        round_trip(frame, &arena);
        uint32_t seq = t.seq;
        int code = transaction_apply(&t, frame, &arena);
        FUZZ_CHECK(t.seq == (code == 0 ? seq + 1 : seq));
        if (t.seq > 0)
            transaction_check(&t);
    }
    if (t.seq > 0)
        load_again(&t, &arena);
    transaction_done(&t);
    memory_done(&memory);
    struct stored_entry entry;
    rest = slice_of((const char *)data, size);
    while (rest.length > 0 && journal_decode(&rest, &entry) == 0)
        round_trip(entry.record, &arena);
    arena_done(&arena);
    return 0;
}
