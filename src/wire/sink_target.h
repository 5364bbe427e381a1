/* A target: where a sink sends to, as one line of text. A subscription's "sink" object is spelled as one when
 * it is accepted, and that line is what is stored, shown, and given to the sink as a call's URL.
 *
 *     SCHEME://[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH][?NAME=VALUE[&NAME=VALUE]...]
 *     rabbitmq://settle@mq1:5672/shop?exchange=orders&routing_key=ship&password_file=/run/secrets/mq
 *
 * User, path and values are percent-encoded: everything but letters, digits and - . _ ~ / : , * @ is. Hosts
 * obey the rules of wire/url.h for names and addresses. There is never a password in a target, only the name
 * of a file that holds it. Pure. */
#ifndef WIRE_SINK_TARGET_H
#define WIRE_SINK_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "wire/address.h"

#define SINK_TARGET_HOSTS 8
#define SINK_TARGET_PARAMETERS 12

struct sink_target_host {
    struct slice name; /* without brackets */
    uint16_t port;     /* 0: not written, the scheme's own */
    bool is_address;   /* a literal: address is set */
    struct address address;
};

struct sink_target_parameter {
    struct slice name; /* lower case letters and _ */
    struct slice value;
};

struct sink_target {
    struct slice scheme; /* lower case letters */
    struct slice user;   /* empty: none */
    struct sink_target_host hosts[SINK_TARGET_HOSTS];
    size_t host_count; /* at least 1 */
    struct slice path; /* without its leading slash; empty: none */
    struct sink_target_parameter parameters[SINK_TARGET_PARAMETERS];
    size_t parameter_count;
};

/* Whether text looks like a target rather than an http or https URL: it has another scheme. */
bool sink_target_is(struct slice text);
/* Slices look into text, or into the arena where something was percent-encoded. 0; ERR_SYNTAX, ERR_LIMIT
 * (LIMIT_URL_BYTES, hosts, parameters) with a why that says what is wrong; ERR_MEMORY. */
int sink_target_decode(struct slice text, struct arena *arena, struct sink_target *out, struct why *why);
/* Append the line. What sink_target_decode gives back is what was encoded. */
void sink_target_encode(struct buffer *to, const struct sink_target *t);
/* The value of a parameter; empty when it is not there. */
struct slice sink_target_value(const struct sink_target *t, const char *name);

#endif
