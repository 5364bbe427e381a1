#include "server/settings.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/size.h"
#include "base/word.h"
#include "server/secret_file.h"

static const struct setting rows[SETTING_COUNT] = {
#define SETTING(id, name_, kind_, unit_, min_, max_, fallback_, reload_, words_, help_) \
    [SETTING_##id] = { .name = (name_),                                                 \
                       .kind = SETTING_KIND_##kind_,                                    \
                       .unit = (unit_),                                                 \
                       .min = (min_),                                                   \
                       .max = (max_),                                                   \
                       .fallback = (fallback_),                                         \
                       .reload = SETTING_RELOAD_##reload_,                              \
                       .words = (words_),                                               \
                       .help = (help_) },
#include "server/settings.def"
#undef SETTING
};

const struct setting *setting_row(enum setting_id id) {
    assert((unsigned)id < SETTING_COUNT);
    return &rows[id];
}

int setting_find(struct slice name) {
    for (int i = 0; i < SETTING_COUNT; i++)
        if (slice_is(name, rows[i].name))
            return i;
    return -1;
}

const char *setting_nearest(struct slice name) {
    const char *names[SETTING_COUNT];
    for (int i = 0; i < SETTING_COUNT; i++) {
        struct slice full = slice_text(rows[i].name);
        names[i] = rows[i].name;
        /* A key typed without its group ("deadline") is as good as a misspelt one. */
        if (full.length > name.length && full.at[full.length - name.length - 1] == '.' &&
            slice_equal(slice_from(full, full.length - name.length), name))
            return rows[i].name;
    }
    return word_nearest(name, names, SETTING_COUNT);
}

/* Decimal numbers with at most three decimals, in thousandths. */
static int thousandths_parse(struct slice text, uint64_t *thousandths) {
    size_t dot = slice_find(text, '.');
    struct slice decimals = slice_from(text, dot + 1);
    uint64_t whole;
    uint64_t part = 0;
    if (slice_u64(slice_upto(text, dot), &whole) != 0 || whole > UINT32_MAX)
        return ERR_SYNTAX;
    if (dot < text.length && (decimals.length == 0 || decimals.length > 3 || slice_u64(decimals, &part) != 0))
        return ERR_SYNTAX;
    for (size_t i = decimals.length; i < 3; i++)
        part *= 10;
    *thousandths = whole * 1000 + part;
    return 0;
}

static void thousandths_add(struct buffer *to, uint64_t thousandths) {
    uint64_t part = thousandths % 1000;
    buffer_add_u64(to, thousandths / 1000);
    if (part == 0)
        return;
    buffer_add_byte(to, '.');
    for (uint64_t digit = 100; part > 0; digit /= 10) {
        buffer_add_byte(to, (char)('0' + part / digit));
        part %= digit;
    }
}

const char *setting_kind_text(enum setting_kind kind) {
    static const char *const texts[] = { "text", "secret",   "address", "path",   "true or false", "number",
                                         "size", "duration", "number",  "one of", "list" };
    assert((size_t)kind < sizeof texts / sizeof texts[0]);
    return texts[kind];
}

void setting_add_number(const struct setting *row, uint64_t number, struct buffer *to) {
    switch (row->kind) {
    case SETTING_KIND_DURATION:
        duration_add(to, number);
        break;
    case SETTING_KIND_BYTES:
        size_add(to, number);
        break;
    case SETTING_KIND_FACTOR:
        thousandths_add(to, number);
        break;
    default:
        buffer_add_u64(to, number);
    }
}

static char *text_copy(struct slice from) {
    char *copy = malloc(from.length + 1);
    if (copy == NULL)
        return NULL;
    if (from.length > 0)
        memcpy(copy, from.at, from.length);
    copy[from.length] = '\0';
    return copy;
}

static int choice_index(const char *words, struct slice text, uint64_t *number) {
    uint64_t index = 0;
    for (struct slice rest = slice_text(words); rest.length > 0; index++) {
        size_t end = slice_find(rest, ' ');
        if (slice_equal(slice_upto(rest, end), text)) {
            *number = index;
            return 0;
        }
        rest = slice_from(rest, end + 1);
    }
    return ERR_INVALID;
}

static size_t list_length(struct slice text) {
    size_t count = 0;
    while (text.length > 0) {
        size_t end = slice_find(text, ',');
        count += slice_trim(slice_upto(text, end)).length > 0;
        text = slice_from(text, end + 1);
    }
    return count;
}

static bool is_address(struct slice text) {
    size_t colon = text.length;
    uint64_t port;
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    return colon > 1 && slice_u64(slice_from(text, colon), &port) == 0 && port <= 65535;
}

static bool has_control(struct slice text) {
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
            return true;
    return false;
}

/* The number behind a text, by kind. */
static int measure(const struct setting *row, struct slice text, uint64_t *number) {
    switch (row->kind) {
    case SETTING_KIND_FLAG:
        *number = slice_is(text, "true");
        return *number != 0 || slice_is(text, "false") ? 0 : ERR_INVALID;
    case SETTING_KIND_COUNT:
        return slice_u64(text, number);
    case SETTING_KIND_BYTES:
        return size_parse(text, number);
    case SETTING_KIND_DURATION:
        return duration_parse(text, number);
    case SETTING_KIND_FACTOR:
        return thousandths_parse(text, number);
    case SETTING_KIND_CHOICE:
        return choice_index(row->words, text, number);
    case SETTING_KIND_LIST:
        *number = list_length(text);
        return 0;
    case SETTING_KIND_ADDRESS:
        *number = text.length;
        return is_address(text) ? 0 : ERR_INVALID;
    default:
        *number = text.length;
        return 0;
    }
}

/* What would have been right, in words. */
static void expect(const struct setting *row, struct buffer *to) {
    switch (row->kind) {
    case SETTING_KIND_FLAG:
        buffer_add_text(to, "true or false");
        break;
    case SETTING_KIND_CHOICE:
        buffer_add_format(to, "one of: %s", row->words);
        break;
    case SETTING_KIND_ADDRESS:
        buffer_add_text(to, "HOST:PORT");
        break;
    case SETTING_KIND_DURATION:
    case SETTING_KIND_BYTES:
    case SETTING_KIND_FACTOR:
    case SETTING_KIND_COUNT:
        buffer_add_text(to, row->kind == SETTING_KIND_DURATION
                                ? "a duration such as 500ms, 30s, 5m, 24h or 7d from "
                            : row->kind == SETTING_KIND_BYTES  ? "a size such as 512KiB, 64MiB or 2GiB from "
                            : row->kind == SETTING_KIND_FACTOR ? "a number from "
                                                               : "a whole number from ");
        setting_add_number(row, row->min, to);
        buffer_add_text(to, " to ");
        setting_add_number(row, row->max, to);
        break;
    default:
        buffer_add_format(to, "a text of %llu to %llu characters without control characters",
                          (unsigned long long)row->min, (unsigned long long)row->max);
    }
}

/* The shortest spelling; SECRET, TEXT, PATH, ADDRESS and CHOICE stay as written. */
static void spell(const struct setting *row, struct slice text, uint64_t number, struct buffer *to) {
    const char *between = "";
    switch (row->kind) {
    case SETTING_KIND_DURATION:
    case SETTING_KIND_BYTES:
    case SETTING_KIND_FACTOR:
        setting_add_number(row, number, to);
        break;
    case SETTING_KIND_LIST:
        while (text.length > 0) {
            size_t end = slice_find(text, ',');
            struct slice item = slice_trim(slice_upto(text, end));
            if (item.length > 0) {
                buffer_add_text(to, between);
                buffer_add_slice(to, item);
                between = ", ";
            }
            text = slice_from(text, end + 1);
        }
        break;
    default:
        buffer_add_slice(to, text);
    }
}

int settings_set(struct settings *s, enum setting_id id, struct slice text, enum setting_origin origin,
                 unsigned line, struct why *why) {
    const struct setting *row = setting_row(id);
    struct setting_value *value = &s->values[id];
    struct buffer spelt;
    uint64_t number = 0;
    int code = has_control(text) ? ERR_INVALID : measure(row, text, &number);
    buffer_init(&spelt, 65536);
    if (code != 0 || (row->kind != SETTING_KIND_CHOICE && (number < row->min || number > row->max))) {
        expect(row, &spelt);
        bool hidden = row->kind == SETTING_KIND_SECRET;
        why_set(why, ERR_INVALID, "%s = \"%.*s\": expected %.*s", row->name,
                hidden ? 0 : (int)(text.length & 0xfff), text.at == NULL ? "" : text.at, (int)spelt.length,
                spelt.at == NULL ? "" : spelt.at);
        buffer_done(&spelt);
        return ERR_INVALID;
    }
    spell(row, text, number, &spelt);
    char *copy = buffer_failed(&spelt) != 0 ? NULL : text_copy(buffer_slice(&spelt));
    if (spelt.at != NULL)
        explicit_bzero(spelt.at, spelt.length);
    buffer_done(&spelt);
    if (copy == NULL)
        return why_set(why, ERR_MEMORY, "%s: out of memory", row->name);
    if (value->text != NULL)
        explicit_bzero(value->text, strlen(value->text));
    free(value->text);
    free(value->from);
    *value = (struct setting_value){ .text = copy, .number = number, .origin = origin, .line = line };
    return 0;
}

int settings_set_named(struct settings *s, struct slice name, struct slice text, enum setting_origin origin,
                       unsigned line, struct why *why) {
    int id = setting_find(name);
    if (id >= 0)
        return settings_set(s, (enum setting_id)id, text, origin, line, why);
    if (slice_ends(name, "_file"))
        id = setting_find(slice_upto(name, name.length - 5));
    if (id < 0 || rows[id].kind != SETTING_KIND_SECRET) {
        const char *nearest = setting_nearest(name);
        return why_set(why, ERR_NOT_FOUND, "unknown setting \"%.*s\"%s%s%s",
                       SLICE_PRINT(slice_upto(name, 100)), nearest == NULL ? "" : "; did you mean \"",
                       nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
    }
    if (text.length == 0)
        return settings_set(s, (enum setting_id)id, text, origin, line, why);
    char secret[1024];
    char *path = text_copy(text);
    size_t length = 0;
    int code = path == NULL ? ERR_MEMORY : secret_file_read(path, secret, sizeof secret, &length, why);
    if (code == 0)
        code = settings_set(s, (enum setting_id)id, slice_of(secret, length), origin, line, why);
    explicit_bzero(secret, sizeof secret);
    if (code == 0)
        s->values[id].from = path;
    else
        free(path);
    return code;
}

int settings_init(struct settings *s) {
    memset(s, 0, sizeof *s);
    for (int i = 0; i < SETTING_COUNT; i++) {
        struct why why;
        int code = settings_set(s, (enum setting_id)i, slice_text(rows[i].fallback), SETTING_ORIGIN_DEFAULT,
                                0, &why);
        assert(code != ERR_INVALID);
        if (code != 0) {
            settings_done(s);
            return code;
        }
    }
    return 0;
}

void settings_done(struct settings *s) {
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (s->values[i].text != NULL)
            explicit_bzero(s->values[i].text, strlen(s->values[i].text));
        free(s->values[i].text);
        free(s->values[i].from);
    }
    free(s->file);
    memset(s, 0, sizeof *s);
}

int settings_copy(const struct settings *from, struct settings *to) {
    memset(to, 0, sizeof *to);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_value *value = &from->values[i];
        to->values[i] = *value;
        to->values[i].text = text_copy(slice_text(value->text));
        to->values[i].from = value->from == NULL ? NULL : text_copy(slice_text(value->from));
        if (to->values[i].text == NULL || (value->from != NULL && to->values[i].from == NULL)) {
            settings_done(to);
            return ERR_MEMORY;
        }
    }
    if (from->file != NULL && (to->file = text_copy(slice_text(from->file))) == NULL) {
        settings_done(to);
        return ERR_MEMORY;
    }
    return 0;
}

int settings_read_environment(struct settings *s, char *const *environment, const char **stranger,
                              struct why *why) {
    static const char prefix[] = "SETTLED_";
    if (stranger != NULL)
        *stranger = NULL;
    for (; environment != NULL && *environment != NULL; environment++) {
        struct slice pair = slice_text(*environment);
        size_t equals = slice_find(pair, '=');
        char name[100];
        size_t length = 0;
        if (!slice_starts(pair, prefix) || equals == pair.length || equals - 8 >= sizeof name)
            continue;
        /* LISTEN_TLS_CERT could be listen.tls_cert or listen.tls.cert: try each place for a dot. */
        for (size_t i = sizeof prefix - 1; i < equals; i++)
            name[length++] = (char)tolower((unsigned char)pair.at[i]);
        int id = -1;
        for (int i = 0; i < SETTING_COUNT && id < 0; i++) {
            struct slice full = slice_text(rows[i].name);
            size_t more = length > full.length ? length - full.length : 0;
            bool same = length == full.length || (more == 5 && rows[i].kind == SETTING_KIND_SECRET &&
                                                  memcmp(name + full.length, "_file", 5) == 0);
            for (size_t at = 0; same && at < full.length; at++)
                same = name[at] == (full.at[at] == '.' ? '_' : full.at[at]);
            if (same) {
                id = i;
                memcpy(name, full.at, full.length);
            }
        }
        if (id < 0) {
            if (stranger != NULL && *stranger == NULL)
                *stranger = *environment;
            continue;
        }
        int code = settings_set_named(s, slice_of(name, length), slice_from(pair, equals + 1),
                                      SETTING_ORIGIN_ENVIRONMENT, 0, why);
        if (code != 0)
            return why_prefix(why, code, "%.*s", (int)equals, pair.at);
    }
    return 0;
}

int settings_check(const struct settings *s, struct why *why) {
    if (settings_number(s, SETTING_DEFAULTS_RETRY_MAX) < settings_number(s, SETTING_DEFAULTS_RETRY_FIRST))
        return why_set(why, ERR_INVALID, "defaults.retry.max is less than defaults.retry.first");
    bool cert = settings_text(s, SETTING_LISTEN_TLS_CERT)[0] != '\0';
    bool key = settings_text(s, SETTING_LISTEN_TLS_KEY)[0] != '\0';
    if (cert != key)
        return why_set(why, ERR_INVALID, "listen.tls_cert and listen.tls_key go together: %s is missing",
                       cert ? "listen.tls_key" : "listen.tls_cert");
    if (!cert && settings_text(s, SETTING_LISTEN_CLIENT_CA)[0] != '\0')
        return why_set(why, ERR_INVALID, "listen.client_ca needs listen.tls_cert");
    if (settings_number(s, SETTING_EGRESS_PER_ENDPOINT) > settings_number(s, SETTING_EGRESS_TOTAL))
        return why_set(why, ERR_INVALID, "egress.per_endpoint is more than egress.total");
    struct slice url = slice_text(settings_text(s, SETTING_STORE_URL));
    if (!slice_starts(url, "file:") || url.length == 5)
        return why_set(why, ERR_UNSUPPORTED, "store.url = \"%s\": this build knows file:DIRECTORY only",
                       url.at);
    return 0;
}

const char *settings_text(const struct settings *s, enum setting_id id) {
    assert((unsigned)id < SETTING_COUNT);
    return s->values[id].text;
}

uint64_t settings_number(const struct settings *s, enum setting_id id) {
    assert((unsigned)id < SETTING_COUNT);
    return s->values[id].number;
}

const char *settings_file_of(const struct settings *s, enum setting_id id) {
    assert((unsigned)id < SETTING_COUNT);
    return s->values[id].from;
}

bool settings_flag(const struct settings *s, enum setting_id id) {
    assert(setting_row(id)->kind == SETTING_KIND_FLAG);
    return s->values[id].number != 0;
}

bool settings_list_next(const struct settings *s, enum setting_id id, const char **rest, struct slice *item) {
    assert(setting_row(id)->kind == SETTING_KIND_LIST);
    if (*rest == NULL)
        *rest = s->values[id].text;
    if (**rest == '\0')
        return false;
    struct slice left = slice_text(*rest);
    size_t end = slice_find(left, ',');
    *item = slice_upto(left, end);
    *rest += end;
    while (**rest == ',' || **rest == ' ')
        (*rest)++;
    return true;
}

bool settings_same(const struct settings *a, const struct settings *b, enum setting_id id) {
    return strcmp(settings_text(a, id), settings_text(b, id)) == 0;
}

const char *settings_shown(const struct settings *s, enum setting_id id) {
    const char *text = settings_text(s, id);
    return rows[id].kind == SETTING_KIND_SECRET && text[0] != '\0' ? "(set)" : text;
}

void settings_origin(const struct settings *s, enum setting_id id, struct buffer *to) {
    const struct setting_value *value = &s->values[id];
    switch (value->origin) {
    case SETTING_ORIGIN_FILE:
        buffer_add_format(to, "%s:%u", s->file == NULL ? "file" : s->file, value->line);
        break;
    case SETTING_ORIGIN_ENVIRONMENT:
        buffer_add_text(to, "SETTLED_");
        for (const char *at = rows[id].name; *at != '\0'; at++)
            buffer_add_byte(to, *at == '.' ? '_' : (char)toupper((unsigned char)*at));
        break;
    case SETTING_ORIGIN_FLAG:
        buffer_add_format(to, "--%s", rows[id].name);
        break;
    default:
        buffer_add_text(to, "default");
    }
}
