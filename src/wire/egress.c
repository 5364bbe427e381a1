#include "wire/egress.h"

#include <assert.h>
#include <string.h>

struct egress_rule {
    struct egress_rule *next;
    struct slice name; /* empty: a network. Beginning with a dot: all names that end with it */
    struct address network;
    uint8_t bits;
};

struct egress_never {
    struct egress_never *next;
    struct address address; /* the inner one */
    uint16_t port;
};

/* Ranges that are nobody's service: refused unless listed by exact address. */
struct special {
    struct address network;
    uint8_t bits; /* in the 16-byte form: 96 more for IPv4 */
    const char *what;
};

#define V4(a, b, c, d)                                           \
    {                                                            \
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d } \
    }
static const struct special specials[] = {
    { V4(0, 0, 0, 0), 96 + 8, "an unspecified address" },
    { V4(169, 254, 169, 254), 128, "a metadata address" },
    { V4(169, 254, 0, 0), 96 + 16, "a link-local address" },
    { V4(100, 100, 100, 200), 128, "a metadata address" },
    { V4(168, 63, 129, 16), 128, "a metadata address" },
    { V4(192, 0, 0, 192), 128, "a metadata address" },
    { V4(224, 0, 0, 0), 96 + 4, "a multicast address" },
    { V4(240, 0, 0, 0), 96 + 4, "a reserved or broadcast address" },
    { { { 0 } }, 128, "an unspecified address" },
    { { { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 } }, 128, "a metadata address" },
    { { { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 } }, 128, "a metadata address" },
    { { { 0xfe, 0x80 } }, 10, "a link-local address" },
    { { { 0xfe, 0xc0 } }, 10, "a site-local address" },
    { { { 0xff } }, 8, "a multicast address" },
    { { { 0x01 } }, 64, "a discard address" },
};

void egress_init(struct egress *e, struct arena *arena) {
    *e = (struct egress){ .arena = arena };
}

/* One trailing dot is another way to write the same name. */
static struct slice without_root(struct slice name) {
    return name.length > 1 && name.at[name.length - 1] == '.' ? slice_upto(name, name.length - 1) : name;
}

static bool name_matches(struct slice rule, struct slice host) {
    host = without_root(host);
    if (rule.at[0] != '.')
        return slice_equal_nocase(rule, host);
    return host.length > rule.length && slice_equal_nocase(rule, slice_from(host, host.length - rule.length));
}

/* A mapped network of at least 96 bits is an IPv4 network; both are the same 16 bytes already. */
static int read_network(struct slice text, struct egress_rule *rule, struct why *why) {
    size_t slash = slice_find(text, '/');
    struct slice literal = slice_upto(text, slash);
    if (literal.length >= 2 && literal.at[0] == '[' && literal.at[literal.length - 1] == ']')
        literal = slice_of(literal.at + 1, literal.length - 2);
    if (address_decode(literal, &rule->network) < 0)
        return ERR_SYNTAX;
    bool dotted = slice_find(literal, ':') == literal.length;
    uint64_t bits = dotted ? 32 : 128;
    if (slash < text.length) {
        struct slice digits = slice_from(text, slash + 1);
        uint64_t max = bits;
        if (digits.length > 3 || slice_u64(digits, &bits) < 0 || bits > max)
            return ERR_SYNTAX;
    }
    rule->bits = (uint8_t)(dotted ? bits + 96 : bits);
    struct address rest = rule->network;
    for (unsigned bit = 0; bit < rule->bits; bit++)
        rest.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    for (int i = 0; i < 16; i++)
        if (rest.bytes[i] != 0)
            return why_set(why, ERR_INVALID, "%.*s has bits set behind its prefix", SLICE_PRINT(text));
    return 0;
}

/* "name" or "*.name", by the rules of a URL's host. */
static int read_name(struct egress *e, struct slice text, struct egress_rule *rule) {
    char url_bytes[300] = "http://";
    struct url url;
    struct slice name = slice_starts(text, "*.") ? slice_from(text, 2) : text;
    name = without_root(name);
    if (name.length == 0 || name.length > 253)
        return ERR_SYNTAX;
    memcpy(url_bytes + 7, name.at, name.length);
    if (url_decode(slice_of(url_bytes, 7 + name.length), &url, NULL) < 0 || url.is_address ||
        url.host.length != name.length)
        return ERR_SYNTAX;
    if (name.at != text.at)
        name = slice_of(name.at - 1, name.length + 1); /* the dot belongs to the suffix */
    return arena_copy(e->arena, name, &rule->name);
}

static int add_rule(struct egress *e, struct egress_rule **list, struct slice text, struct why *why) {
    struct egress_rule *rule = arena_take(e->arena, sizeof *rule);
    if (rule == NULL)
        return why_set(why, ERR_MEMORY, "no room for one more rule");
    int code = read_network(text, rule, why);
    if (code == ERR_SYNTAX)
        code = read_name(e, text, rule);
    if (code == ERR_SYNTAX)
        return why_set(why, code,
                       "%.*s is neither a host name, *.name, an address nor a network like 10.0.0.0/8",
                       SLICE_PRINT(slice_upto(text, 100)));
    if (code < 0)
        return code;
    rule->next = *list;
    *list = rule;
    return 0;
}

int egress_allow(struct egress *e, struct slice rule, struct why *why) {
    return add_rule(e, &e->allow, rule, why);
}

int egress_deny(struct egress *e, struct slice rule, struct why *why) {
    return add_rule(e, &e->deny, rule, why);
}

int egress_allow_loopback(struct egress *e) {
    int code = egress_allow(e, SLICE("127.0.0.0/8"), NULL);
    return code < 0 ? code : egress_allow(e, SLICE("::1"), NULL);
}

int egress_never(struct egress *e, const struct address *address, uint16_t port) {
    struct egress_never *n = arena_take(e->arena, sizeof *n);
    if (n == NULL)
        return ERR_MEMORY;
    *n = (struct egress_never){ .next = e->never, .address = address_inner(address), .port = port };
    e->never = n;
    return 0;
}

static bool is_unspecified(const struct address *a) {
    static const struct address none = { .bytes = { 0 } };
    return address_equal(a, &none) || (address_is4(a) && memcmp(a->bytes + 12, none.bytes, 4) == 0);
}

static bool is_loopback(const struct address *a) {
    static const struct address one = { .bytes = { [15] = 1 } };
    return address_equal(a, &one) || (address_is4(a) && a->bytes[12] == 127);
}

/* Linux connects the unspecified address to loopback, so both sides take it for that. */
static bool is_own(const struct egress *e, const struct address *a, uint16_t port) {
    bool local = is_loopback(a) || is_unspecified(a);
    for (const struct egress_never *n = e->never; n != NULL; n = n->next)
        if (n->port == port && (address_equal(&n->address, a) || (local && is_unspecified(&n->address)) ||
                                (is_unspecified(a) && is_loopback(&n->address))))
            return true;
    return false;
}

static const char *special_of(const struct address *a) {
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++)
        if (address_within(a, &specials[i].network, specials[i].bits))
            return specials[i].what;
    return NULL;
}

/* A short IPv6 prefix such as ::/0 speaks of IPv6 alone, though IPv4's 16-byte form lies within it. */
static bool rule_has(const struct egress_rule *list, const struct address *a, unsigned least_bits) {
    if (address_is4(a) && least_bits < 96)
        least_bits = 96;
    for (const struct egress_rule *r = list; r != NULL; r = r->next)
        if (r->name.length == 0 && r->bits >= least_bits && address_within(a, &r->network, r->bits))
            return true;
    return false;
}

static bool rule_names(const struct egress_rule *list, struct slice host) {
    for (const struct egress_rule *r = list; r != NULL; r = r->next)
        if (r->name.length > 0 && name_matches(r->name, host))
            return true;
    return false;
}

/* Who is spoken of: "10.0.0.1", or "x resolves to 10.0.0.1, which". Only a refusal needs the words. */
static const char *subject_of(struct slice host, const struct address *address, struct why *subject) {
    char text[ADDRESS_TEXT_BYTES];
    address_text(address, text);
    if (host.length == 0)
        why_set(subject, 0, "%s", text);
    else
        why_set(subject, 0, "%.*s resolves to %s, which", SLICE_PRINT(slice_upto(host, 253)), text);
    return subject->text;
}

/* host: the name that led to the address, empty for a literal. named: egress.allow lists this name. */
static enum egress_verdict judge(const struct egress *e, const struct address *address, uint16_t port,
                                 bool named, struct slice host, struct why *why) {
    struct address inner = address_inner(address);
    struct why subject;
    if (is_own(e, &inner, port)) {
        why_set(why, ERR_DENIED, "%s is settled itself (port %u), which egress.allow cannot open",
                subject_of(host, address, &subject), port);
        return EGRESS_REFUSED;
    }
    if (rule_has(e->deny, &inner, 0) || rule_has(e->deny, address, 0)) {
        why_set(why, ERR_DENIED, "%s is listed in egress.deny", subject_of(host, address, &subject));
        return EGRESS_REFUSED;
    }
    const char *special = special_of(&inner);
    if (special != NULL && !rule_has(e->allow, &inner, 128)) {
        why_set(why, ERR_DENIED, "%s is %s, refused unless egress.allow lists exactly this address",
                subject_of(host, address, &subject), special);
        return EGRESS_REFUSED;
    }
    if (named || rule_has(e->allow, &inner, 0))
        return EGRESS_ALLOWED;
    why_set(why, ERR_DENIED, "%s is not listed in egress.allow", subject_of(host, address, &subject));
    return EGRESS_REFUSED;
}

static enum egress_verdict deny_name(struct slice host, struct why *why) {
    why_set(why, ERR_DENIED, "%.*s is listed in egress.deny", SLICE_PRINT(host));
    return EGRESS_REFUSED;
}

/* A URL has no need for an IPv4 address inside an IPv6 one, but to slip past a list of addresses (H6). */
static enum egress_verdict judge_literal(const struct egress *e, const struct url *url, struct why *why) {
    struct address inner = address_inner(&url->address);
    char text[ADDRESS_TEXT_BYTES];
    enum egress_verdict verdict = judge(e, &url->address, url->port, false, SLICE_NONE, why);
    if (verdict == EGRESS_REFUSED || !address_is4(&inner) || slice_find(url->host, ':') == url->host.length)
        return verdict;
    why_set(why, ERR_DENIED,
            "%.*s is an IPv4 address inside an IPv6 one, which egress.allow cannot open; write %s",
            SLICE_PRINT(url->host), address_text(&inner, text));
    return EGRESS_REFUSED;
}

enum egress_verdict egress_judge_url(const struct egress *e, const struct url *url, struct why *why) {
    if (url->is_address)
        return judge_literal(e, url, why);
    return rule_names(e->deny, url->host) ? deny_name(url->host, why) : EGRESS_AT_CONNECT;
}

enum egress_verdict egress_judge_address(const struct egress *e, struct slice host,
                                         const struct address *address, uint16_t port, struct why *why) {
    struct address literal;
    if (address_decode(host, &literal) == 0)
        return judge(e, address, port, false, SLICE_NONE, why);
    if (rule_names(e->deny, host))
        return deny_name(host, why);
    return judge(e, address, port, rule_names(e->allow, host), host, why);
}
