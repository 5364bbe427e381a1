#include "wire/rocketmq_route.h"

#include <assert.h>
#include <string.h>

#include "base/json.h"

#define MAY_WRITE 2
#define ROUTE_BYTES_MAX (8u * 1024u * 1024u)

/* Bare keys. */

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Behind a '{' or ',': how many digits stand there (after blanks, which are counted in *skipped) as a bare
 * key, or 0. In an array a number is never followed by a colon. */
static size_t bare_key(struct slice rest, size_t *skipped) {
    size_t begin = 0;
    while (begin < rest.length && is_blank(rest.at[begin]))
        begin++;
    size_t end = begin;
    while (end < rest.length && is_digit(rest.at[end]))
        end++;
    size_t colon = end;
    while (colon < rest.length && is_blank(rest.at[colon]))
        colon++;
    *skipped = begin;
    return end > begin && colon < rest.length && rest.at[colon] == ':' ? end - begin : 0;
}

/* The same document with every bare key in quotes: into to, or only counted when to is NULL. Returns its
 * length. */
static size_t quote_keys(struct slice document, char *to) {
    size_t length = 0;
    bool quoted = false;
    for (size_t i = 0; i < document.length; i++) {
        char c = document.at[i];
        if (to != NULL)
            to[length] = c;
        length++;
        if (quoted && c == '\\' && i + 1 < document.length) {
            if (to != NULL)
                to[length] = document.at[i + 1];
            length++;
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == ',')) {
            size_t skipped;
            size_t digits = bare_key(slice_from(document, i + 1), &skipped);
            if (digits == 0)
                continue;
            if (to != NULL) {
                to[length] = '"';
                memcpy(to + length + 1, document.at + i + 1 + skipped, digits);
                to[length + 1 + digits] = '"';
            }
            length += digits + 2;
            i += skipped + digits;
        }
    }
    return length;
}

/* A copy, since names and hosts look into it. */
static int standard_json(struct slice body, struct arena *arena, struct slice *out, struct why *why) {
    if (body.length > ROUTE_BYTES_MAX)
        return why_set(why, ERR_LIMIT, "a route of %zu bytes, at most %u are read", body.length,
                       ROUTE_BYTES_MAX);
    size_t length = quote_keys(body, NULL);
    char *to = arena_take(arena, length);
    if (to == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a route");
    quote_keys(body, to);
    *out = slice_of(to, length);
    return 0;
}

/* Members. */

static bool is_host_byte(char c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || is_digit(c) || (c != '\0' && strchr(".:-_", c) != NULL);
}

/* "host:port"; an IPv6 address may stand in brackets or not, what follows the last colon is the port. */
static int read_address(struct slice text, struct rocketmq_broker *b, struct why *why) {
    size_t colon = text.length;
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    struct slice host = slice_upto(text, colon > 0 ? colon - 1 : 0);
    if (host.length > 2 && host.at[0] == '[' && host.at[host.length - 1] == ']')
        host = slice_of(host.at + 1, host.length - 2);
    uint64_t port = 0;
    bool good = host.length > 0 && host.length <= ROCKETMQ_HOST_BYTES &&
                slice_u64(slice_from(text, colon), &port) == 0 && port > 0 && port <= UINT16_MAX;
    for (size_t i = 0; good && i < host.length; i++)
        good = is_host_byte(host.at[i]);
    if (!good)
        return why_set(why, ERR_SYNTAX, "a route in which the broker %.*s has no address host:port",
                       SLICE_PRINT(b->name));
    b->host = host;
    b->port = (uint16_t)port;
    return 0;
}

static int read_name(struct json_value from, struct arena *arena, struct slice *out, struct why *why) {
    struct json_value value;
    if (!json_member(from, "brokerName", &value) || value.kind != JSON_STRING)
        return why_set(why, ERR_SYNTAX, "a route with a broker that has no brokerName");
    if (json_string(value, arena, out) < 0)
        return why_set(why, ERR_MEMORY, "no memory for a route");
    if (out->length == 0 || out->length > ROCKETMQ_BROKER_NAME_BYTES)
        return why_set(why, ERR_LIMIT, "a route with a brokerName of %zu bytes, 1 to %d are possible",
                       out->length, ROCKETMQ_BROKER_NAME_BYTES);
    return 0;
}

/* A broker without a master takes nothing and is left out: *found stays false. */
static int read_broker(struct json_value from, struct arena *arena, struct rocketmq_broker *b, bool *found,
                       struct why *why) {
    struct json_value addresses;
    struct json_value value;
    struct slice text;
    int code = read_name(from, arena, &b->name, why);
    if (code < 0)
        return code;
    if (!json_member(from, "brokerAddrs", &addresses) || addresses.kind != JSON_OBJECT)
        return why_set(why, ERR_SYNTAX, "a route in which the broker %.*s has no brokerAddrs",
                       SLICE_PRINT(b->name));
    if (!json_member(addresses, "0", &value))
        return 0;
    if (value.kind != JSON_STRING)
        return why_set(why, ERR_SYNTAX, "a route in which the address of %.*s is no string",
                       SLICE_PRINT(b->name));
    if (json_string(value, arena, &text) < 0)
        return why_set(why, ERR_MEMORY, "no memory for a route");
    *found = true;
    return read_address(text, b, why);
}

static int read_queues(struct json_value from, uint32_t queues_max, struct arena *arena,
                       struct rocketmq_broker *brokers, size_t count, struct why *why) {
    struct json_value value;
    struct slice name;
    uint64_t allowed = 0;
    uint64_t queues = 0;
    int code = read_name(from, arena, &name, why);
    if (code < 0)
        return code;
    if (!json_member(from, "perm", &value) || json_u64(value, &allowed) < 0 ||
        !json_member(from, "writeQueueNums", &value) || json_u64(value, &queues) < 0)
        return why_set(why, ERR_SYNTAX, "a route in which perm or writeQueueNums of %.*s is no number",
                       SLICE_PRINT(name));
    if (queues > ROCKETMQ_QUEUES)
        return why_set(why, ERR_LIMIT, "a route in which %.*s has %llu queues, at most %d are possible",
                       SLICE_PRINT(name), (unsigned long long)queues, ROCKETMQ_QUEUES);
    if (queues_max > 0 && queues > queues_max)
        queues = queues_max;
    for (size_t i = 0; i < count; i++)
        if (slice_equal(brokers[i].name, name) && (allowed & MAY_WRITE) != 0)
            brokers[i].queues = (uint32_t)queues;
    return 0;
}

static bool is_before(struct slice a, struct slice b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.at, b.at, shorter);
    return order < 0 || (order == 0 && a.length < b.length);
}

/* By name. A name that comes twice is refused: which of the two would be meant? */
static int insert(struct rocketmq_broker *brokers, size_t *count, const struct rocketmq_broker *b,
                  struct why *why) {
    size_t at = *count;
    if (at == ROCKETMQ_BROKERS)
        return why_set(why, ERR_LIMIT, "a route with more than %d brokers", ROCKETMQ_BROKERS);
    while (at > 0 && !is_before(brokers[at - 1].name, b->name)) {
        if (slice_equal(brokers[at - 1].name, b->name))
            return why_set(why, ERR_SYNTAX, "a route with the broker %.*s twice", SLICE_PRINT(b->name));
        at--;
    }
    memmove(brokers + at + 1, brokers + at, (*count - at) * sizeof *brokers);
    brokers[at] = *b;
    ++*count;
    return 0;
}

static int read_brokers(struct json_value from, struct arena *arena, struct rocketmq_broker *brokers,
                        size_t *count, struct why *why) {
    struct json_cursor cursor = json_cursor_of(from);
    struct json_value value;
    while (json_element_next(&cursor, &value)) {
        struct rocketmq_broker b = { .queues = 0 };
        bool found = false;
        int code = read_broker(value, arena, &b, &found, why);
        if (code == 0 && found)
            code = insert(brokers, count, &b, why);
        if (code < 0)
            return code;
    }
    return 0;
}

int rocketmq_route_decode(struct slice body, uint32_t queues_max, struct arena *arena,
                          struct rocketmq_route *out, struct why *why) {
    struct slice document;
    struct json_report report;
    struct json_value root;
    struct json_value hosts;
    struct json_value queues;
    struct json_value value;
    int code = standard_json(body, arena, &document, why);
    if (code < 0)
        return code;
    if (json_check(document, &root, &report) < 0)
        return why_set(why, ERR_SYNTAX, "a route that is not JSON: %s", report.say);
    if (!json_member(root, "brokerDatas", &hosts) || hosts.kind != JSON_ARRAY ||
        !json_member(root, "queueDatas", &queues) || queues.kind != JSON_ARRAY)
        return why_set(why, ERR_SYNTAX, "a route without the arrays brokerDatas and queueDatas");
    struct rocketmq_broker *brokers = arena_take_array(arena, ROCKETMQ_BROKERS, sizeof *brokers);
    if (brokers == NULL)
        return why_set(why, ERR_MEMORY, "no memory for a route");
    size_t count = 0;
    code = read_brokers(hosts, arena, brokers, &count, why);
    struct json_cursor cursor = json_cursor_of(queues);
    while (code == 0 && json_element_next(&cursor, &value))
        code = read_queues(value, queues_max, arena, brokers, count, why);
    if (code < 0)
        return code;
    struct rocketmq_route r = { .brokers = brokers };
    for (size_t i = 0; i < count; i++)
        if (brokers[i].queues > 0) {
            brokers[r.count++] = brokers[i];
            r.queues += brokers[i].queues;
        }
    *out = r;
    return 0;
}

struct rocketmq_queue rocketmq_route_queue(const struct rocketmq_route *r, uint32_t place) {
    assert(place < r->queues);
    const struct rocketmq_broker *b = r->brokers;
    for (; place >= b->queues; b++)
        place -= b->queues;
    return (struct rocketmq_queue){ b, place };
}

struct rocketmq_queue rocketmq_route_other(const struct rocketmq_route *r, uint32_t place, uint32_t attempt) {
    struct rocketmq_queue q = rocketmq_route_queue(r, place);
    uint64_t further = attempt - 1;
    assert(attempt > 0);
    const struct rocketmq_broker *b = r->brokers + ((size_t)(q.broker - r->brokers) + further) % r->count;
    return (struct rocketmq_queue){ b, (uint32_t)((q.number + further) % b->queues) };
}
