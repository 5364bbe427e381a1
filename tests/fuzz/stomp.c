/* STOMP frames: a broker may be anybody. Cut anywhere they are read as the same, what is read is written back
 * and read as the same, and nothing is looked at more often than its length allows. */
#include "fuzz.h"

#include <string.h>

#include "wire/stomp.h"

struct reading {
    struct stomp_room room;
    struct stomp_frame frame;
    int code;
    size_t taken;
    size_t done;
};

/* The next frame that is none of the line ends in front of it. */
static void next_frame(struct reading *r, struct slice input, size_t step) {
    size_t shown = r->done;
    stomp_frame_init(&r->frame, &r->room);
    for (;;) {
        shown = shown + step < input.length ? shown + step : input.length;
        size_t before = r->frame.scanned;
        r->code = stomp_frame_decode(&r->frame, slice_from(slice_upto(input, shown), r->done), &r->taken);
        FUZZ_CHECK(r->frame.scanned >= before);
        if (r->code == 0) {
            FUZZ_CHECK(r->taken > 0 && r->taken <= shown - r->done);
            r->done += r->taken;
            if (r->frame.command != STOMP_HEART_BEAT)
                return;
            stomp_frame_init(&r->frame, &r->room);
        } else if (r->code != ERR_MORE || shown == input.length) {
            return;
        }
    }
}

static void same(const struct reading *a, const struct reading *b) {
    FUZZ_CHECK(a->frame.command == b->frame.command);
    FUZZ_CHECK(a->frame.header_count == b->frame.header_count);
    FUZZ_CHECK(slice_equal(a->frame.body, b->frame.body));
    for (size_t i = 0; i < a->frame.header_count; i++) {
        FUZZ_CHECK(slice_equal(a->room.headers[i].name, b->room.headers[i].name));
        FUZZ_CHECK(slice_equal(a->room.headers[i].value, b->room.headers[i].value));
    }
}

static void write_back(const struct reading *r) {
    static struct reading again;
    struct buffer out;
    bool bare = r->frame.command == STOMP_CONNECT || r->frame.command == STOMP_CONNECTED;
    FUZZ_CHECK(r->frame.header_count <= STOMP_HEADERS && r->frame.body.length <= STOMP_BODY_BYTES);
    if (bare) /* those are written by stomp_add_connect alone */
        return;
    buffer_init(&out, 4 * STOMP_FRAME_BYTES);
    stomp_add_command(&out, r->frame.command);
    for (size_t i = 0; i < r->frame.header_count; i++)
        stomp_add_header(&out, r->room.headers[i].name, r->room.headers[i].value);
    stomp_add_head_end(&out);
    FUZZ_CHECK(buffer_failed(&out) == 0);
    bool fits = out.length <= STOMP_HEAD_BYTES; /* a bare colon is written as two bytes */
    buffer_add_slice(&out, r->frame.body);
    buffer_add_slice(&out, STOMP_FRAME_END);
    memset(&again, 0, sizeof again);
    next_frame(&again, buffer_slice(&out), out.length);
    FUZZ_CHECK(again.code == (fits ? 0 : ERR_LIMIT));
    if (fits)
        same(r, &again);
    buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_of((const char *)data, size);
    static struct reading whole;
    static struct reading cut;
    uint32_t sends;
    uint32_t wants;
    memset(&whole, 0, sizeof whole);
    memset(&cut, 0, sizeof cut);
    for (;;) {
        next_frame(&whole, input, size + 1);
        next_frame(&cut, input, 1);
        FUZZ_CHECK(whole.code == cut.code);
        if (whole.code != 0) {
            FUZZ_CHECK(whole.code == ERR_MORE || whole.frame.fault == cut.frame.fault);
            FUZZ_CHECK(whole.code == ERR_MORE || whole.frame.fault != NULL);
            return 0;
        }
        FUZZ_CHECK(whole.done == cut.done);
        same(&whole, &cut);
        write_back(&whole);
        (void)stomp_heart_beat(stomp_frame_value(&whole.frame, "heart-beat"), &sends, &wants);
    }
}
