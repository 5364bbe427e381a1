#include "protocol/label_form.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/canon.h"

static int read_one(struct form *f, const struct form_path *above, const struct label_form *form,
                    struct json_value key, struct json_value value, struct label *out) {
    struct form_path path = { .above = above, .name = slice_of(key.raw.at + 1, key.raw.length - 2) };
    int failed = form_text(f, &path, key, form->name_bytes, &out->key);
    if (failed == 0 && out->key.length == 0)
        failed =
            form_refuse(f, above, key, PROBLEM_INVALID_VALUE, "a %s's name must not be empty", form->what);
    if (failed == 0 && value.kind != JSON_STRING)
        failed = form_refuse(f, &path, value, PROBLEM_WRONG_TYPE, "a %s's value must be a string, not %s",
                             form->what, json_kind_text(value.kind));
    return failed == 0 ? form_text(f, &path, value, form->value_bytes, &out->value) : failed;
}

/* Whether a stands before b in the order of bytes. */
static bool precedes(struct slice a, struct slice b) {
    size_t both = a.length < b.length ? a.length : b.length;
    int order = both == 0 ? 0 : memcmp(a.at, b.at, both);
    return order != 0 ? order < 0 : a.length < b.length;
}

static void digest_all(struct digest *digest, const struct label *labels, size_t count) {
    const struct label *last = NULL;
    canon_number(digest, 'l', count);
    for (size_t round = 0; round < count; round++) {
        const struct label *next = NULL;
        for (size_t i = 0; i < count; i++)
            if ((last == NULL || precedes(last->key, labels[i].key)) &&
                (next == NULL || precedes(labels[i].key, next->key)))
                next = &labels[i];
        assert(next != NULL); /* keys differ: the reader refuses duplicates */
        canon_text(digest, 'k', next->key);
        canon_text(digest, 'v', next->value);
        last = next;
    }
}

static int refuse_count(struct form *f, const struct form_path *path, const struct label_form *form,
                        struct json_value value) {
    struct buffer most;
    form_refuse(f, path, value, PROBLEM_OVER_LIMIT, "at most %zu %ss are possible", form->most, form->what);
    buffer_init(&most, 32);
    buffer_add_u64(&most, form->most);
    PROBLEM_NOTE(f->problem, limit, buffer_slice(&most));
    buffer_done(&most);
    return ERR_INVALID;
}

int label_form_object(struct form *f, const struct form_path *above, const struct label_form *form,
                      struct digest *digest, struct json_value value, const struct label **labels,
                      uint16_t *count) {
    struct form_path path = form_below(above, form->member);
    struct json_value key;
    struct json_value text;
    uint16_t read = 0;
    struct label *all = arena_take_array(f->arena, form->most, sizeof *all);
    if (all == NULL)
        return form_no_memory(f);
    if (form_given(value)) {
        struct json_cursor cursor = json_cursor_of(value);
        while (json_member_next(&cursor, &key, &text)) {
            if (read == form->most)
                return refuse_count(f, &path, form, value);
            int failed = read_one(f, &path, form, key, text, &all[read]);
            if (failed != 0)
                return failed;
            read++;
        }
    }
    *labels = all;
    *count = read;
    digest_all(digest, all, read);
    return 0;
}

int label_form_read(struct form *f, struct digest *digest, struct json_value value,
                    const struct label **labels, uint16_t *count) {
    static const struct label_form form = { "labels", "label", LIMIT_LABELS, LIMIT_NAME_BYTES,
                                            LIMIT_LABEL_BYTES };
    return label_form_object(f, NULL, &form, digest, value, labels, count);
}
