#include "wire/url.h"

#include <string.h>

#include "base/limits.h"

#define NAME_BYTES 253
#define LABEL_BYTES 63

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What a path or query may be written with, beside letters and digits. */
static bool is_path_byte(char c) {
    return is_letter(c) || is_digit(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@/?", c) != NULL);
}

/* A percent sign and two digits that do not spell a control character. */
static bool is_good_escape(struct slice s) {
    if (s.length < 3 || !is_hex(s.at[1]) || !is_hex(s.at[2]))
        return false;
    bool control = s.at[1] == '0' || s.at[1] == '1';
    bool delete = s.at[1] == '7' && (s.at[2] == 'f' || s.at[2] == 'F');
    return !control && !delete;
}

static int check_target(struct slice target, struct why *why) {
    for (size_t i = 0; i < target.length; i++) {
        char c = target.at[i];
        if (c == '#')
            return why_set(why, ERR_SYNTAX, "the URL has a fragment (#), which is never sent");
        if (c == '%' ? !is_good_escape(slice_from(target, i)) : !is_path_byte(c))
            return why_set(why, ERR_SYNTAX,
                           "the URL's path has a byte (0x%02x) that must be percent-encoded%s",
                           (unsigned)(unsigned char)c,
                           c == '%' ? ", or an escape that is broken or spells a control character" : "");
    }
    return 0;
}

static int read_scheme(struct slice *rest, bool *secure, struct why *why) {
    if (slice_is_nocase(slice_upto(*rest, 7), "http://")) {
        *secure = false;
        *rest = slice_from(*rest, 7);
        return 0;
    }
    if (slice_is_nocase(slice_upto(*rest, 8), "https://")) {
        *secure = true;
        *rest = slice_from(*rest, 8);
        return 0;
    }
    return why_set(why, ERR_SYNTAX, "the URL does not begin with http:// or https://");
}

/* ":8080", or nothing. */
static int read_port(struct slice text, uint16_t standard, uint16_t *out, struct why *why) {
    uint64_t port = standard;
    if (text.length > 0) {
        struct slice digits = slice_from(text, 1);
        if (text.at[0] != ':' || digits.length > 5 || slice_u64(digits, &port) < 0 || port == 0 ||
            port > 65535 || digits.at[0] == '0')
            return why_set(why, ERR_SYNTAX, "the URL's port is not a number from 1 to 65535");
    }
    *out = (uint16_t)port;
    return 0;
}

static int odd_number(struct slice host, struct why *why) {
    return why_set(why, ERR_SYNTAX,
                   "the URL's host %.*s is a number in an odd form; write an address as 127.0.0.1",
                   SLICE_PRINT(host));
}

/* Does this label make inet_aton and browsers read the whole host as a number? */
static bool is_number_label(struct slice label) {
    bool digits = label.length > 0;
    for (size_t i = 0; i < label.length; i++)
        digits &= is_digit(label.at[i]);
    return digits || slice_is_nocase(slice_upto(label, 2), "0x");
}

static int check_name(struct slice host, struct why *why) {
    struct slice rest = host;
    struct slice label = SLICE_NONE;
    if (host.length > NAME_BYTES)
        return why_set(why, ERR_SYNTAX, "the URL's host is longer than %d bytes", NAME_BYTES);
    while (rest.length > 0) {
        size_t dot = slice_find(rest, '.');
        label = slice_upto(rest, dot);
        if (label.length == 0 || label.length > LABEL_BYTES)
            return why_set(why, ERR_SYNTAX, "the URL's host has a label that is empty or over %d bytes",
                           LABEL_BYTES);
        if (label.at[0] == '-' || label.at[label.length - 1] == '-')
            return why_set(why, ERR_SYNTAX, "the URL's host has a label that begins or ends with a hyphen");
        for (size_t i = 0; i < label.length; i++)
            if (!is_letter(label.at[i]) && !is_digit(label.at[i]) && label.at[i] != '-' && label.at[i] != '_')
                return why_set(why, ERR_SYNTAX, "the URL's host has a byte (0x%02x) that no host name has",
                               (unsigned)(unsigned char)label.at[i]);
        rest = slice_from(rest, dot + 1);
    }
    return is_number_label(label) ? odd_number(host, why) : 0;
}

static int read_literal6(struct slice authority, struct url *u, struct slice *port, struct why *why) {
    size_t end = slice_find(authority, ']');
    if (end == authority.length)
        return why_set(why, ERR_SYNTAX, "the URL's host has a [ without ]");
    u->host = slice_of(authority.at + 1, end - 1);
    u->is_address = true;
    *port = slice_from(authority, end + 1);
    if (address_decode6(u->host, &u->address) < 0)
        return why_set(why, ERR_SYNTAX, "the URL's host is not an IPv6 address between its brackets");
    return 0;
}

int url_decode_authority(struct slice authority, uint16_t standard_port, struct url *out, struct why *why) {
    struct url u = { .authority = authority };
    struct slice port;
    if (slice_find(authority, '@') < authority.length)
        return why_set(why, ERR_SYNTAX, "the URL carries a user name (@), which is not allowed");
    int code = 0;
    if (authority.length > 0 && authority.at[0] == '[') {
        code = read_literal6(authority, &u, &port, why);
    } else {
        size_t colon = slice_find(authority, ':');
        u.host = slice_upto(authority, colon);
        port = slice_from(authority, colon);
        if (u.host.length == 0)
            return why_set(why, ERR_SYNTAX, "the URL has no host");
        u.is_address = address_decode4(u.host, &u.address) == 0;
        code = u.is_address ? 0 : check_name(u.host, why);
    }
    if (code == 0)
        code = read_port(port, standard_port, &u.port, why);
    if (code == 0)
        *out = u;
    return code;
}

int url_decode(struct slice text, struct url *out, struct why *why) {
    struct url u = { 0 };
    struct slice rest = text;
    if (text.length > LIMIT_URL_BYTES)
        return why_set(why, ERR_LIMIT, "the URL is longer than %d bytes", LIMIT_URL_BYTES);
    int code = read_scheme(&rest, &u.secure, why);
    if (code < 0)
        return code;
    size_t end = 0;
    while (end < rest.length && rest.at[end] != '/' && rest.at[end] != '?' && rest.at[end] != '#')
        end++;
    bool secure = u.secure;
    code = url_decode_authority(slice_upto(rest, end), secure ? 443 : 80, &u, why);
    if (code < 0)
        return code;
    u.secure = secure;
    u.target = slice_from(rest, end);
    if (u.target.length == 0)
        u.target = SLICE("/");
    code = check_target(u.target, why);
    if (code == 0 && u.target.at[0] != '/')
        return why_set(why, ERR_SYNTAX, "the URL has a query but no path; write a / before the ?");
    if (code == 0)
        *out = u;
    return code;
}
