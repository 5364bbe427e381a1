/* Frames and headers of RocketMQ: the same frame whether it comes whole or byte by byte, and what was read is
 * what is written, in both spellings. */
#include "fuzz.h"

#include <string.h>

#include "wire/rocketmq_frame.h"
#include "wire/rocketmq_message.h"

#define MAX_BYTES 16384

static void same_slice(struct slice a, struct slice b) {
    FUZZ_CHECK(a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0));
}

static void same_command(const struct rocketmq_command *a, const struct rocketmq_command *b) {
    FUZZ_CHECK(a->code == b->code && a->language == b->language && a->version == b->version);
    FUZZ_CHECK(a->opaque == b->opaque && a->flag == b->flag && a->field_count == b->field_count);
    same_slice(a->remark, b->remark);
    for (size_t i = 0; i < a->field_count; i++) {
        same_slice(a->fields[i].name, b->fields[i].name);
        same_slice(a->fields[i].value, b->fields[i].value);
    }
}

static void write_and_read(const struct rocketmq_command *c, enum rocketmq_spelling spelling) {
    struct buffer out;
    struct arena arena;
    struct rocketmq_frame frame;
    struct rocketmq_command again;
    size_t taken;
    buffer_init(&out, 1 << 20);
    arena_init(&arena, 4096, 1 << 20);
    int code = rocketmq_frame_encode(&out, c, spelling, 0);
    FUZZ_CHECK(code == 0 || (spelling == ROCKETMQ_BINARY && code == ERR_LIMIT));
    if (code == 0) {
        FUZZ_CHECK(rocketmq_frame_decode(buffer_slice(&out), 1 << 20, &frame, &taken, NULL) == 0);
        FUZZ_CHECK(taken == out.length && frame.body.length == 0 && frame.spelling == spelling);
        FUZZ_CHECK(rocketmq_header_decode(&frame, &arena, &again, NULL) == 0);
        same_command(c, &again);
    }
    arena_done(&arena);
    buffer_done(&out);
}

static void walk_properties(struct slice properties) {
    struct slice value = rocketmq_property_value(properties, "UNIQ_KEY");
    struct buffer out;
    buffer_init(&out, 1 << 20);
    rocketmq_property_add(&out, SLICE("UNIQ_KEY"), value);
    if (value.length > 0) {
        struct slice again = rocketmq_property_value(buffer_slice(&out), "UNIQ_KEY");
        FUZZ_CHECK(again.length >= value.length || slice_find(value, 0x01) < value.length);
        FUZZ_CHECK(slice_find(again, 0x01) == again.length);
    }
    buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_of((const char *)data, size);
    struct rocketmq_frame frame = { .spelling = 0 };
    struct rocketmq_command c;
    struct why why = { "" };
    size_t taken = 0;
    int code = rocketmq_frame_decode(input, MAX_BYTES, &frame, &taken, &why);
    for (size_t shown = 0; shown < size && shown < 16; shown++) {
        struct rocketmq_frame cut;
        size_t cut_taken;
        int cut_code = rocketmq_frame_decode(slice_upto(input, shown), MAX_BYTES, &cut, &cut_taken, NULL);
        FUZZ_CHECK(cut_code == ERR_MORE || cut_code == code);
        FUZZ_CHECK(cut_code != ERR_MORE || cut_taken == 0 || code == ERR_SYNTAX || cut_taken == taken);
    }
    if (code != 0) {
        FUZZ_CHECK((code == ERR_MORE) == (why.text[0] == '\0'));
        return 0;
    }
    FUZZ_CHECK(taken <= size && taken <= MAX_BYTES && taken == 8 + frame.header.length + frame.body.length);
    struct arena arena;
    arena_init(&arena, 4096, 1 << 20);
    code = rocketmq_header_decode(&frame, &arena, &c, &why);
    FUZZ_CHECK((code == 0) == (why.text[0] == '\0'));
    if (code == 0) {
        write_and_read(&c, ROCKETMQ_JSON);
        write_and_read(&c, ROCKETMQ_BINARY);
        walk_properties(rocketmq_field_value(&c, "i"));
    }
    arena_done(&arena);
    return 0;
}
