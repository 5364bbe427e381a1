#include "sink/rabbitmq/rabbitmq_target.h"

#include "sink/broker.h"

static const char *const parameters[] = { "exchange", "routing_key", "queue", "password_file", NULL };

static int check_length(const char *name, struct slice value, struct why *why) {
    if (value.length <= RABBITMQ_NAME_BYTES)
        return 0;
    return why_set(why, ERR_INVALID, "%s is %zu bytes long; AMQP allows %d", name, value.length,
                   RABBITMQ_NAME_BYTES);
}

int rabbitmq_route(const struct sink_target *t, struct rabbitmq_route *out, struct why *why) {
    struct slice exchange = sink_target_value(t, "exchange");
    struct slice key = sink_target_value(t, "routing_key");
    struct slice queue = sink_target_value(t, "queue");
    int code = broker_only_parameters(t, parameters, why);
    if (code == 0)
        code = broker_credentials(t, why);
    if (code == 0)
        code = check_length("exchange", exchange, why);
    if (code == 0)
        code = check_length("routing_key", key, why);
    if (code == 0)
        code = check_length("queue", queue, why);
    if (code == 0)
        code = check_length("the vhost", t->path, why);
    if (code == 0)
        code = check_length("the user", t->user, why);
    if (code < 0)
        return code;
    if (queue.length > 0 && (exchange.length > 0 || key.length > 0))
        return why_set(why, ERR_INVALID,
                       "queue stands for the default exchange and the queue's name; leave out exchange and "
                       "routing_key, or queue");
    if (queue.length == 0 && exchange.length == 0)
        return why_set(why, ERR_INVALID, "the target needs exchange=NAME or queue=NAME");
    *out = queue.length > 0 ? (struct rabbitmq_route){ .routing_key = queue, .queue = true }
                            : (struct rabbitmq_route){ .exchange = exchange, .routing_key = key };
    return 0;
}

void rabbitmq_broker_line(struct buffer *to, const struct sink_target *t) {
    struct sink_target broker = *t;
    broker.parameter_count = 0;
    for (size_t i = 0; i < t->parameter_count; i++)
        if (slice_is(t->parameters[i].name, "password_file"))
            broker.parameters[broker.parameter_count++] = t->parameters[i];
    sink_target_encode(to, &broker);
}

bool rabbitmq_is_secure(const struct sink_target *t) {
    return slice_is(t->scheme, "rabbitmqs");
}

uint16_t rabbitmq_port(const struct sink_target *t, size_t host) {
    if (t->hosts[host].port != 0)
        return t->hosts[host].port;
    return rabbitmq_is_secure(t) ? 5671 : 5672;
}
