#include "protocol/query.h"

#include <assert.h>
#include <string.h>

#include "base/digest.h"
#include "base/duration.h"
#include "base/instant.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "base/word.h"

static const char *const no_names[] = { NULL };
static const char *const wait_names[] = { "wait", NULL };
static const char *const page_names[] = { "limit", "cursor", NULL };
static const char *const event_names[] = { "after", "limit", NULL };
static const char *const list_names[] = { "mode",       "status",     "attention",     "suspended",
                                          "name",       "branch_url", "created_after", "created_before",
                                          "older_than", "label.",     "sort",          "limit",
                                          "cursor",     NULL };
static const char *const limit_names[] = { "limit", NULL };
static const char *const message_names[] = { "status",        "topic",          "key",        "attention",
                                             "created_after", "created_before", "older_than", "label.",
                                             "sort",          "limit",          "cursor",     NULL };
static const char *const delivery_names[] = { "status", "subscription", "topic",  "key", "attention",
                                              "sort",   "limit",        "cursor", NULL };

static const char *const notice_names[] = { "status",        "endpoint",       "event",      "ref",
                                            "created_after", "created_before", "older_than", "label.",
                                            "sort",          "limit",          "cursor",     NULL };
static const char *const missed_names[] = { "since", "limit", "cursor", NULL };

const char *const *query_names(enum query_kind kind) {
    static const char *const *const names[QUERY_KIND_COUNT] = {
        [QUERY_NONE] = no_names,          [QUERY_WAIT] = wait_names,           [QUERY_LIST] = list_names,
        [QUERY_EVENTS] = event_names,     [QUERY_PAGE] = page_names,           [QUERY_LIMIT] = limit_names,
        [QUERY_MESSAGES] = message_names, [QUERY_DELIVERIES] = delivery_names, [QUERY_NOTICES] = notice_names,
        [QUERY_MISSED] = missed_names,
    };
    assert((unsigned)kind < QUERY_KIND_COUNT);
    return names[kind];
}

const char *query_meaning(const char *name) {
    static const char *const meanings[][2] = {
        { "wait", "wait so long for a final state, such as 5s; at most 60s" },
        { "limit", "items on a page, 1 to 200; 50 when not given" },
        { "cursor", "the member next of the page before" },
        { "after", "the id of the last event seen" },
        { "mode", "saga or tcc" },
        { "status", "one or more status words, separated by commas" },
        { "attention", "true: only those that need attention; false: only the others" },
        { "suspended", "true: only suspended ones; false: only the others" },
        { "name", "exactly this name" },
        { "topic", "published under exactly this topic" },
        { "key", "with exactly this ordering key" },
        { "subscription", "owed to exactly this subscription" },
        { "endpoint", "to exactly this endpoint" },
        { "event", "of exactly this event" },
        { "ref", "with exactly this ref" },
        { "since", "created at this RFC 3339 time or later" },
        { "branch_url", "some operation's URL begins with this" },
        { "created_after", "created later than this RFC 3339 time" },
        { "created_before", "created earlier than this RFC 3339 time" },
        { "older_than", "created longer ago than this duration" },
        { "label.", "label.KEY=VALUE: has this label; may be given for several keys" },
        { "sort", "-created (newest first) or created" },
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(meanings[i][0], name) == 0)
            return meanings[i][1];
    assert(!"every parameter has a meaning");
    return "";
}

/* One query being read. */
struct reading {
    enum query_kind kind;
    struct arena *arena;
    struct problem *problem;
    struct query *query;
    uint64_t now_ms;
    uint32_t seen;         /* bit i: query_names()[i] was there */
    bool cursor_ascending; /* the direction that the cursor was made for */
};

#define refuse(r, type_, name, value_, ...) \
    (blame((r), (type_), (name), (value_)), why_set(&(r)->problem->detail, ERR_INVALID, __VA_ARGS__))

static void blame(struct reading *r, enum problem_type type, struct slice name, struct slice value) {
    problem_init(r->problem, type);
    PROBLEM_NOTE(r->problem, field, name);
    PROBLEM_NOTE(r->problem, value, value);
}

static int hex(char c) {
    char low = (char)(c | 0x20);
    if (c >= '0' && c <= '9')
        return c - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* Undo percent-encoding and '+'. The result is UTF-8 without control characters, or the request is bad. */
static int decode(struct reading *r, struct slice from, struct slice *out) {
    char *to = arena_take(r->arena, from.length);
    size_t used = 0;
    if (to == NULL) {
        problem_init(r->problem, PROBLEM_BUSY);
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < from.length; i++) {
        to[used] = from.at[i] == '+' ? ' ' : from.at[i];
        if (from.at[i] == '%') {
            int high = i + 2 < from.length ? hex(from.at[i + 1]) : -1;
            int low = i + 2 < from.length ? hex(from.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return refuse(r, PROBLEM_BAD_REQUEST, SLICE("query"), from,
                              "broken percent-encoding in the query");
            to[used] = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)to[used] < 0x20 || to[used] == 0x7f)
            return refuse(r, PROBLEM_BAD_REQUEST, SLICE("query"), from, "control character in the query");
        used++;
    }
    if (!utf8_valid(slice_of(to, used)))
        return refuse(r, PROBLEM_BAD_REQUEST, SLICE("query"), from, "the query is not UTF-8");
    *out = slice_of(to, used);
    return 0;
}

/* The place of a parameter's name in the kind's list, or -1. */
static int find_name(enum query_kind kind, struct slice name) {
    const char *const *names = query_names(kind);
    for (int i = 0; names[i] != NULL; i++) {
        bool prefix = slice_ends(slice_text(names[i]), ".");
        if (prefix ? slice_starts(name, names[i]) : slice_is(name, names[i]))
            return i;
    }
    return -1;
}

static int refuse_unknown(struct reading *r, struct slice name) {
    const char *const *names = query_names(r->kind);
    size_t count = 0;
    char shown[64];
    while (names[count] != NULL)
        count++;
    const char *nearest = word_nearest(name, names, count);
    problem_note(shown, sizeof shown, name);
    blame(r, PROBLEM_UNKNOWN_PARAMETER, name, SLICE_NONE);
    PROBLEM_NOTE(r->problem, nearest, slice_text(nearest));
    if (nearest != NULL)
        return why_set(&r->problem->detail, ERR_INVALID,
                       "unknown query parameter \"%s\", did you mean \"%s\"?", shown, nearest);
    return why_set(&r->problem->detail, ERR_INVALID, "unknown query parameter \"%s\"%s", shown,
                   count == 0 ? ": this route has none" : "");
}

static int read_bool(struct reading *r, struct slice name, struct slice value, int8_t *out) {
    if (!slice_is(value, "true") && !slice_is(value, "false"))
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "must be true or false");
    *out = slice_is(value, "true") ? 1 : -1;
    return 0;
}

static int read_duration(struct reading *r, struct slice name, struct slice value, uint64_t most_ms,
                         uint64_t *out) {
    uint64_t ms;
    int failed = duration_parse(value, &ms);
    if (failed == ERR_SYNTAX)
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "must be a duration such as 500ms, 5s or 2m");
    if (failed != 0 || ms > most_ms) {
        struct buffer most;
        buffer_init(&most, 64);
        duration_add(&most, most_ms);
        refuse(r, PROBLEM_OVER_LIMIT, name, value, "at most %.*s is possible",
               SLICE_PRINT(buffer_slice(&most)));
        PROBLEM_NOTE(r->problem, limit, buffer_slice(&most));
        buffer_done(&most);
        return ERR_INVALID;
    }
    *out = ms;
    return 0;
}

static int read_time(struct reading *r, struct slice name, struct slice value, uint64_t *out) {
    if (instant_parse(value, out) != 0)
        return refuse(r, PROBLEM_INVALID_VALUE, name, value,
                      "must be an RFC 3339 time such as 2026-01-07T10:00:00Z");
    return 0;
}

/* The words of a kind of list, and what one of them stands for. */
static const char *const *status_words(enum query_kind kind, size_t *count) {
    static const char *words[STATUS_END];
    if (kind == QUERY_MESSAGES)
        return message_status_words(count);
    if (kind == QUERY_DELIVERIES)
        return delivery_status_words(count);
    if (kind == QUERY_NOTICES)
        return notice_status_words(count);
    for (uint8_t status = STATUS_ACTIVE; status < STATUS_END; status++)
        words[status - STATUS_ACTIVE] = status_word(status);
    *count = STATUS_END - STATUS_ACTIVE;
    return words;
}

static uint32_t status_bits(enum query_kind kind, struct slice word, size_t index) {
    if (kind == QUERY_MESSAGES)
        return message_statuses(word);
    bool by_place = kind == QUERY_DELIVERIES || kind == QUERY_NOTICES;
    return by_place ? 1u << index : 1u << status_from_word(word);
}

static int read_statuses(struct reading *r, struct slice name, struct slice value) {
    struct list_filter *filter = &r->query->filter;
    uint32_t *out = r->kind == QUERY_DELIVERIES ? &filter->deliveries
                    : r->kind == QUERY_NOTICES  ? &filter->notices
                                                : &filter->statuses;
    size_t count;
    const char *const *words = status_words(r->kind, &count);
    struct slice rest = value;
    do {
        struct slice word = slice_upto(rest, slice_find(rest, ','));
        size_t i = 0;
        while (i < count && !slice_is(word, words[i]))
            i++;
        if (i == count) {
            const char *nearest = word_nearest(word, words, count);
            refuse(r, PROBLEM_INVALID_VALUE, name, word, "there is no such status");
            PROBLEM_NOTE(r->problem, nearest, slice_text(nearest));
            return ERR_INVALID;
        }
        *out |= status_bits(r->kind, word, i);
        rest = slice_from(rest, word.length + 1);
    } while (rest.length > 0);
    return 0;
}

static int read_limit(struct reading *r, struct slice name, struct slice value, uint32_t *out) {
    uint64_t number;
    int failed = slice_u64(value, &number);
    if (failed == ERR_SYNTAX)
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "must be a whole number");
    if (failed != 0 || number < 1 || number > LIMIT_PAGE) {
        refuse(r, PROBLEM_OVER_LIMIT, name, value, "must be 1 to %d", LIMIT_PAGE);
        PROBLEM_NOTE(r->problem, limit, SLICE("1 to 200"));
        return ERR_INVALID;
    }
    *out = (uint32_t)number;
    return 0;
}

#define CURSOR_VERSION 1
#define CURSOR_BYTES 10

void query_add_cursor(uint64_t id, bool oldest_first, struct buffer *to) {
    char bytes[CURSOR_BYTES] = { CURSOR_VERSION, oldest_first };
    for (int i = 0; i < 8; i++)
        bytes[2 + i] = (char)(id >> (56 - 8 * i));
    digest_add_base64(to, slice_of(bytes, sizeof bytes), BASE64_URL);
}

static int read_cursor(struct reading *r, struct slice name, struct slice value) {
    struct buffer bytes;
    uint64_t id = 0;
    buffer_init(&bytes, CURSOR_BYTES);
    int failed = digest_parse_base64(value, &bytes, BASE64_URL);
    bool good = failed == 0 && bytes.length == CURSOR_BYTES && bytes.at[0] == CURSOR_VERSION &&
                (bytes.at[1] == 0 || bytes.at[1] == 1);
    for (size_t i = 2; good && i < CURSOR_BYTES; i++)
        id = id << 8 | (uint8_t)bytes.at[i];
    if (good)
        r->cursor_ascending = bytes.at[1] == 1;
    buffer_done(&bytes);
    if (!good)
        return refuse(r, PROBLEM_INVALID_VALUE, name, value,
                      "not a cursor: take the member \"next\" of the page before, as it is");
    r->query->has_cursor = true;
    r->query->cursor = id;
    return 0;
}

static int read_sort(struct reading *r, struct slice name, struct slice value) {
    if (!slice_is(value, "created") && !slice_is(value, "-created"))
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "must be \"created\" or \"-created\"");
    r->query->oldest_first = slice_is(value, "created");
    return 0;
}

static int read_mode(struct reading *r, struct slice name, struct slice value) {
    if (!slice_is(value, "saga") && !slice_is(value, "tcc"))
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "must be \"saga\" or \"tcc\"");
    r->query->filter.mode = slice_is(value, "saga") ? MODE_SAGA : MODE_TCC;
    return 0;
}

static int read_label(struct reading *r, struct slice name, struct slice value) {
    struct list_filter *filter = &r->query->filter;
    struct slice key = slice_from(name, strlen("label."));
    if (key.length == 0)
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "write label.KEY=VALUE");
    for (size_t i = 0; i < filter->label_count; i++)
        if (slice_equal(filter->labels[i].key, key))
            return refuse(r, PROBLEM_INVALID_VALUE, name, value, "given twice");
    if (filter->label_count == QUERY_LABELS_MAX) {
        refuse(r, PROBLEM_OVER_LIMIT, name, value, "at most %d labels in one filter", QUERY_LABELS_MAX);
        PROBLEM_NOTE(r->problem, limit, SLICE("8"));
        return ERR_INVALID;
    }
    filter->labels[filter->label_count++] = (struct label){ .key = key, .value = value };
    return 0;
}

static int read_age(struct reading *r, struct slice name, struct slice value) {
    struct list_filter *filter = &r->query->filter;
    uint64_t age_ms = 0;
    int failed = read_duration(r, name, value, INSTANT_MAX_MS, &age_ms);
    if (failed != 0)
        return failed;
    /* Before 1970 there is nothing; 1 keeps the bound, 0 would be none. */
    uint64_t before_ms = age_ms < r->now_ms ? r->now_ms - age_ms : 1;
    if (filter->created_before_ms == 0 || before_ms < filter->created_before_ms)
        filter->created_before_ms = before_ms;
    return 0;
}

static int read_created_before(struct reading *r, struct slice name, struct slice value) {
    struct list_filter *filter = &r->query->filter;
    uint64_t ms = 0;
    int failed = read_time(r, name, value, &ms);
    ms = ms == 0 ? 1 : ms;
    if (failed == 0 && (filter->created_before_ms == 0 || ms < filter->created_before_ms))
        filter->created_before_ms = ms;
    return failed;
}

/* What was created at that very time counts: whoever asks since the last one it knows must miss none. */
static int read_since(struct reading *r, struct slice name, struct slice value) {
    uint64_t ms = 0;
    int failed = read_time(r, name, value, &ms);
    r->query->filter.created_after_ms = ms > 0 ? ms - 1 : 0;
    return failed;
}

static int read_parameter(struct reading *r, struct slice name, struct slice value) {
    struct query *q = r->query;
    uint64_t ms = 0;
    if (slice_is(name, "wait")) {
        int failed = read_duration(r, name, value, LIMIT_WAIT_MS, &ms);
        q->wait_ms = (uint32_t)ms;
        return failed;
    }
    if (slice_is(name, "limit"))
        return read_limit(r, name, value, &q->limit);
    if (slice_is(name, "cursor"))
        return read_cursor(r, name, value);
    if (slice_is(name, "sort"))
        return read_sort(r, name, value);
    if (slice_is(name, "mode"))
        return read_mode(r, name, value);
    if (slice_is(name, "status"))
        return read_statuses(r, name, value);
    if (slice_is(name, "attention"))
        return read_bool(r, name, value, &q->filter.attention);
    if (slice_is(name, "suspended"))
        return read_bool(r, name, value, &q->filter.suspended);
    if (slice_is(name, "created_after"))
        return read_time(r, name, value, &q->filter.created_after_ms);
    if (slice_is(name, "since"))
        return read_since(r, name, value);
    if (slice_is(name, "created_before"))
        return read_created_before(r, name, value);
    if (slice_is(name, "older_than"))
        return read_age(r, name, value);
    if (slice_starts(name, "label."))
        return read_label(r, name, value);
    if (slice_is(name, "name"))
        q->filter.name = value;
    else if (slice_is(name, "branch_url"))
        q->filter.branch_url = value;
    else if (slice_is(name, "topic") || slice_is(name, "event"))
        q->filter.topic = value;
    else if (slice_is(name, "key") || slice_is(name, "ref"))
        q->filter.key = value;
    else if (slice_is(name, "endpoint"))
        q->filter.endpoint = value;
    else if (slice_is(name, "subscription"))
        q->filter.subscription = value;
    else
        q->after = value;
    return 0;
}

static int read_pair(struct reading *r, struct slice pair) {
    struct slice name;
    struct slice value;
    size_t equals = slice_find(pair, '=');
    int failed = decode(r, slice_upto(pair, equals), &name);
    if (failed == 0)
        failed = decode(r, slice_from(pair, equals + 1), &value);
    if (failed != 0)
        return failed;
    int index = find_name(r->kind, name);
    if (index < 0)
        return refuse_unknown(r, name);
    if ((r->seen >> index & 1) != 0 && !slice_starts(name, "label."))
        return refuse(r, PROBLEM_INVALID_VALUE, name, value, "given twice");
    r->seen |= 1u << index;
    /* "name=" is how a form says that nothing was filled in. */
    return value.length == 0 && !slice_starts(name, "label.") ? 0 : read_parameter(r, name, value);
}

int query_decode(struct slice text, enum query_kind kind, struct slice namespace_name, uint64_t now_ms,
                 struct arena *arena, struct query *out, struct problem *problem) {
    struct query made = { .limit = QUERY_LIMIT_DEFAULT, .filter = { .namespace_name = namespace_name } };
    struct reading r = { .kind = kind, .arena = arena, .problem = problem, .query = &made, .now_ms = now_ms };
    while (text.length > 0) {
        size_t length = slice_find(text, '&');
        int failed = length == 0 ? 0 : read_pair(&r, slice_upto(text, length));
        if (failed != 0)
            return failed;
        text = slice_from(text, length + 1);
    }
    if (made.has_cursor && r.cursor_ascending != made.oldest_first)
        return refuse(&r, PROBLEM_INVALID_VALUE, SLICE("cursor"), SLICE_NONE,
                      "the cursor belongs to a list sorted the other way");
    *out = made;
    return 0;
}

static bool has_label(const struct transaction *t, const struct label *wanted) {
    for (size_t i = 0; i < t->label_count; i++)
        if (slice_equal(t->labels[i].key, wanted->key))
            return slice_equal(t->labels[i].value, wanted->value);
    return false;
}

static bool calls_url(const struct transaction *t, struct slice beginning) {
    for (size_t i = 0; i < t->branch_count; i++)
        for (int role = 0; role < ROLE_COUNT; role++) {
            struct slice url = branch_url(&t->branches[i], role);
            if (url.length > 0 && slice_equal(slice_upto(url, beginning.length), beginning))
                return true;
        }
    return false;
}

/* A wish of 1 wants yes, -1 wants no, 0 does not care. */
static bool agrees(int8_t wish, bool fact) {
    return wish == 0 || (wish > 0) == fact;
}

static bool carries(const struct transaction *t, const struct list_filter *filter) {
    const struct message_request *m = t->message;
    if (filter->endpoint.length > 0 && (m == NULL || !slice_equal(m->only, filter->endpoint)))
        return false;
    if (filter->notices != 0 && (t->mode != MODE_NOTICE || (filter->notices >> notice_status(t) & 1) == 0))
        return false;
    return (filter->topic.length == 0 || (m != NULL && slice_equal(m->head.topic, filter->topic))) &&
           (filter->key.length == 0 || (m != NULL && slice_equal(m->head.key, filter->key)));
}

bool list_filter_takes(const struct list_filter *filter, const struct transaction *t, uint16_t branch,
                       enum delivery_status status) {
    const struct branch *b = &t->branches[branch];
    bool attention = !status_is_final(t->status) && b->operation[ROLE_CONFIRM].attention_ms != 0;
    return branch_is_delivery(b) &&
           (filter->subscription.length == 0 || slice_equal(filter->subscription, b->id)) &&
           (filter->deliveries == 0 || (filter->deliveries >> status & 1) != 0) &&
           agrees(filter->attention, attention);
}

bool list_filter_is_live(const struct list_filter *filter) {
    const uint32_t over = 1u << DELIVERY_ACKED | 1u << DELIVERY_REFUSED | 1u << DELIVERY_DISCARDED;
    return filter->deliveries != 0 && (filter->deliveries & over) == 0;
}

bool list_filter_matches(const struct list_filter *filter, const struct transaction *t) {
    uint16_t branch;
    uint8_t role;
    if (!slice_equal(t->namespace_name, filter->namespace_name) ||
        (filter->mode != 0 && filter->mode != t->mode) ||
        (filter->statuses != 0 && (filter->statuses >> t->status & 1) == 0) ||
        !agrees(filter->suspended, t->suspended) ||
        (filter->created_after_ms != 0 && t->created_ms <= filter->created_after_ms) ||
        (filter->created_before_ms != 0 && t->created_ms >= filter->created_before_ms) ||
        (filter->name.length > 0 && !slice_equal(filter->name, t->name)) || !carries(t, filter))
        return false;
    if (filter->attention != 0 && !agrees(filter->attention, transaction_attention(t, &branch, &role) != 0))
        return false;
    for (size_t i = 0; i < filter->label_count; i++)
        if (!has_label(t, &filter->labels[i]))
            return false;
    return filter->branch_url.length == 0 || calls_url(t, filter->branch_url);
}
