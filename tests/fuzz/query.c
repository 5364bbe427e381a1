/* Query strings: refused with a problem that renders, or read as something within its limits; a cursor that
 * is handed out is taken back. */
#include "fuzz.h"

#include <string.h>

#include "base/limits.h"
#include "protocol/query.h"

static void again(const struct query *q, struct arena *arena) {
    struct buffer text;
    struct query next;
    struct problem problem;
    buffer_init(&text, 4096);
    buffer_add_text(&text, q->oldest_first ? "sort=created&cursor=" : "cursor=");
    query_add_cursor(q->cursor, q->oldest_first, &text);
    FUZZ_CHECK(query_decode(buffer_slice(&text), QUERY_LIST, SLICE("default"), 1767780000000, arena, &next,
                            &problem) == 0);
    FUZZ_CHECK(next.has_cursor && next.cursor == q->cursor && next.oldest_first == q->oldest_first);
    buffer_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_of((const char *)data, size);
    struct arena arena;
    arena_init(&arena, 4096, 16 << 20);
    for (int kind = QUERY_NONE; kind < QUERY_KIND_COUNT; kind++) {
        struct query q;
        struct problem problem;
        memset(&q, 0, sizeof q);
        memset(&problem, 0, sizeof problem);
        if (query_decode(text, (enum query_kind)kind, SLICE("default"), 1767780000000, &arena, &q,
                         &problem) != 0) {
            struct buffer out;
            struct json_value root;
            buffer_init(&out, 1 << 20);
            problem_render(&problem, SLICE("/v1/transactions"), SLICE_NONE, &out);
            FUZZ_CHECK(json_check(buffer_slice(&out), &root, NULL) == 0);
            buffer_done(&out);
            continue;
        }
        FUZZ_CHECK(q.wait_ms <= LIMIT_WAIT_MS);
        FUZZ_CHECK(q.filter.label_count <= QUERY_LABELS_MAX);
        if (kind == QUERY_LIST || kind == QUERY_PAGE)
            FUZZ_CHECK(q.limit >= 1 && q.limit <= LIMIT_PAGE);
        if (kind == QUERY_LIST && q.has_cursor)
            again(&q, &arena);
    }
    arena_done(&arena);
    return 0;
}
