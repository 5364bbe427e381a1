#include "model/record.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "base/leb128.h"
#include "base/limits.h"
#include "model/message_request.h"

enum field_type {
    FIELD_END = 0,
    FIELD_U8,
    FIELD_U16,
    FIELD_U32,
    FIELD_U64,
    FIELD_BYTES,
};

struct field {
    uint8_t type;
    uint16_t offset;
};

#define AT(type_, name) \
    { FIELD_##type_, offsetof(struct record, name) }

/* One line a kind: its fields in the order of the bytes, after the kind itself and the time. A request or a
 * branch follows at the end. */
static const struct field fields[RECORD_KIND_END][12] = {
    [RECORD_CREATED] = { AT(U64, id), AT(U64, until_ms) },
    [RECORD_BRANCH] = { { FIELD_END, 0 } },
    [RECORD_FILLED] = { AT(U16, branch), AT(BYTES, text) },
    [RECORD_ALLOWED] = { AT(U16, branch), AT(U8, role), AT(U32, attempt), AT(U64, next_ms) },
    [RECORD_OUTCOME] = { AT(U16, branch), AT(U8, role), AT(U32, attempt), AT(U8, verdict), AT(U16, http),
                         AT(U32, took_ms), AT(U64, next_ms), AT(U8, flags), AT(BYTES, text) },
    [RECORD_DECIDED] = { AT(U8, decision), AT(U8, cause), AT(U16, branch), AT(U8, role), AT(BYTES, text),
                         AT(BYTES, who) },
    [RECORD_FINISHED] = { AT(U8, status) },
    [RECORD_SUSPENDED] = { AT(BYTES, text), AT(BYTES, who) },
    [RECORD_RESUMED] = { AT(BYTES, text), AT(BYTES, who) },
    [RECORD_RESOLVED] = { AT(U16, branch), AT(U8, role), AT(U8, flags), AT(BYTES, text), AT(BYTES, who) },
    [RECORD_NUDGED] = { AT(U16, branch), AT(U8, role), AT(U64, next_ms), AT(BYTES, text), AT(BYTES, who) },
    [RECORD_FORCED] = { AT(U8, status), AT(BYTES, text), AT(BYTES, who) },
    [RECORD_DELIVERY] = { AT(U64, id), AT(U64, next_ms), AT(BYTES, text) },
    [RECORD_SENT] = { AT(U8, made), AT(U16, branch), AT(BYTES, text), AT(BYTES, who) },
};

enum branch_bit {
    BRANCH_BIT_PIVOT = 1,
    BRANCH_BIT_CANCEL_ALWAYS = 2,
    BRANCH_BIT_HAS_REFERENCES = 4,
    BRANCH_BIT_REFERENCED = 8,
};

/* Beside enum drive: messages and notifications of its own stand behind the branches. */
enum {
    DRIVE_BIT_OUTGOING = 2,
};

static uint64_t number_of(const struct record *r, struct field f) {
    const char *at = (const char *)r + f.offset;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (f.type) {
    case FIELD_U8:
        return *(const uint8_t *)at;
    case FIELD_U16:
        return memcpy(&u16, at, sizeof u16), u16;
    case FIELD_U32:
        return memcpy(&u32, at, sizeof u32), u32;
    default:
        return memcpy(&u64, at, sizeof u64), u64;
    }
}

static void encode_branch(struct buffer *to, const struct branch_request *b) {
    unsigned bits = (b->pivot ? BRANCH_BIT_PIVOT : 0) | (b->cancel_always ? BRANCH_BIT_CANCEL_ALWAYS : 0) |
                    (b->has_references ? BRANCH_BIT_HAS_REFERENCES : 0) |
                    (b->referenced ? BRANCH_BIT_REFERENCED : 0);
    leb128_put_bytes(to, b->id);
    leb128_put(to, bits);
    for (int role = 0; role < ROLE_COUNT; role++) {
        leb128_put_bytes(to, b->to[role].url);
        leb128_put(to, b->to[role].timeout_ms);
    }
    leb128_put_bytes(to, b->body);
    leb128_put(to, b->after_count);
    for (size_t i = 0; i < b->after_count; i++)
        leb128_put(to, b->after[i]);
    leb128_put(to, b->retry.first_ms);
    leb128_put(to, b->retry.factor_percent);
    leb128_put(to, b->retry.max_ms);
    leb128_put(to, b->retry.for_ms);
    leb128_put(to, b->retry.then);
}

static void encode_request(struct buffer *to, const struct transaction_request *q) {
    leb128_put_bytes(to, q->namespace_name);
    leb128_put_bytes(to, q->gid);
    leb128_put(to, q->mode);
    leb128_put(to, q->drive | (q->outgoing_count > 0 ? DRIVE_BIT_OUTGOING : 0u));
    leb128_put_bytes(to, q->name);
    leb128_put_bytes(to, q->principal);
    leb128_put(to, q->deadline_ms);
    buffer_add(to, q->fingerprint, sizeof q->fingerprint);
    labels_encode(to, q->labels, q->label_count);
    leb128_put(to, q->branch_count);
    for (size_t i = 0; i < q->branch_count; i++)
        encode_branch(to, &q->branches[i]);
    if (q->message != NULL)
        message_request_encode(to, q->message);
    if (q->outgoing_count > 0)
        outgoing_request_encode(to, q->outgoing, q->outgoing_count);
}

void record_encode(struct buffer *to, const struct record *r) {
    assert(r->kind > 0);
    assert(r->kind < RECORD_KIND_END);
    buffer_add_byte(to, (char)r->kind);
    leb128_put(to, r->at_ms);
    for (const struct field *f = fields[r->kind]; f->type != FIELD_END; f++) {
        if (f->type == FIELD_BYTES)
            leb128_put_bytes(to, *(const struct slice *)(const void *)((const char *)r + f->offset));
        else
            leb128_put(to, number_of(r, *f));
    }
    if (r->kind == RECORD_CREATED)
        encode_request(to, r->request);
    if (r->kind == RECORD_BRANCH)
        encode_branch(to, r->added);
}

static int decode_branch(struct leb128_cursor *c, struct arena *arena, struct branch_request *b) {
    b->id = leb128_take_bytes(c);
    uint64_t bits = leb128_take_upto(c, 15);
    b->pivot = (bits & BRANCH_BIT_PIVOT) != 0;
    b->cancel_always = (bits & BRANCH_BIT_CANCEL_ALWAYS) != 0;
    b->has_references = (bits & BRANCH_BIT_HAS_REFERENCES) != 0;
    b->referenced = (bits & BRANCH_BIT_REFERENCED) != 0;
    for (int role = 0; role < ROLE_COUNT; role++) {
        b->to[role].url = leb128_take_bytes(c);
        b->to[role].timeout_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    }
    b->body = leb128_take_bytes(c);
    b->after_count = (uint16_t)leb128_take_upto(c, UINT16_MAX);
    if (c->failed || b->after_count > c->left.length)
        return ERR_CORRUPT;
    uint16_t *after = arena_take_array(arena, b->after_count, sizeof *after);
    if (after == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < b->after_count; i++)
        after[i] = (uint16_t)leb128_take_upto(c, UINT16_MAX);
    b->after = after;
    b->retry.first_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    b->retry.factor_percent = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    b->retry.max_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    b->retry.for_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    b->retry.then = (uint8_t)leb128_take_upto(c, GIVE_UP_ATTENTION);
    return c->failed ? ERR_CORRUPT : 0;
}

static int decode_request(struct leb128_cursor *c, struct arena *arena, struct transaction_request *q,
                          const uint8_t **fingerprint_at) {
    q->namespace_name = leb128_take_bytes(c);
    q->gid = leb128_take_bytes(c);
    q->mode = (uint8_t)leb128_take_upto(c, MODE_END - 1);
    uint64_t drive = leb128_take_upto(c, DRIVE_CLIENT | DRIVE_BIT_OUTGOING);
    bool has_outgoing = (drive & DRIVE_BIT_OUTGOING) != 0;
    q->drive = (uint8_t)(drive & DRIVE_CLIENT);
    q->name = leb128_take_bytes(c);
    q->principal = leb128_take_bytes(c);
    q->deadline_ms = (uint32_t)leb128_take_upto(c, UINT32_MAX);
    struct slice fingerprint = leb128_take_exactly(c, sizeof q->fingerprint);
    int result = labels_decode(c, arena, &q->labels, &q->label_count);
    if (result != 0)
        return result;
    q->branch_count = (uint16_t)leb128_take_upto(c, UINT16_MAX);
    if (c->failed || q->mode == 0 || q->branch_count > c->left.length)
        return ERR_CORRUPT;
    memcpy(q->fingerprint, fingerprint.at, sizeof q->fingerprint);
    *fingerprint_at = (const uint8_t *)fingerprint.at;
    struct branch_request *branches = arena_take_array(arena, q->branch_count, sizeof *branches);
    if (branches == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < q->branch_count; i++) {
        result = decode_branch(c, arena, &branches[i]);
        if (result != 0)
            return result;
    }
    q->branches = branches;
    if (c->failed)
        return ERR_CORRUPT;
    if (q->mode == MODE_MESSAGE || q->mode == MODE_NOTICE)
        return message_request_decode(c, arena, &q->message);
    return has_outgoing ? outgoing_request_decode(c, arena, &q->outgoing, &q->outgoing_count) : 0;
}

static void take_number(struct leb128_cursor *c, struct record *r, struct field f) {
    char *at = (char *)r + f.offset;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (f.type) {
    case FIELD_U8:
        *(uint8_t *)at = (uint8_t)leb128_take_upto(c, UINT8_MAX);
        break;
    case FIELD_U16:
        u16 = (uint16_t)leb128_take_upto(c, UINT16_MAX);
        memcpy(at, &u16, sizeof u16);
        break;
    case FIELD_U32:
        u32 = (uint32_t)leb128_take_upto(c, UINT32_MAX);
        memcpy(at, &u32, sizeof u32);
        break;
    default:
        u64 = leb128_take(c);
        memcpy(at, &u64, sizeof u64);
    }
}

/* A request or a branch at the end of its record. */
static int decode_tail(struct leb128_cursor *c, struct arena *arena, struct record *r) {
    if (r->kind == RECORD_CREATED) {
        struct transaction_request *request = arena_take(arena, sizeof *request);
        r->request = request;
        return request == NULL ? ERR_MEMORY : decode_request(c, arena, request, &r->fingerprint);
    }
    if (r->kind == RECORD_BRANCH) {
        struct branch_request *added = arena_take(arena, sizeof *added);
        r->added = added;
        return added == NULL ? ERR_MEMORY : decode_branch(c, arena, added);
    }
    return 0;
}

int record_decode(struct slice bytes, struct arena *arena, struct record *out) {
    struct leb128_cursor c = { .left = bytes };
    struct record r = { 0 };
    r.kind = (uint8_t)leb128_take_upto(&c, RECORD_KIND_END - 1);
    if (c.failed || r.kind == 0)
        return ERR_CORRUPT;
    r.at_ms = leb128_take(&c);
    for (const struct field *f = fields[r.kind]; f->type != FIELD_END && c.left.length > 0; f++) {
        if (f->type == FIELD_BYTES)
            *(struct slice *)(void *)((char *)&r + f->offset) = leb128_take_bytes(&c);
        else
            take_number(&c, &r, *f);
    }
    if (c.failed)
        return ERR_CORRUPT;
    int result = decode_tail(&c, arena, &r);
    if (result != 0)
        return result;
    if (c.left.length != 0 || r.role >= ROLE_COUNT || r.verdict >= VERDICT_COUNT ||
        r.decision > DECISION_ROLLBACK)
        return ERR_CORRUPT;
    *out = r;
    return 0;
}

void record_frame(struct buffer *to, struct slice bytes) {
    leb128_put_bytes(to, bytes);
}

int record_unframe(struct slice *from, struct slice *bytes) {
    struct leb128_cursor c = { .left = *from };
    struct slice taken = leb128_take_bytes(&c);
    if (c.failed)
        return ERR_CORRUPT;
    *from = c.left;
    *bytes = taken;
    return 0;
}

static const char *word_in(const char *const *words, size_t count, size_t index) {
    return index < count && words[index] != NULL ? words[index] : "?";
}

#define WORD_IN(words, index) word_in(words, sizeof(words) / sizeof *(words), index)

const char *record_word(uint8_t kind) {
    static const char *const words[] = {
        [RECORD_CREATED] = "created",   [RECORD_BRANCH] = "branch",       [RECORD_FILLED] = "filled",
        [RECORD_ALLOWED] = "allowed",   [RECORD_OUTCOME] = "outcome",     [RECORD_DECIDED] = "decided",
        [RECORD_FINISHED] = "finished", [RECORD_SUSPENDED] = "suspended", [RECORD_RESUMED] = "resumed",
        [RECORD_RESOLVED] = "resolved", [RECORD_NUDGED] = "nudged",       [RECORD_FORCED] = "forced",
        [RECORD_DELIVERY] = "delivery", [RECORD_SENT] = "sent",
    };
    return WORD_IN(words, kind);
}

const char *cause_word(uint8_t cause) {
    static const char *const words[] = {
        [CAUSE_NONE] = "none",       [CAUSE_ALL_DONE] = "all-done", [CAUSE_PIVOT] = "pivot",
        [CAUSE_REFUSED] = "refused", [CAUSE_PATIENCE] = "patience", [CAUSE_DEADLINE] = "deadline",
        [CAUSE_CLIENT] = "client",   [CAUSE_OPERATOR] = "operator", [CAUSE_CHECK] = "check",
    };
    return WORD_IN(words, cause);
}

bool cause_is_by_hand(uint8_t cause) {
    return cause == CAUSE_CLIENT || cause == CAUSE_OPERATOR;
}

const char *decision_word(uint8_t decision) {
    static const char *const words[] = {
        [DECISION_NONE] = "none",
        [DECISION_COMMIT] = "commit",
        [DECISION_ROLLBACK] = "rollback",
    };
    return WORD_IN(words, decision);
}

const char *verdict_word(uint8_t verdict) {
    static const char *const words[] = {
        [VERDICT_NONE] = "none",
        [VERDICT_DONE] = "done",
        [VERDICT_REFUSED] = "refused",
        [VERDICT_WORKING] = "working",
        [VERDICT_SLOW_DOWN] = "slow-down",
        [VERDICT_UNKNOWN] = "unknown",
        [VERDICT_NOT_SENT] = "not-sent",
        [VERDICT_FORBIDDEN] = "forbidden",
        [VERDICT_INTERRUPTED] = "interrupted",
        [VERDICT_STALE] = "stale",
    };
    return WORD_IN(words, verdict);
}
