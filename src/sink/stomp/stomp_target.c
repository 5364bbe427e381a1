#include "sink/stomp/stomp_target.h"

/* Those of a broker first. */
static const char *const known[] = { "vhost", "password_file", "destination", "persistent" };
#define OF_BROKER 2

static bool is_known(struct slice name, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, known[i]))
            return true;
    return false;
}

static bool is_secure(const struct sink_target *t) {
    return slice_is(t->scheme, "stomps");
}

static int read_persistent(struct slice value, bool *out, struct why *why) {
    if (value.length > 0 && !slice_is(value, "true") && !slice_is(value, "false"))
        return why_set(why, ERR_INVALID, "persistent is \"%.*s\"; it is true (the default) or false",
                       SLICE_PRINT(value));
    *out = !slice_is(value, "false");
    return 0;
}

int stomp_target_read(const struct sink_target *t, bool broker_only, struct stomp_target *out,
                      struct why *why) {
    struct stomp_target s = { .destination = sink_target_value(t, "destination"),
                              .vhost = sink_target_value(t, "vhost"),
                              .password_file = sink_target_value(t, "password_file"),
                              .secure = is_secure(t) };
    if (!s.secure && !slice_is(t->scheme, "stomp"))
        return why_set(why, ERR_INVALID, "the scheme is %.*s; it is stomp or stomps", SLICE_PRINT(t->scheme));
    for (size_t i = 0; i < t->parameter_count; i++)
        if (!is_known(t->parameters[i].name, sizeof known / sizeof known[0]))
            return why_set(
                why, ERR_INVALID,
                "a STOMP target has no parameter %.*s; there are destination, persistent, vhost and "
                "password_file",
                SLICE_PRINT(t->parameters[i].name));
    if (t->path.length > 0)
        return why_set(why, ERR_INVALID, "a STOMP target has no path; say destination=/queue/NAME");
    if (s.destination.length == 0 && !broker_only)
        return why_set(why, ERR_INVALID, "a STOMP target needs destination, such as /queue/ship");
    if ((t->user.length > 0) != (s.password_file.length > 0))
        return why_set(why, ERR_INVALID, "a user needs password_file, and password_file needs a user");
    if (s.vhost.length == 0)
        s.vhost = SLICE("/");
    int code = read_persistent(sink_target_value(t, "persistent"), &s.persistent, why);
    if (code == 0)
        *out = s;
    return code;
}

void stomp_target_broker(struct buffer *to, const struct sink_target *t) {
    struct sink_target broker = *t;
    broker.parameter_count = 0;
    for (size_t k = 0; k < OF_BROKER; k++)
        for (size_t i = 0; i < t->parameter_count; i++)
            if (slice_is(t->parameters[i].name, known[k]))
                broker.parameters[broker.parameter_count++] = t->parameters[i];
    sink_target_encode(to, &broker);
}

uint16_t stomp_target_port(const struct sink_target *t, size_t host) {
    if (t->hosts[host].port != 0)
        return t->hosts[host].port;
    return is_secure(t) ? STOMP_TLS_PORT : STOMP_PORT;
}
