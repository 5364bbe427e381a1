#include "sim/stage_request.h"

#include <assert.h>
#include <string.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "sim/stage_message.h"

struct slice stage_word(struct slice *line) {
    struct slice trimmed = slice_trim(*line);
    size_t end = slice_find(trimmed, ' ');
    struct slice word = slice_upto(trimmed, end);

    *line = slice_from(trimmed, end);
    return word;
}

/* "key=value": whether the word has this key, and its value. */
static bool is_setting(struct slice word, const char *key, struct slice *value) {
    size_t length = strlen(key);

    if (!slice_starts(word, key) || word.length <= length || word.at[length] != '=')
        return false;
    *value = slice_from(word, length + 1);
    return true;
}

static bool take_ms(struct slice value, uint32_t *out) {
    uint64_t ms;

    if (duration_parse(value, &ms) != 0 || ms > UINT32_MAX)
        return false;
    *out = (uint32_t)ms;
    return true;
}

static struct slice join(struct arena *arena, const char *a, struct slice b, const char *c, const char *d) {
    size_t length = strlen(a) + b.length + strlen(c) + strlen(d);
    char *at = arena_take(arena, length);

    assert(at != NULL);
    memcpy(at, a, strlen(a));
    memcpy(at + strlen(a), b.at, b.length);
    memcpy(at + strlen(a) + b.length, c, strlen(c));
    memcpy(at + strlen(a) + b.length + strlen(c), d, strlen(d));
    return slice_of(at, length);
}

static int index_of(const struct branch_request *branches, uint16_t count, struct slice id) {
    for (uint16_t i = 0; i < count; i++)
        if (slice_equal(branches[i].id, id))
            return i;
    return -1;
}

/* after=a,b or after=- for "at once". */
static const char *take_after(struct arena *arena, struct slice list, const struct branch_request *before,
                              uint16_t before_count, struct branch_request *b) {
    uint16_t *after = arena_take_array(arena, before_count + 1u, sizeof *after);
    uint16_t count = 0;

    assert(after != NULL);
    while (list.length > 0 && !slice_is(list, "-")) {
        size_t comma = slice_find(list, ',');
        int index = index_of(before, before_count, slice_upto(list, comma));

        if (index < 0 || count == before_count)
            return "after names an unknown branch";
        after[count++] = (uint16_t)index;
        list = slice_from(list, comma + 1);
    }
    b->after = after;
    b->after_count = count;
    return NULL;
}

static const char *take_retry(struct slice word, struct branch_request *b) {
    struct slice value;
    uint64_t number;

    if (is_setting(word, "for", &value))
        return take_ms(value, &b->retry.for_ms) ? NULL : "for=DURATION";
    if (is_setting(word, "first", &value))
        return take_ms(value, &b->retry.first_ms) ? NULL : "first=DURATION";
    if (is_setting(word, "max", &value))
        return take_ms(value, &b->retry.max_ms) ? NULL : "max=DURATION";
    if (is_setting(word, "factor", &value)) {
        if (slice_u64(value, &number) != 0)
            return "factor=PERCENT";
        b->retry.factor_percent = (uint32_t)number;
        return NULL;
    }
    if (is_setting(word, "then", &value)) {
        b->retry.then = slice_is(value, "attention") ? GIVE_UP_ATTENTION : GIVE_UP_ROLLBACK;
        return NULL;
    }
    return "unknown word of a branch";
}

static const char *take_word(struct arena *arena, struct slice word, const struct branch_request *before,
                             uint16_t before_count, struct branch_request *b) {
    struct slice value;

    if (is_setting(word, "after", &value))
        return take_after(arena, value, before, before_count, b);
    if (is_setting(word, "timeout", &value)) {
        for (int role = 0; role < ROLE_COUNT; role++)
            if (!take_ms(value, &b->to[role].timeout_ms))
                return "timeout=DURATION";
        return NULL;
    }
    if (slice_is(word, "pivot"))
        b->pivot = true;
    else if (slice_is(word, "cancel=always"))
        b->cancel_always = true;
    else if (slice_is(word, "no-undo"))
        b->to[ROLE_BACKWARD] = (struct endpoint){ 0 };
    else
        return take_retry(word, b);
    return NULL;
}

static void take_defaults(struct arena *arena, uint8_t mode, uint16_t before_count,
                          struct branch_request *b) {
    for (uint8_t role = 0; role < ROLE_COUNT; role++) {
        const char *word = operation_word(mode, role);

        if (*word == '\0')
            continue;
        b->to[role].url = join(arena, "http://", b->id, "/", word);
        b->to[role].timeout_ms = 5000;
    }
    b->retry = (struct retry_policy){ .first_ms = 1000, .factor_percent = 200, .max_ms = 300000 };
    if (mode == MODE_SAGA && before_count > 0) {
        uint16_t *after = arena_take(arena, sizeof *after);

        assert(after != NULL);
        *after = (uint16_t)(before_count - 1);
        b->after = after;
        b->after_count = 1;
    }
}

const char *stage_branch(struct arena *arena, struct slice line, uint8_t mode,
                         const struct branch_request *before, uint16_t before_count,
                         struct branch_request *out) {
    struct branch_request b = { 0 };
    struct slice word, value;

    if (!slice_is(stage_word(&line), "branch"))
        return "a branch line begins with: branch ID";
    b.id = stage_word(&line);
    take_defaults(arena, mode, before_count, &b);
    while ((word = stage_word(&line)).length > 0) {
        const char *wrong;

        if (is_setting(word, "body", &value)) { /* takes the rest of the line */
            b.body = slice_trim(slice_of(value.at, value.length + line.length));
            break;
        }
        wrong = take_word(arena, word, before, before_count, &b);
        if (wrong != NULL)
            return wrong;
    }
    *out = b;
    return NULL;
}

/* Which branches refer, and to whose answers. */
static void find_references(struct branch_request *branches, uint16_t count) {
    for (uint16_t i = 0; i < count; i++)
        for (struct slice left = branches[i].body; left.length > 0; left = slice_from(left, 1)) {
            int index;

            if (!slice_starts(left, "${"))
                continue;
            index = index_of(branches, count,
                             slice_upto(slice_from(left, 2), slice_find(slice_from(left, 2), '#')));
            if (index < 0)
                continue;
            branches[i].has_references = true;
            branches[index].referenced = true;
        }
}

static const char *take_head(struct slice *words, struct transaction_request *q) {
    struct slice word, value;

    q->gid = stage_word(words);
    word = stage_word(words);
    q->mode = slice_is(word, "saga") ? MODE_SAGA : slice_is(word, "tcc") ? MODE_TCC : 0;
    if (q->mode == 0)
        return "submit GID saga|tcc ...";
    q->deadline_ms = 60000;
    while ((word = stage_word(words)).length > 0) {
        if (slice_is(word, "client"))
            q->drive = DRIVE_CLIENT;
        else if (is_setting(word, "name", &value))
            q->name = value;
        else if (!is_setting(word, "deadline", &value) || !take_ms(value, &q->deadline_ms))
            return "unknown word of a transaction";
    }
    return NULL;
}

static const char *take_branches(struct arena *arena, struct slice lines, struct transaction_request *q) {
    struct branch_request *branches = arena_take_array(arena, LIMIT_BRANCHES, sizeof *branches);
    struct outgoing_request *outgoing = arena_take_array(arena, LIMIT_OUTGOING, sizeof *outgoing);
    uint16_t count = 0;

    assert(branches != NULL && outgoing != NULL);
    q->outgoing = outgoing;
    while (lines.length > 0 && count < LIMIT_BRANCHES && q->outgoing_count < LIMIT_OUTGOING) {
        size_t end = slice_find(lines, '\n');
        struct slice line = slice_trim(slice_upto(lines, end));
        bool sends = slice_starts(line, "send ") || slice_starts(line, "notify ");
        const char *wrong = sends ? stage_outgoing(arena, line, &outgoing[q->outgoing_count])
                                  : stage_branch(arena, line, q->mode, branches, count, &branches[count]);

        if (wrong != NULL)
            return wrong;
        count += !sends;
        q->outgoing_count += sends;
        lines = slice_from(lines, end + 1);
    }
    find_references(branches, count);
    q->branches = branches;
    q->branch_count = count;
    return NULL;
}

const char *stage_request(struct arena *arena, struct slice words, struct slice lines,
                          struct transaction_request *out) {
    struct transaction_request q = { .namespace_name = SLICE("default"), .principal = SLICE("client") };
    struct slice all = words;
    const char *wrong = take_head(&words, &q);
    uint64_t hash;

    if (wrong == NULL)
        wrong = take_branches(arena, lines, &q);
    if (wrong != NULL)
        return wrong;
    hash = hash_stable(all) ^ hash_stable(lines) << 1;
    for (size_t i = 0; i < sizeof q.fingerprint; i++)
        q.fingerprint[i] = (uint8_t)(hash >> (8 * (i % 8)));
    *out = q;
    return NULL;
}
