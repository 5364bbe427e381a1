#include "protocol/fingerprint.h"

#include <string.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "protocol/canon.h"

struct member {
    struct slice name;
    struct json_value value;
};

static int compare(struct slice a, struct slice b) {
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.at, b.at, common);
    return order != 0 ? order : a.length < b.length ? -1 : a.length > b.length;
}

/* The members by name. ERR_LIMIT: more than there is room for. */
static int read_members(struct json_value object, struct arena *arena,
                        struct member members[FINGERPRINT_MEMBERS_MAX], size_t *count) {
    struct json_cursor cursor = json_cursor_of(object);
    struct json_value key;
    struct member next;
    *count = 0;
    while (json_member_next(&cursor, &key, &next.value)) {
        size_t place = *count;
        if (place == FINGERPRINT_MEMBERS_MAX)
            return ERR_LIMIT;
        int code = json_string(key, arena, &next.name);
        if (code != 0)
            return code;
        for (; place > 0 && compare(members[place - 1].name, next.name) > 0; place--)
            members[place] = members[place - 1];
        members[place] = next;
        (*count)++;
    }
    return 0;
}

static int add_members(struct digest *d, const struct member *members, size_t count, struct arena *arena) {
    canon_number(d, 'O', count);
    for (size_t i = 0; i < count; i++) {
        struct slice text = members[i].value.raw;
        bool string = members[i].value.kind == JSON_STRING;
        int code = string ? json_string(members[i].value, arena, &text) : 0;
        if (code != 0)
            return code;
        canon_text(d, 'm', members[i].name);
        canon_text(d, string ? 's' : 'v', text);
    }
    return 0;
}

static int add_body(struct digest *d, struct slice body, struct arena *arena) {
    struct member members[FINGERPRINT_MEMBERS_MAX];
    struct json_value root;
    size_t count;
    int code = json_check(body, &root, NULL);
    if (code == ERR_MEMORY)
        return code;
    if (code == 0 && root.kind == JSON_OBJECT) {
        code = read_members(root, arena, members, &count);
        if (code != ERR_LIMIT)
            return code == 0 ? add_members(d, members, count, arena) : code;
    }
    canon_text(d, 'B', body);
    return 0;
}

/* How long one waits for an answer is not what is asked. */
static void add_query(struct digest *d, struct slice query) {
    while (query.length > 0) {
        size_t end = slice_find(query, '&');
        struct slice pair = slice_upto(query, end);
        if (!slice_starts(pair, "wait="))
            canon_text(d, 'Q', pair);
        query = slice_from(query, end + 1);
    }
}

int fingerprint_of(struct slice namespace_name, struct slice path, struct slice query, struct slice body,
                   struct arena *arena, uint8_t out[32]) {
    struct digest d;
    digest_init(&d);
    canon_text(&d, 'N', namespace_name);
    canon_text(&d, 'P', path);
    add_query(&d, query);
    int code = add_body(&d, body, arena);
    digest_end(&d, out);
    return code;
}
