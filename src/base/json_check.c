#include "base/json.h"

#include <assert.h>
#include <string.h>

#include "base/eight.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/utf8.h"

/* The keys of all objects that are open at this point of a check, innermost last. Those of one object follow
 * each other, so closing it pops them. An object's first few keys are compared one by one; when it gets more,
 * all of them enter chains by hash. */
struct json_seen {
    struct slice key; /* decoded */
    uint64_t hash;
    uint32_t older; /* next in the chain, counted from 1; 0 ends it */
};

#define CHAINS 256
#define SEEN_FIRST 64
#define FEW 8

struct check {
    const char *begin;
    const char *at;
    const char *end;
    size_t steps;
    int failed;
    const char *say;
    unsigned depth;
    uint32_t objects; /* bit d: the container at depth d is an object */
    uint32_t keys[LIMIT_JSON_DEPTH];
    struct json_seen *seen;
    uint32_t seen_count;
    uint32_t seen_room;
    struct json_seen seen_first[SEEN_FIRST];
    uint32_t chains[CHAINS];
    struct arena arena; /* decoded keys, and seen when it outgrows seen_first */
};

_Static_assert(LIMIT_JSON_DEPTH == 32, "struct check keeps one bit for each level, and the words say 32");
_Static_assert(LIMIT_JSON_STRING_BYTES == 256 * 1024, "the words say 256 KiB");
_Static_assert(LIMIT_JSON_KEYS == 1024, "the words say 1024");

static bool fault(struct check *c, int code, const char *at, const char *say) {
    c->failed = code;
    c->at = at;
    c->say = say;
    return false;
}

static bool blank(char byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && blank(*at))
        at++;
    return at;
}

/* ASCII that stands for itself inside a string. */
static bool plain(char byte) {
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x80 && byte != '"' && byte != '\\';
}

static const char *plain_end(const char *at, const char *end) {
    for (; end - at >= 8; at += 8) {
        uint64_t eight = eight_at(at);
        if ((eight_below(eight, 0x20) | eight_high(eight) | eight_equal(eight, '"') |
             eight_equal(eight, '\\')) != 0)
            break;
    }
    while (at < end && plain(*at))
        at++;
    return at;
}

static bool digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* at stands on a backslash. */
static bool check_escape(struct check *c) {
    char out[4];
    size_t length;
    if (c->end - c->at >= 2 && c->at[1] != '\0' && strchr("\"\\/bfnrt", c->at[1]) != NULL) {
        c->at += 2;
        return true;
    }
    if (c->end - c->at < 2 || c->at[1] != 'u')
        return fault(c, ERR_SYNTAX, c->at, "unknown escape in a string");
    size_t taken = utf8_unescape(c->at, c->end, out, &length);
    if (taken == 0)
        return fault(c, ERR_SYNTAX, c->at,
                     "\\u needs four hexadecimal digits, and half of a surrogate pair its other half");
    c->at += taken;
    return true;
}

/* at stands on the opening quote; afterwards behind the closing one. */
static bool check_string(struct check *c, bool *escaped) {
    const char *opening = c->at++;
    *escaped = false;
    for (;; c->steps++) {
        const char *run = c->at;
        c->at = plain_end(run, c->end);
        c->steps += (size_t)(c->at - run);
        if (c->at - opening - 1 > LIMIT_JSON_STRING_BYTES)
            return fault(c, ERR_LIMIT, opening, "a string longer than 256 KiB");
        if (c->at == c->end)
            return fault(c, ERR_SYNTAX, c->at, "the text ends inside a string");
        if (*c->at == '"')
            break;
        if (*c->at == '\\') {
            *escaped = true;
            if (!check_escape(c))
                return false;
            continue;
        }
        if ((unsigned char)*c->at < ' ')
            return fault(c, ERR_SYNTAX, c->at, "control character in a string, write it as \\u00XX");
        size_t length = utf8_length(c->at, c->end);
        if (length == 0)
            return fault(c, ERR_SYNTAX, c->at, "bytes that are not UTF-8");
        c->at += length;
    }
    c->at++;
    return true;
}

static bool check_digits(struct check *c) {
    if (c->at == c->end || !digit(*c->at))
        return fault(c, ERR_SYNTAX, c->at, "expected a digit");
    for (; c->at < c->end && digit(*c->at); c->steps++)
        c->at++;
    return true;
}

static bool check_number(struct check *c) {
    if (*c->at == '-')
        c->at++;
    if (c->at < c->end && *c->at == '0') {
        c->at++;
        if (c->at < c->end && digit(*c->at))
            return fault(c, ERR_SYNTAX, c->at, "a number may not begin with 0");
    } else if (!check_digits(c)) {
        return false;
    }
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!check_digits(c))
            return false;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
            c->at++;
        return check_digits(c);
    }
    return true;
}

static bool check_word(struct check *c, const char *word) {
    if (!slice_starts(slice_of(c->at, (size_t)(c->end - c->at)), word))
        return fault(c, ERR_SYNTAX, c->at, "expected a value");
    c->at += strlen(word);
    return true;
}

/* Room for one more key; the first ones need no memory. */
static bool grow_seen(struct check *c) {
    if (c->seen_count < c->seen_room)
        return true;
    struct json_seen *wider = arena_take_array(&c->arena, (size_t)c->seen_room * 2, sizeof *wider);
    if (wider == NULL)
        return fault(c, ERR_MEMORY, c->at, "out of memory");
    memcpy(wider, c->seen, c->seen_count * sizeof *wider);
    c->seen = wider;
    c->seen_room *= 2;
    return true;
}

static void enter_chain(struct check *c, uint32_t index) {
    struct json_seen *seen = &c->seen[index];
    /* The address of the text serves as the secret: it changes from run to run and no sender knows it. */
    seen->hash = hash_seeded((uint64_t)(uintptr_t)c->begin, seen->key);
    seen->older = c->chains[seen->hash % CHAINS];
    c->chains[seen->hash % CHAINS] = index + 1;
}

/* Whether the newest key, not entered into its chain yet, is one of the count before it. */
static bool was_seen(struct check *c, uint32_t count) {
    const struct json_seen *newest = &c->seen[c->seen_count];
    uint32_t first = c->seen_count - count;
    if (count < FEW) {
        for (uint32_t i = first; i < c->seen_count; i++, c->steps++)
            if (slice_equal(c->seen[i].key, newest->key))
                return true;
        return false;
    }
    for (uint32_t i = first; count == FEW && i < c->seen_count; i++)
        enter_chain(c, i);
    enter_chain(c, c->seen_count);
    for (uint32_t i = newest->older; i > first; i = c->seen[i - 1].older, c->steps++)
        if (c->seen[i - 1].hash == newest->hash && slice_equal(c->seen[i - 1].key, newest->key))
            return true;
    return false;
}

/* Enter a key of the innermost object, refusing one that is there already. */
static bool check_key_is_new(struct check *c, const char *opening, bool escaped) {
    struct json_value written = { .kind = JSON_STRING, .raw = slice_of(opening, (size_t)(c->at - opening)) };
    struct slice key = slice_of(opening + 1, written.raw.length - 2);
    uint32_t *count = &c->keys[c->depth - 1];
    if (escaped && json_string(written, &c->arena, &key) != 0)
        return fault(c, ERR_MEMORY, opening, "out of memory");
    if (*count == LIMIT_JSON_KEYS)
        return fault(c, ERR_LIMIT, opening, "an object with more than 1024 keys");
    if (!grow_seen(c))
        return false;
    c->seen[c->seen_count] = (struct json_seen){ .key = key };
    if (was_seen(c, *count))
        return fault(c, ERR_SYNTAX, opening, "a key that this object already has");
    c->seen_count++;
    ++*count;
    return true;
}

/* A key and its colon. */
static bool check_key(struct check *c) {
    const char *opening = c->at;
    bool escaped;
    if (c->at == c->end || *c->at != '"')
        return fault(c, ERR_SYNTAX, c->at, "expected a key in double quotes");
    if (!check_string(c, &escaped) || !check_key_is_new(c, opening, escaped))
        return false;
    c->at = skip_blanks(c->at, c->end);
    if (c->at == c->end || *c->at != ':')
        return fault(c, ERR_SYNTAX, c->at, "expected ':' after a key");
    c->at++;
    return true;
}

/* at stands on an opening bracket. *empty: the closing one followed at once and is passed too. */
static bool check_open(struct check *c, bool *empty) {
    bool object = *c->at == '{';
    if (c->depth == LIMIT_JSON_DEPTH)
        return fault(c, ERR_LIMIT, c->at, "nested deeper than 32 levels");
    c->at = skip_blanks(c->at + 1, c->end);
    *empty = c->at < c->end && *c->at == (object ? '}' : ']');
    if (*empty) {
        c->at++;
        return true;
    }
    c->keys[c->depth] = 0;
    c->objects = (c->objects & ~(1u << c->depth)) | (object ? 1u << c->depth : 0);
    c->depth++;
    return object ? check_key(c) : true;
}

/* One value, or the opening of one: then *opened is set. */
static bool check_value(struct check *c, bool *opened) {
    bool escaped;
    bool empty = false;
    *opened = false;
    c->at = skip_blanks(c->at, c->end);
    if (c->at == c->end)
        return fault(c, ERR_SYNTAX, c->at, "the text ends where a value is expected");
    switch (*c->at) {
    case '{':
    case '[':
        if (!check_open(c, &empty))
            return false;
        *opened = !empty;
        return true;
    case '"':
        return check_string(c, &escaped);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        if (*c->at != '-' && !digit(*c->at))
            return fault(c, ERR_SYNTAX, c->at, "expected a value");
        return check_number(c);
    }
}

static void close_container(struct check *c) {
    c->depth--;
    if (!(c->objects >> c->depth & 1))
        return;
    if (c->keys[c->depth] <= FEW) {
        c->seen_count -= c->keys[c->depth];
        return;
    }
    for (uint32_t i = 0; i < c->keys[c->depth]; i++, c->steps++) {
        struct json_seen *last = &c->seen[--c->seen_count];
        c->chains[last->hash % CHAINS] = last->older;
    }
}

/* After a value: close what closes here. *more: another value follows; otherwise the outermost one is done.
 */
static bool check_after(struct check *c, bool *more) {
    *more = false;
    while (c->depth > 0) {
        bool object = c->objects >> (c->depth - 1) & 1;
        c->at = skip_blanks(c->at, c->end);
        c->steps++;
        if (c->at < c->end && *c->at == ',') {
            c->at = skip_blanks(c->at + 1, c->end);
            *more = true;
            return object ? check_key(c) : true;
        }
        if (c->at == c->end || *c->at != (object ? '}' : ']'))
            return fault(c, ERR_SYNTAX, c->at,
                         object ? "expected ',' or '}' after a member"
                                : "expected ',' or ']' after an element");
        c->at++;
        close_container(c);
    }
    return true;
}

static void check_document(struct check *c) {
    bool more = true;
    bool opened;
    while (more) {
        c->steps++;
        if (!check_value(c, &opened) || (!opened && !check_after(c, &more)))
            return;
    }
    const char *behind = skip_blanks(c->at, c->end);
    if (behind < c->end)
        fault(c, ERR_SYNTAX, behind, "more text after the end of the value");
}

int json_check(struct slice document, struct json_value *root, struct json_report *report) {
    struct check c = { .begin = document.at, .at = document.at, .end = document.at + document.length };
    if (document.at == NULL)
        c.begin = c.at = c.end = "";
    c.seen = c.seen_first;
    c.seen_room = SEEN_FIRST;
    arena_init(&c.arena, 4096, SIZE_MAX / 4);
    const char *first = skip_blanks(c.begin, c.end);
    check_document(&c);
    arena_done(&c.arena);
    if (report != NULL) {
        *report = (struct json_report){ .say = c.say, .steps = c.steps };
        if (c.failed != 0)
            json_place(slice_of(c.begin, (size_t)(c.end - c.begin)), c.at, &report->line, &report->column);
    }
    if (c.failed == 0)
        *root = json_value_of(slice_of(first, (size_t)(c.at - first)));
    return c.failed;
}
