/* Targets and routes: name servers that fail, topics that are missing, egress, signatures, TLS. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/certificate_test.h"
#include "net/tls.h"
#include "sink/rocketmq/rocketmq_stage_test.h"

static void the_next_name_server_is_asked(void **state) {
    (void)state;
    listener_close(servers[0].listener);
    servers[0].listener = NULL;
    loop_run_for(loop, 5);
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    aim("", "?tag=hangs");
    open_server(0);
    servers[0].behaviour = HANGS_UP;
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    aim("", "?tag=unknown");
    servers[0].behaviour = ANSWERS;
    servers[0].code = 17;
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    aim("", "?tag=garbage");
    servers[0].behaviour = TALKS_HTTP;
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    assert_int_equal(arrival_count, 4);
}

static void without_a_route_nothing_is_sent(void **state) {
    (void)state;
    both_names(ANSWERS, 17, "No topic route info");
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "knows no topic Orders; make it, or write create=yes");
    both_names(ANSWERS, 1, "out of order");
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT,
           "answered 1 SYSTEM_ERROR to the topic Orders: out of order");
    both_names(ANSWERS, 0, "");
    route_text = "{\"brokerDatas\":[],\"queueDatas\":[]}";
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "no broker takes messages for topic Orders now");
    route_text = "[";
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "sent: a route that is not JSON");
    both_names(SAYS_NOTHING, 0, "");
    expect(ask("m", "", 1, 50), VERDICT_NOT_SENT, "no name server gave a route of topic Orders within 50 ms");
    for (size_t i = 0; i < SERVERS; i++) {
        listener_close(servers[i].listener);
        servers[i].listener = NULL;
    }
    aim("", "?tag=T");
    both_names(HANGS_UP, 0, "");
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] != NULL)
            connection_close(guests[i]->c);
    loop_run_for(loop, 5);
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "connection refused");
    assert_int_equal(arrival_count, 0);
}

static void a_missing_topic_is_made_when_asked_for(void **state) {
    (void)state;
    route_to("127.0.0.1", BROKERS, 8);
    template_text = route_room;
    route_text = NULL;
    both_names(ANSWERS, 17, "");
    aim("", "?create=yes");
    for (int i = 0; i < 40; i++) {
        char id[20];
        snprintf(id, sizeof id, "m-%d", i);
        expect(ask(id, "", 1, 1000), VERDICT_DONE, "");
        assert_true(arrivals[i].queue < ROCKETMQ_TEMPLATE_QUEUES);
    }
    assert_int_equal(servers[0].requests + servers[1].requests, 2);
}

static void a_broker_that_is_gone_is_asked_for_again(void **state) {
    (void)state;
    expect(ask("m", "k", 1, 1000), VERDICT_DONE, "");
    size_t old = arrivals[0].server;
    size_t other = old == BROKERS ? BROKERS + 1 : BROKERS;
    listener_close(servers[old].listener);
    servers[old].listener = NULL;
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] != NULL && guests[i]->server == old)
            connection_close(guests[i]->c);
    loop_run_for(loop, 5);
    route_to("127.0.0.1", other, 3);
    expect(ask("m", "k", 2, 1000), VERDICT_NOT_SENT, "connection refused; nothing was sent");
    size_t lookups = servers[0].requests + servers[1].requests;
    assert_int_equal(lookups, 1);
    for (int i = 0; i < 200 && servers[0].requests + servers[1].requests == lookups; i++)
        loop_run_for(loop, 10);
    loop_run_for(loop, 20);
    expect(ask("m", "k", 3, 1000), VERDICT_DONE, "");
    assert_int_equal(arrivals[1].server, other);
}

static void egress_is_judged_for_name_servers_and_brokers(void **state) {
    (void)state;
    struct egress closed;
    egress_init(&closed, &arena);
    sink->ops->set_egress(sink, &closed);
    expect(ask("m", "", 1, 1000), VERDICT_FORBIDDEN, "127.0.0.1 is not listed in egress.allow");
    assert_int_equal(servers[0].accepted + servers[1].accepted, 0);
    /* Only the name servers' address: a route leads elsewhere. */
    assert_int_equal(egress_allow(&closed, SLICE("127.0.0.1"), NULL), 0);
    route_to("127.0.0.2", BROKERS, 3);
    expect(ask("m", "", 1, 1000), VERDICT_FORBIDDEN, "127.0.0.2 is not listed in egress.allow");
    /* A route that leads to settled's own door. */
    struct address own;
    assert_int_equal(address_decode(SLICE("127.0.0.1"), &own), 0);
    assert_int_equal(egress_never(&closed, &own, servers[BROKERS].port), 0);
    assert_int_equal(egress_never(&closed, &own, servers[BROKERS + 1].port), 0);
    route_text = NULL;
    aim("", "?tag=T");
    expect(ask("m", "", 1, 1000), VERDICT_FORBIDDEN, "settled itself");
    assert_int_equal(arrival_count, 0);
}

static void new_rules_close_old_connections_when_they_are_idle(void **state) {
    (void)state;
    expect(ask("m", "k", 1, 1000), VERDICT_DONE, "");
    both(HOLDS, 0, "");
    send_message("m", "k", 1, 1000);
    loop_run_for(loop, 20);
    assert_int_equal(held, 1);
    struct egress closed;
    egress_init(&closed, &arena);
    sink->ops->set_egress(sink, &closed);
    loop_run_for(loop, 20);
    assert_int_equal(rocketmq_sink_counters(sink).servers, 1); /* the broker that owes an answer */
    let_go();
    wait_for(2);
    expect(&seen[1], VERDICT_DONE, "");
    loop_run_for(loop, 20);
    assert_int_equal(rocketmq_sink_counters(sink).servers, 0);
    expect(ask("m", "k", 1, 1000), VERDICT_FORBIDDEN, "egress.allow");
}

static void requests_are_signed(void **state) {
    (void)state;
    aim("shop@", "?password_file=/run/secrets/mq");
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "/run/secrets/mq is readable by others");
    assert_int_equal(servers[0].requests + servers[1].requests, 0);
    secret_text = "";
    expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, "is empty");
    secret_text = expected_secret = "12345678";
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
    /* A new secret is read after the first refusal. */
    both(ANSWERS, 16, "signature");
    expect(ask("m", "", 1, 1000), VERDICT_UNKNOWN, "NO_PERMISSION");
    assert_null(strstr(seen[seen_count - 1].body, "12345678"));
    secret_text = expected_secret = "87654321";
    size_t lookups = servers[0].requests + servers[1].requests;
    for (int i = 0; i < 200 && servers[0].requests + servers[1].requests == lookups; i++)
        loop_run_for(loop, 10);
    both(ANSWERS, 0, "");
    expect(ask("m", "", 1, 1000), VERDICT_DONE, "");
}

static void a_target_that_cannot_be_used_says_why(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        { "rocketmq://127.0.0.1/", "the topic \"\" has no valid name" },
        { "rocketmq://127.0.0.1/a.b", "the topic \"a.b\" has no valid name" },
        { "rocketmq://127.0.0.1/T?group=a/b", "group is \"a/b\"" },
        { "rocketmq://127.0.0.1/T?tag=a%7Cb", "tag is \"a|b\"" },
        { "rocketmq://127.0.0.1/T?routing_key=a", "has no parameter routing_key; there are group, tag," },
        { "rocketmq://ak@127.0.0.1/T", "password_file is missing" },
        { "rocketmq://127.0.0.1/T?password_file=/x", "the access key is missing" },
        { "rocketmq://127.0.0.1/T?create=1", "create is \"1\"; it can be yes or no" },
        { "rocketmq://127.0.0.1/T?accept_weak=maybe", "accept_weak is \"maybe\"" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(sink_target_decode(slice_text(rows[i][0]), &arena, &target, NULL), 0);
        expect(ask("m", "", 1, 1000), VERDICT_NOT_SENT, rows[i][1]);
    }
    assert_int_equal(sink_target_decode(SLICE("rocketmqs://127.0.0.1/T"), &arena, &target, NULL), 0);
    expect(ask("m", "", 1, 1000), VERDICT_UNKNOWN, "wants TLS, which is not set up here");
    assert_int_equal(rocketmq_sink_counters(sink).servers, 0); /* nobody was called */
}

static struct certificate certificate;

static int open_secured(void **state) {
    certificate_make(&certificate, "IP:127.0.0.1", 3600);
    assert_int_equal(tls_new_server(&server_tls, certificate.certificate, certificate.key, NULL, NULL), 0);
    assert_int_equal(tls_new_client(&client_tls, certificate.certificate, NULL), 0);
    return open_all(state);
}

static int close_secured(void **state) {
    close_all(state);
    tls_free(server_tls);
    tls_free(client_tls);
    server_tls = client_tls = NULL;
    certificate_drop(&certificate);
    return 0;
}

static void it_goes_under_tls(void **state) {
    (void)state;
    expect(ask("m", "", 1, 2000), VERDICT_DONE, "");
    route_to("127.0.0.2", BROKERS, 3);
    /* an address that the certificate does not name, where nobody listens either */
    aim("", "?tag=T");
    expect(ask("m", "", 1, 2000), VERDICT_NOT_SENT, "nothing was sent");
    route_text = NULL;
    aim("", "?tag=U");
    resend = 400;
    send_message("m", "", 1, 5000);
    wait_for(402 + 1);
    for (size_t i = 2; i < seen_count; i++)
        expect(&seen[i], VERDICT_DONE, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_next_name_server_is_asked),
        TEST(without_a_route_nothing_is_sent),
        TEST(a_missing_topic_is_made_when_asked_for),
        TEST(a_broker_that_is_gone_is_asked_for_again),
        TEST(egress_is_judged_for_name_servers_and_brokers),
        TEST(new_rules_close_old_connections_when_they_are_idle),
        TEST(requests_are_signed),
        TEST(a_target_that_cannot_be_used_says_why),
        cmocka_unit_test_setup_teardown(it_goes_under_tls, open_secured, close_secured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
