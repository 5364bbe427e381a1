#include "sink/kafka/kafka_target.h"

#include "sink/broker.h"

static const char *const parameters[] = { "sasl", "password_file", "compression", NULL };
static const char *const mechanisms[] = { "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL };
static const char *const compressions[] = { "none", "gzip", "snappy", "lz4", "zstd", NULL };

static bool is_one_of(struct slice value, const char *const *words) {
    for (; *words != NULL; words++)
        if (slice_is(value, *words))
            return true;
    return false;
}

int kafka_topic_check(struct slice topic, struct why *why) {
    bool good = topic.length > 0 && topic.length <= KAFKA_TOPIC_BYTES && !slice_is(topic, ".") &&
                !slice_is(topic, "..");
    for (size_t i = 0; i < topic.length && good; i++) {
        char c = topic.at[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    }
    if (good)
        return 0;
    return why_set(
        why, ERR_INVALID,
        "\"%.*s\" is no name of a Kafka topic: 1 to %d letters, digits, dots, underscores and hyphens",
        SLICE_PRINT(slice_upto(topic, 100)), KAFKA_TOPIC_BYTES);
}

int kafka_target_check(const struct sink_target *t, struct why *why) {
    struct slice sasl = sink_target_value(t, "sasl");
    struct slice compression = sink_target_value(t, "compression");
    int code = broker_only_parameters(t, parameters, why);
    if (code == 0)
        code = broker_credentials(t, why);
    if (code == 0 && t->path.length > 0)
        code = kafka_topic_check(t->path, why);
    if (code < 0)
        return code;
    if ((sasl.length > 0) != (t->user.length > 0))
        return why_set(why, ERR_INVALID,
                       sasl.length > 0 ? "sasl needs a user: write USER@ before the first host"
                                       : "a user needs sasl=PLAIN, sasl=SCRAM-SHA-256 or sasl=SCRAM-SHA-512");
    if (sasl.length > 0 && !is_one_of(sasl, mechanisms))
        return why_set(why, ERR_INVALID, "sasl=%.*s: there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512",
                       SLICE_PRINT(sasl));
    if (compression.length > 0 && !is_one_of(compression, compressions))
        return why_set(why, ERR_INVALID, "compression=%.*s: there are none, gzip, snappy, lz4 and zstd",
                       SLICE_PRINT(compression));
    return 0;
}

void kafka_cluster_line(struct buffer *to, const struct sink_target *t) {
    struct sink_target cluster = *t;
    cluster.path = SLICE_NONE;
    sink_target_encode(to, &cluster);
}

void kafka_bootstrap(struct buffer *to, const struct sink_target *t) {
    for (size_t i = 0; i < t->host_count; i++) {
        const struct sink_target_host *h = &t->hosts[i];
        bool bracketed = slice_find(h->name, ':') < h->name.length;
        buffer_add_text(to, i == 0 ? "" : ",");
        buffer_add_text(to, bracketed ? "[" : "");
        buffer_add_slice(to, h->name);
        buffer_add_text(to, bracketed ? "]:" : ":");
        buffer_add_u64(to, h->port == 0 ? KAFKA_PORT : h->port);
    }
}

bool kafka_is_secure(const struct sink_target *t) {
    return slice_is(t->scheme, "kafkas");
}
