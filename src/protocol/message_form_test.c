/* What a message may say, what is refused and how, and what the engine gets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "protocol/message_form.h"

static struct arena arena;
static struct buffer text;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 16, 256 << 20);
    buffer_init(&text, 16 << 20);
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

static bool has_datasource(void *self, struct slice name) {
    (void)self;
    return slice_is(name, "pay");
}

static const struct submission_options common = {
    .namespace_name = { "default", 7 },
    .call_timeout_ms = 5000,
    .judge = judge,
};
static const struct message_options options = { .common = &common, .has_datasource = has_datasource };

static struct slice quoted(const char *body) {
    buffer_clear(&text);
    for (; *body != '\0'; body++)
        buffer_add_byte(&text, *body == '\'' ? '"' : *body);
    struct slice copy;
    assert_int_equal(arena_copy(&arena, buffer_slice(&text), &copy), 0);
    return copy;
}

static struct transaction_request taken(const char *body) {
    struct transaction_request q;
    struct problem p;
    if (message_form_decode(quoted(body), &options, &arena, &q, &p) != 0)
        fail_msg("%s refused: %s at %s", body, p.detail.text, p.field);
    return q;
}

static void refused(const char *body, enum problem_type type, const char *field) {
    struct transaction_request q;
    struct problem p;
    if (message_form_decode(quoted(body), &options, &arena, &q, &p) != ERR_INVALID)
        fail_msg("%s was taken", body);
    if (p.type != type || strcmp(p.field, field) != 0)
        fail_msg("%s: %s at \"%s\" (%s)", body, problem_row(p.type)->path, p.field, p.detail.text);
}

static void is(struct slice actual, const char *expected) {
    if (!slice_is(actual, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_PRINT(actual), expected);
}

static void a_direct_message(void **state) {
    (void)state;
    struct transaction_request q =
        taken("{'id':'pay-88','topic':'payment.done','key':'u9','delay':'2s','body':{ 'a' : 1 },"
              "'headers':{'X-Shop':'7'},'labels':{'order':'4711'}}");
    assert_int_equal(q.mode, MODE_MESSAGE);
    is(q.gid, "pay-88");
    is(q.message->head.topic, "payment.done");
    is(q.message->head.key, "u9");
    is(q.message->head.content_type, "application/json");
    is(q.message->body, "{ \"a\" : 1 }");
    assert_int_equal(q.message->delay_ms, 2000);
    assert_int_equal(q.message->head.header_count, 1);
    is(q.message->head.headers[0].key, "X-Shop");
    assert_int_equal(q.label_count, 1);
    assert_false(q.message->half);
    assert_int_equal(q.branch_count, 0);
    assert_int_equal(q.deadline_ms, 0);
}

static void bodies_of_every_kind(void **state) {
    (void)state;
    struct transaction_request q = taken("{'topic':'t','body_base64':'AAECAw==','content_type':'image/png'}");
    assert_int_equal(q.message->body.length, 4);
    assert_memory_equal(q.message->body.at, "\0\1\2\3", 4);
    is(q.message->head.content_type, "image/png");
    q = taken("{'topic':'t','body_base64':'aGk='}");
    is(q.message->head.content_type, "application/octet-stream");
    q = taken("{'topic':'t','body':null}");
    is(q.message->body, "null");
    q = taken("{'topic':'t','body':[1],'content_type':'application/cloudevents+json; charset=utf-8'}");
    is(q.message->head.content_type, "application/cloudevents+json; charset=utf-8");
    q = taken("{'topic':'t'}");
    assert_int_equal(q.message->body.length, 0);
    refused("{'topic':'t','body':1,'body_base64':'aGk='}", PROBLEM_INVALID_VALUE, "body_base64");
    refused("{'topic':'t','body':1,'content_type':'text/plain'}", PROBLEM_INVALID_VALUE, "content_type");
    refused("{'topic':'t','body_base64':'a'}", PROBLEM_INVALID_VALUE, "body_base64");
    refused("{'topic':'t','body_base64':'aGk= '}", PROBLEM_INVALID_VALUE, "body_base64");
    refused("{'topic':'t','body_base64':'aGk=','content_type':'png'}", PROBLEM_INVALID_VALUE, "content_type");
    refused("{'topic':'t','body_base64':'aGk=','content_type':'a/b\\u000a'}", PROBLEM_INVALID_VALUE,
            "content_type");
}

static void half_with_each_check(void **state) {
    (void)state;
    struct transaction_request q =
        taken("{'topic':'t','state':'half','check':{'http':'http://pay/check','after':'10s','every':'30s',"
              "'max':'5m','tries':7,'timeout':'2s'}}");
    assert_true(q.message->half);
    assert_int_equal(q.branch_count, 1);
    is(q.branches[0].id, MESSAGE_CHECK_BRANCH);
    is(q.branches[0].to[ROLE_FORWARD].url, "http://pay/check");
    assert_int_equal(q.branches[0].to[ROLE_FORWARD].timeout_ms, 2000);
    assert_int_equal(q.message->check_after_ms, 10000);
    assert_int_equal(q.message->check_tries, 7);
    assert_int_equal(q.branches[0].retry.first_ms, 30000);
    assert_int_equal(q.branches[0].retry.max_ms, 300000);
    assert_int_equal(q.branches[0].retry.then, GIVE_UP_ATTENTION);
    q = taken("{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'7401123',"
              "'system':'7231018450283743821/1/1767780000000000'}}}");
    is(q.branches[0].to[ROLE_FORWARD].url,
       "datasource://pay/pg?xid=7401123&system=7231018450283743821/1/1767780000000000");
    assert_int_equal(q.branches[0].to[ROLE_FORWARD].timeout_ms, 5000);
    assert_int_equal(q.message->check_after_ms, MESSAGE_CHECK_AFTER_MS);
    q = taken("{'topic':'t','state':'half','check':{'every':'1h','marker':{'datasource':'pay'}}}");
    is(q.branches[0].to[ROLE_FORWARD].url, "datasource://pay/marker");
    assert_int_equal(q.branches[0].retry.max_ms, 3600000); /* a default never contradicts what was said */
}

static void half_without_a_check_waits_for_its_producer(void **state) {
    (void)state;
    struct transaction_request q = taken("{'topic':'t','state':'half'}");
    assert_true(q.message->half);
    assert_int_equal(q.branch_count, 0);
}

static const struct {
    const char *body;
    enum problem_type type;
    const char *field;
} faults[] = {
    { "[]", PROBLEM_WRONG_TYPE, "" },
    { "{'topic':'t'", PROBLEM_MALFORMED_JSON, "" },
    { "{}", PROBLEM_MISSING_FIELD, "topic" },
    { "{'topic':'a b'}", PROBLEM_INVALID_VALUE, "topic" },
    { "{'topic':''}", PROBLEM_INVALID_VALUE, "topic" },
    { "{'topic':5}", PROBLEM_WRONG_TYPE, "topic" },
    { "{'topci':'t'}", PROBLEM_UNKNOWN_FIELD, "topci" },
    { "{'topic':'t','id':'a~b'}", PROBLEM_INVALID_GID, "id" },
    { "{'topic':'t','id':'..'}", PROBLEM_INVALID_GID, "id" },
    { "{'topic':'t','key':''}", PROBLEM_INVALID_VALUE, "key" },
    { "{'topic':'t','key':'a\\nb'}", PROBLEM_INVALID_VALUE, "key" },
    { "{'topic':'t','delay':'31d'}", PROBLEM_OVER_LIMIT, "delay" },
    { "{'topic':'t','state':'whole'}", PROBLEM_INVALID_VALUE, "state" },
    { "{'topic':'t','check':{'http':'http://a'}}", PROBLEM_INVALID_VALUE, "check" },
    { "{'topic':'t','state':'half','check':{}}", PROBLEM_MISSING_FIELD, "check.http" },
    { "{'topic':'t','state':'half','check':{'http':'ftp://a'}}", PROBLEM_INVALID_VALUE, "check.http" },
    { "{'topic':'t','state':'half','check':{'http':'http://evil/'}}", PROBLEM_EGRESS_REFUSED, "check.http" },
    { "{'topic':'t','state':'half','check':{'http':'http://a','marker':{'datasource':'pay'}}}",
      PROBLEM_INVALID_VALUE, "check.marker" },
    { "{'topic':'t','state':'half','check':{'http':'http://a','every':'1ms'}}", PROBLEM_OVER_LIMIT,
      "check.every" },
    { "{'topic':'t','state':'half','check':{'http':'http://a','every':'2s','max':'1s'}}",
      PROBLEM_INVALID_VALUE, "check.max" },
    { "{'topic':'t','state':'half','check':{'http':'http://a','tries':0}}", PROBLEM_OVER_LIMIT,
      "check.tries" },
    { "{'topic':'t','state':'half','check':{'http':'http://a','tries':1.5}}", PROBLEM_OVER_LIMIT,
      "check.tries" },
    { "{'topic':'t','state':'half','check':{'marker':{}}}", PROBLEM_MISSING_FIELD,
      "check.marker.datasource" },
    { "{'topic':'t','state':'half','check':{'marker':{'datasource':'nobody'}}}", PROBLEM_INVALID_VALUE,
      "check.marker.datasource" },
    { "{'topic':'t','state':'half','check':{'marker':{'datasource':'pay','xid':'7'}}}", PROBLEM_UNKNOWN_FIELD,
      "check.marker.xid" },
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','system':'7/1/9'}}}",
      PROBLEM_MISSING_FIELD, "check.pg.xid" },
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'7'}}}", PROBLEM_MISSING_FIELD,
      "check.pg.system" },
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'0x7','system':'7/1/9'}}}",
      PROBLEM_INVALID_VALUE, "check.pg.xid" },
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'2','system':'7/1/9'}}}",
      PROBLEM_INVALID_VALUE, "check.pg.xid" }, /* frozen and bootstrap are nobody's transaction */
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'7','system':'7'}}}",
      PROBLEM_INVALID_VALUE, "check.pg.system" },
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'7','system':'7/1/2/3'}}}",
      PROBLEM_INVALID_VALUE, "check.pg.system" },
    { "{'topic':'t','state':'half','check':{'pg':{'datasource':'pay','xid':'7','system':'7/'}}}",
      PROBLEM_INVALID_VALUE, "check.pg.system" },
    { "{'topic':'t','headers':{'Settle-Key':'x'}}", PROBLEM_INVALID_VALUE, "headers.Settle-Key" },
    { "{'topic':'t','headers':{'webhook-ID':'x'}}", PROBLEM_INVALID_VALUE, "headers.webhook-ID" },
    { "{'topic':'t','headers':{'CONNECTION':'x'}}", PROBLEM_INVALID_VALUE, "headers.CONNECTION" },
    { "{'topic':'t','headers':{'Transfer-Encoding':'x'}}", PROBLEM_INVALID_VALUE,
      "headers.Transfer-Encoding" },
    { "{'topic':'t','headers':{'Idempotency-Key':'x'}}", PROBLEM_INVALID_VALUE, "headers.Idempotency-Key" },
    { "{'topic':'t','headers':{'a b':'x'}}", PROBLEM_INVALID_VALUE, "headers.a b" },
    { "{'topic':'t','headers':{'':'x'}}", PROBLEM_INVALID_VALUE, "headers" },
    { "{'topic':'t','headers':{'X-A':'a\\r\\nb'}}", PROBLEM_INVALID_VALUE, "headers.X-A" },
    { "{'topic':'t','headers':{'X-A':5}}", PROBLEM_WRONG_TYPE, "headers.X-A" },
    { "{'topic':'t','labels':{'a':5}}", PROBLEM_WRONG_TYPE, "labels.a" },
};

static void what_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        refused(faults[i].body, faults[i].type, faults[i].field);
}

static void at_the_limits(void **state) {
    static char big[LIMIT_BRANCH_PAYLOAD_BYTES + 64];
    char body[16384];
    (void)state;
    for (int over = 0; over < 2; over++) {
        int length = snprintf(body, sizeof body, "{'topic':'t','key':'%0*d'}", LIMIT_KEY_BYTES + over, 1);
        assert_true(length > 0);
        if (over == 0)
            (void)taken(body);
        else
            refused(body, PROBLEM_OVER_LIMIT, "key");
        snprintf(body, sizeof body, "{'topic':'%0*d'}", LIMIT_TOPIC_BYTES + over, 1);
        if (over == 0)
            (void)taken(body);
        else
            refused(body, PROBLEM_OVER_LIMIT, "topic");
        snprintf(body, sizeof body, "{'topic':'t','headers':{'a':'%0*d'}}",
                 LIMIT_MESSAGE_HEADER_BYTES - 1 + over, 1);
        if (over == 0)
            (void)taken(body);
        else
            refused(body, PROBLEM_OVER_LIMIT, "headers");
        size_t used = (size_t)snprintf(body, sizeof body, "{'topic':'t','headers':{");
        for (int i = 0; i < LIMIT_MESSAGE_HEADERS + over; i++)
            used += (size_t)snprintf(body + used, sizeof body - used, "%s'h%d':''", i == 0 ? "" : ",", i);
        snprintf(body + used, sizeof body - used, "}}");
        if (over == 0)
            (void)taken(body);
        else
            refused(body, PROBLEM_OVER_LIMIT, "headers");
        int filler = LIMIT_BRANCH_PAYLOAD_BYTES + over;
        snprintf(big, sizeof big, "{'topic':'t','body':%0*d}", filler, 0);
        memset(big + 20, '1', (size_t)filler);
        if (over == 0)
            (void)taken(big);
        else
            refused(big, PROBLEM_TOO_LARGE, "body");
    }
}

static bool same(const char *a, const char *b) {
    struct transaction_request one = taken(a), two = taken(b);
    return memcmp(one.fingerprint, two.fingerprint, 32) == 0;
}

static void fingerprints(void **state) {
    (void)state;
    assert_true(same("{'topic':'t','key':'k','body':1}", "{ 'body':1,'key':'k', 'topic':'t' }"));
    assert_true(
        same("{'topic':'t','headers':{'a':'1','b':'2'}}", "{'topic':'t','headers':{'b':'2','a':'1'}}"));
    assert_false(same("{'topic':'t','body':{'a':1}}", "{'topic':'t','body':{'a': 1}}"));
    assert_false(same("{'topic':'t'}", "{'topic':'u'}"));
    assert_false(same("{'topic':'t','key':'k'}", "{'topic':'tk'}"));
    assert_false(same("{'topic':'t','headers':{'a':'1'}}", "{'topic':'t','labels':{'a':'1'}}"));
    assert_false(same("{'topic':'t','body':'aGk='}", "{'topic':'t','body_base64':'aGk='}"));
    assert_false(same("{'topic':'t','state':'half','check':{'http':'http://a'}}",
                      "{'topic':'t','state':'half','check':{'http':'http://b'}}"));
    assert_false(same("{'topic':'t','state':'half','check':{'http':'http://a','every':'1m'}}",
                      "{'topic':'t','state':'half','check':{'http':'http://a','max':'1m'}}"));
    assert_false(same("{'topic':'t','id':'a'}", "{'topic':'t','id':'b'}"));
}

int main(void) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_direct_message),     TEST(bodies_of_every_kind),
        TEST(half_with_each_check), TEST(half_without_a_check_waits_for_its_producer),
        TEST(what_is_refused),      TEST(at_the_limits),
        TEST(fingerprints),
    };
    return cmocka_run_group_tests_name("message_form", tests, NULL, NULL);
}
