#include "wire/sink_target.h"

#include <string.h>

#include "base/limits.h"
#include "wire/url.h"

static bool is_plain(char c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~/:,*@", c) != NULL);
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void encode_text(struct buffer *to, struct slice text, bool user) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (is_plain((char)c) && !(user && strchr("/:,@", c) != NULL)) {
            buffer_add_byte(to, (char)c);
            continue;
        }
        buffer_add_byte(to, '%');
        buffer_add_byte(to, digits[c >> 4]);
        buffer_add_byte(to, digits[c & 15]);
    }
}

/* Into the arena only when something is encoded. what names the part for the why. */
static int decode_text(struct slice text, const char *what, struct arena *arena, struct slice *out,
                       struct why *why) {
    bool encoded = slice_find(text, '%') < text.length;
    char *to = encoded ? arena_take(arena, text.length) : NULL;
    size_t length = 0;
    if (encoded && to == NULL)
        return why_set(why, ERR_MEMORY, "no memory for the target's %s", what);
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 2 < text.length ? hex_digit(text.at[i + 1]) : -1;
            int low = i + 2 < text.length ? hex_digit(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return why_set(why, ERR_SYNTAX, "the target's %s has a broken percent-encoding", what);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (!is_plain(c)) {
            return why_set(why, ERR_SYNTAX,
                           "the target's %s has a byte (0x%02x) that must be percent-encoded", what,
                           (unsigned)(unsigned char)c);
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return why_set(why, ERR_SYNTAX, "the target's %s has a control character", what);
        if (encoded)
            to[length++] = c;
    }
    *out = encoded ? slice_of(to, length) : text;
    return 0;
}

static int read_scheme(struct slice *rest, struct slice *scheme, struct why *why) {
    size_t length = slice_find(*rest, ':');
    for (size_t i = 0; i < length; i++)
        if (rest->at[i] < 'a' || rest->at[i] > 'z')
            length = 0;
    if (length == 0 || !slice_starts(slice_from(*rest, length), "://"))
        return why_set(why, ERR_SYNTAX, "the target does not begin with a scheme such as stomp://");
    *scheme = slice_upto(*rest, length);
    *rest = slice_from(*rest, length + 3);
    return 0;
}

static int read_hosts(struct slice text, struct sink_target *t, struct why *why) {
    while (t->host_count == 0 || text.length > 0) {
        struct url url;
        size_t comma = slice_find(text, ',');
        if (t->host_count == SINK_TARGET_HOSTS)
            return why_set(why, ERR_LIMIT, "the target has more than %d hosts", SINK_TARGET_HOSTS);
        int code = url_decode_authority(slice_upto(text, comma), 0, &url, why);
        if (code < 0)
            return code;
        t->hosts[t->host_count++] =
            (struct sink_target_host){ url.host, url.port, url.is_address, url.address };
        if (comma + 1 == text.length)
            return why_set(why, ERR_SYNTAX, "the target's list of hosts ends with a comma");
        text = slice_from(text, comma + 1);
    }
    return 0;
}

static int read_parameter(struct slice text, struct arena *arena, struct sink_target *t, struct why *why) {
    size_t equals = slice_find(text, '=');
    struct sink_target_parameter p = { .name = slice_upto(text, equals) };
    bool good = equals > 0 && equals < text.length;
    for (size_t i = 0; i < p.name.length; i++)
        good &= is_name_byte(p.name.at[i]);
    if (!good)
        return why_set(why, ERR_SYNTAX, "the target has a parameter that is not NAME=VALUE");
    if (t->parameter_count == SINK_TARGET_PARAMETERS)
        return why_set(why, ERR_LIMIT, "the target has more than %d parameters", SINK_TARGET_PARAMETERS);
    for (size_t i = 0; i < t->parameter_count; i++)
        if (slice_equal(t->parameters[i].name, p.name))
            return why_set(why, ERR_SYNTAX, "the target has the parameter %.*s twice", SLICE_PRINT(p.name));
    int code = decode_text(slice_from(text, equals + 1), "parameter", arena, &p.value, why);
    if (code == 0)
        t->parameters[t->parameter_count++] = p;
    return code;
}

static int read_parameters(struct slice text, struct arena *arena, struct sink_target *t, struct why *why) {
    int code = 0;
    while (text.length > 0 && code == 0) {
        size_t end = slice_find(text, '&');
        code = read_parameter(slice_upto(text, end), arena, t, why);
        text = slice_from(text, end + 1);
    }
    return code;
}

bool sink_target_is(struct slice text) {
    return !slice_is_nocase(slice_upto(text, 7), "http://") &&
           !slice_is_nocase(slice_upto(text, 8), "https://");
}

int sink_target_decode(struct slice text, struct arena *arena, struct sink_target *out, struct why *why) {
    struct sink_target t = { .host_count = 0 };
    if (text.length > LIMIT_URL_BYTES)
        return why_set(why, ERR_LIMIT, "the target is longer than %d bytes", LIMIT_URL_BYTES);
    int code = read_scheme(&text, &t.scheme, why);
    if (code < 0)
        return code;
    size_t question = slice_find(text, '?');
    struct slice authority = slice_upto(text, question);
    size_t slash = slice_find(authority, '/');
    struct slice path = slice_from(authority, slash + 1);
    authority = slice_upto(authority, slash);
    size_t at = slice_find(authority, '@');
    if (at < authority.length) {
        code = decode_text(slice_upto(authority, at), "user", arena, &t.user, why);
        authority = slice_from(authority, at + 1);
    }
    if (code == 0)
        code = read_hosts(authority, &t, why);
    if (code == 0)
        code = decode_text(path, "path", arena, &t.path, why);
    if (code == 0)
        code = read_parameters(slice_from(text, question + 1), arena, &t, why);
    if (code == 0)
        *out = t;
    return code;
}

static void encode_host(struct buffer *to, const struct sink_target_host *h) {
    bool bracketed = slice_find(h->name, ':') < h->name.length;
    if (bracketed)
        buffer_add_byte(to, '[');
    buffer_add_slice(to, h->name);
    if (bracketed)
        buffer_add_byte(to, ']');
    if (h->port != 0) {
        buffer_add_byte(to, ':');
        buffer_add_u64(to, h->port);
    }
}

void sink_target_encode(struct buffer *to, const struct sink_target *t) {
    buffer_add_slice(to, t->scheme);
    buffer_add_slice(to, SLICE("://"));
    if (t->user.length > 0) {
        encode_text(to, t->user, true);
        buffer_add_byte(to, '@');
    }
    for (size_t i = 0; i < t->host_count; i++) {
        if (i > 0)
            buffer_add_byte(to, ',');
        encode_host(to, &t->hosts[i]);
    }
    if (t->path.length > 0) {
        buffer_add_byte(to, '/');
        encode_text(to, t->path, false);
    }
    for (size_t i = 0; i < t->parameter_count; i++) {
        buffer_add_byte(to, i == 0 ? '?' : '&');
        buffer_add_slice(to, t->parameters[i].name);
        buffer_add_byte(to, '=');
        encode_text(to, t->parameters[i].value, false);
    }
}

struct slice sink_target_value(const struct sink_target *t, const char *name) {
    for (size_t i = 0; i < t->parameter_count; i++)
        if (slice_is(t->parameters[i].name, name))
            return t->parameters[i].value;
    return SLICE_NONE;
}
