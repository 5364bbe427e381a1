/* Topics, subscriptions and their sinks: what is taken, with which defaults, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/definition_form.h"

static struct arena arena;
static struct buffer text;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 16, 64 << 20);
    buffer_init(&text, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    buffer_done(&text);
    return 0;
}

static int judge(void *self, struct slice url, struct why *why) {
    (void)self;
    if (!slice_starts(url, "http://"))
        return why_set(why, ERR_SYNTAX, "must begin with http:// or https://");
    return slice_starts(url, "http://evil") ? why_set(why, ERR_DENIED, "not allowed by egress.allow") : 0;
}

static int judge_sink(void *self, struct slice line, struct why *why) {
    (void)self;
    return slice_starts(line, "stomp://evil") ? why_set(why, ERR_DENIED, "not allowed by egress.allow") : 0;
}

static const struct submission_options options = {
    .namespace_name = { "default", 7 },
    .call_timeout_ms = 5000,
    .retry = { .first_ms = 1000, .factor_percent = 200, .max_ms = 300000, .then = GIVE_UP_ATTENTION },
    .judge = judge,
    .judge_sink = judge_sink,
};

static int decode(const char *body, const char *name, struct definition *out, struct problem *p) {
    struct slice copy;
    buffer_clear(&text);
    for (const char *at = body; *at != '\0'; at++)
        buffer_add_byte(&text, *at == '\'' ? '"' : *at);
    assert_int_equal(arena_copy(&arena, buffer_slice(&text), &copy), 0);
    return definition_form_decode(DEFINITION_SUBSCRIPTION, slice_text(name), copy, &options, &arena, out, p);
}

static struct outlet taken(const char *body) {
    struct definition d;
    struct problem p;
    if (decode(body, "warehouse", &d, &p) != 0)
        fail_msg("%s refused: %s at %s", body, p.detail.text, p.field);
    assert_true(slice_is(d.name, "warehouse"));
    assert_int_equal(d.source.length, strlen(body));
    return d.outlet;
}

static void refused(const char *body, enum problem_type type, const char *field) {
    struct definition d;
    struct problem p;
    if (decode(body, "warehouse", &d, &p) != ERR_INVALID)
        fail_msg("%s was taken", body);
    if (p.type != type || strcmp(p.field, field) != 0)
        fail_msg("%s: %s at \"%s\" (%s)", body, problem_row(p.type)->path, p.field, p.detail.text);
}

static void defaults(void **state) {
    (void)state;
    struct outlet o = taken("{'topic':'t','push':'http://wh/ship'}");
    assert_true(slice_is(o.topic, "t"));
    assert_true(slice_is(o.url, "http://wh/ship"));
    assert_true(o.ordered && o.park_key);
    assert_int_equal(o.ack, ACK_RESPONSE);
    assert_int_equal(o.concurrency, DEFINITION_CONCURRENCY);
    assert_int_equal(o.timeout_ms, 5000);
    assert_int_equal(o.ack_timeout_ms, DEFINITION_ACK_TIMEOUT_MS);
    assert_int_equal(o.retry.first_ms, 1000);
    assert_int_equal(o.retry.for_ms, 0); /* never dead by itself */
    assert_int_equal(o.retry.then, GIVE_UP_ROLLBACK);
    assert_int_equal(o.refused_topic.length, 0);
    o = taken("{'topic':'t','pull':true}");
    assert_int_equal(o.url.length, 0);
    assert_int_equal(o.ack, ACK_CALL);
}

static void the_subscription_of_the_manual(void **state) {
    (void)state;
    struct outlet o =
        taken("{'topic':'warehouse.ship','push':{'url':'http://wh/ship','timeout':'8s'},'ordered':true,"
              "'concurrency':1000,'ack':'call','ack_timeout':'12h','retry':{'first':'1s','factor':2,"
              "'max':'10m','for':'7d'},'on_refused':{'topic':'warehouse.refused'},'dead':{'park_key':false},"
              "'from':'now','description':'what is packed'}");
    assert_int_equal(o.timeout_ms, 8000);
    assert_int_equal(o.concurrency, 1000);
    assert_int_equal(o.ack, ACK_CALL);
    assert_int_equal(o.ack_timeout_ms, LIMIT_LEASE_MS);
    assert_int_equal(o.retry.max_ms, 600000);
    assert_int_equal(o.retry.for_ms, 604800000);
    assert_true(slice_is(o.refused_topic, "warehouse.refused"));
    assert_false(o.park_key);
    assert_false(taken("{'topic':'t','pull':true,'ordered':false}").park_key);
}

static void sinks_become_lines(void **state) {
    static const char *const rows[][2] = {
        { "'stomp':{'url':'stomp://settle@mq1:61613,mq2','destination':'/queue/ship','persistent':false,"
          "'vhost':'v','password_file':'/run/secrets/mq'}",
          "stomp://settle@mq1:61613,mq2?destination=/queue/ship&vhost=v&persistent=false&password_file=/run/"
          "secrets/mq" },
        { "'rabbitmq':{'url':'rabbitmqs://mq','vhost':'shop','exchange':'orders','routing_key':'a&b=c'}",
          "rabbitmqs://mq/shop?exchange=orders&routing_key=a%26b%3Dc" },
        { "'rabbitmq':{'url':'rabbitmq://mq/shop?queue=q'}", "rabbitmq://mq/shop?queue=q" },
        { "'kafka':{'url':'kafka://u@k1:9092,k2','topic':'ship','sasl':'PLAIN','password_file':'/f',"
          "'compression':'lz4'}",
          "kafka://u@k1:9092,k2/ship?sasl=PLAIN&compression=lz4&password_file=/f" },
        { "'rocketmq':{'url':'rocketmq://ns:9876','topic':'Ship','group':'g','tag':'x','create':true,"
          "'accept_weak':false}",
          "rocketmq://ns:9876/Ship?group=g&tag=x&create=yes&accept_weak=no" },
    };
    char body[1024];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(body, sizeof body, "%s", "{'topic':'t','sink':{");
        strncat(body, rows[i][0], sizeof body - strlen(body) - 1);
        strncat(body, "}}", sizeof body - strlen(body) - 1);
        struct outlet o = taken(body);
        if (!slice_is(o.url, rows[i][1]))
            fail_msg("%s became %.*s", rows[i][0], SLICE_PRINT(o.url));
    }
}

static void what_is_refused(void **state) {
    static const struct {
        const char *body;
        enum problem_type type;
        const char *field;
    } rows[] = {
        { "{}", PROBLEM_MISSING_FIELD, "topic" },
        { "{'topic':'t'}", PROBLEM_MISSING_FIELD, "push" },
        { "{'topic':'t','push':'http://a','pull':true}", PROBLEM_INVALID_VALUE, "pull" },
        { "{'topic':'t','push':'http://a','sink':{'stomp':{'url':'stomp://a'}}}", PROBLEM_INVALID_VALUE,
          "sink" },
        { "{'topic':'t','pull':false}", PROBLEM_INVALID_VALUE, "pull" },
        { "{'topic':'t','push':'nonsense'}", PROBLEM_INVALID_VALUE, "push" },
        { "{'topic':'t','push':'http://evil/'}", PROBLEM_EGRESS_REFUSED, "push" },
        { "{'topic':'t','push':{'url':'http://a','timeout':'1s'},'timeout':'2s'}", PROBLEM_INVALID_VALUE,
          "timeout" },
        { "{'topic':'t','pull':true,'concurrency':3}", PROBLEM_INVALID_VALUE, "concurrency" },
        { "{'topic':'t','pull':true,'ack':'response'}", PROBLEM_INVALID_VALUE, "ack" },
        { "{'topic':'t','push':'http://a','concurrency':0}", PROBLEM_OVER_LIMIT, "concurrency" },
        { "{'topic':'t','push':'http://a','concurrency':1001}", PROBLEM_OVER_LIMIT, "concurrency" },
        { "{'topic':'t','push':'http://a','concurrency':1.5}", PROBLEM_OVER_LIMIT, "concurrency" },
        { "{'topic':'t','push':'http://a','ack':'never'}", PROBLEM_INVALID_VALUE, "ack" },
        { "{'topic':'t','push':'http://a','ack_timeout':'13h'}", PROBLEM_OVER_LIMIT, "ack_timeout" },
        { "{'topic':'t','push':'http://a','retry':{'then':'rollback'}}", PROBLEM_UNKNOWN_FIELD,
          "retry.then" },
        { "{'topic':'t','push':'http://a','retry':{'first':'1ms'}}", PROBLEM_OVER_LIMIT, "retry.first" },
        { "{'topic':'t','push':'http://a','on_refused':{}}", PROBLEM_MISSING_FIELD, "on_refused.topic" },
        { "{'topic':'t','push':'http://a','on_refused':{'topic':'t'}}", PROBLEM_INVALID_VALUE,
          "on_refused.topic" },
        { "{'topic':'t','push':'http://a','ordered':false,'dead':{'park_key':true}}", PROBLEM_INVALID_VALUE,
          "dead.park_key" },
        { "{'topic':'t','push':'http://a','from':'2026-01-07T10:00:00Z'}", PROBLEM_NOT_AVAILABLE, "from" },
        { "{'topic':'t','push':'http://a','orderd':true}", PROBLEM_UNKNOWN_FIELD, "orderd" },
        { "{'topic':'t','sink':{}}", PROBLEM_INVALID_VALUE, "sink" },
        { "{'topic':'t','sink':{'jms':{}}}", PROBLEM_UNKNOWN_FIELD, "sink.jms" },
        { "{'topic':'t','sink':{'stomp':{'url':'stomp://a'},'kafka':{'url':'kafka://a'}}}",
          PROBLEM_INVALID_VALUE, "sink" },
        { "{'topic':'t','sink':{'stomp':{'destination':'/queue/a'}}}", PROBLEM_MISSING_FIELD,
          "sink.stomp.url" },
        { "{'topic':'t','sink':{'stomp':{'url':'kafka://a'}}}", PROBLEM_INVALID_VALUE, "sink.stomp.url" },
        { "{'topic':'t','sink':{'stomp':{'url':'stompx://a'}}}", PROBLEM_INVALID_VALUE, "sink.stomp.url" },
        { "{'topic':'t','sink':{'stomp':{'url':'stomp://evil'}}}", PROBLEM_EGRESS_REFUSED, "sink" },
        { "{'topic':'t','sink':{'stomp':{'url':'stomp://a','persistent':'no'}}}", PROBLEM_WRONG_TYPE,
          "sink.stomp.persistent" },
        { "{'topic':'t','sink':{'stomp':{'url':'stomp://a?vhost=x','vhost':'y'}}}", PROBLEM_INVALID_VALUE,
          "sink.stomp.vhost" },
        { "{'topic':'t','sink':{'kafka':{'url':'kafka://a/t','topic':'u'}}}", PROBLEM_INVALID_VALUE,
          "sink.kafka.topic" },
        { "{'topic':'t','sink':{'kafka':{'url':'kafka://a','mechanism':'PLAIN'}}}", PROBLEM_UNKNOWN_FIELD,
          "sink.kafka.mechanism" },
        { "{'topic':'t','sink':{'stomp':{'url':'stomp://a'}},'ack':'call'}", PROBLEM_INVALID_VALUE, "ack" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(rows[i].body, rows[i].type, rows[i].field);
}

static void names_and_sizes(void **state) {
    static char body[LIMIT_DEFINITION_BYTES + 128];
    char name[LIMIT_BRANCH_ID_BYTES + 2];
    struct definition d;
    struct problem p;
    (void)state;
    memset(name, 'n', sizeof name);
    name[LIMIT_BRANCH_ID_BYTES + 1] = '\0';
    assert_int_equal(decode("{'topic':'t','pull':true}", name, &d, &p), ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_OVER_LIMIT);
    assert_string_equal(p.field, "name");
    assert_string_equal(p.limit, "64");
    name[LIMIT_BRANCH_ID_BYTES] = '\0';
    assert_int_equal(decode("{'topic':'t','pull':true}", name, &d, &p), 0);
    for (size_t over = 0; over < 2; over++) {
        size_t length = LIMIT_DEFINITION_BYTES + over;
        memset(body, ' ', length);
        memcpy(body, "{'topic':'t','pull':true", 24);
        body[length - 1] = '}';
        body[length] = '\0';
        assert_int_equal(decode(body, "n", &d, &p), over == 0 ? 0 : ERR_INVALID);
    }
    assert_int_equal(p.type, PROBLEM_TOO_LARGE);
}

static void topics(void **state) {
    struct definition d;
    struct problem p;
    (void)state;
    assert_int_equal(
        definition_form_decode(DEFINITION_TOPIC, SLICE("t"), SLICE_NONE, &options, &arena, &d, &p), 0);
    assert_true(slice_is(d.source, "{}"));
    assert_int_equal(d.kind, DEFINITION_TOPIC);
    assert_int_equal(d.outlet.topic.length, 0);
    assert_int_equal(definition_form_decode(DEFINITION_TOPIC, SLICE("t"), SLICE("{\"description\":\"a\"}"),
                                            &options, &arena, &d, &p),
                     0);
    assert_int_equal(definition_form_decode(DEFINITION_TOPIC, SLICE("t"), SLICE("{\"push\":\"a\"}"), &options,
                                            &arena, &d, &p),
                     ERR_INVALID);
    assert_int_equal(p.type, PROBLEM_UNKNOWN_FIELD);
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(defaults),           TEST(the_subscription_of_the_manual),
        TEST(sinks_become_lines), TEST(what_is_refused),
        TEST(names_and_sizes),    TEST(topics),
    };
    return cmocka_run_group_tests_name("definition_form", tests, NULL, NULL);
}
