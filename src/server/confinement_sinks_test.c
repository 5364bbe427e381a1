/* What the client libraries of brokers ask of the kernel is allowed to a confined process: threads, sockets,
 * names, certificates. Each trial runs in a child, since confinement is for life. With SETTLE_TEST_RABBITMQ
 * and SETTLE_TEST_RABBITMQ_TLS (tests/peers/rabbitmq_test.py) a real broker is delivered to as well. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#ifdef SETTLE_WITH_KAFKA
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#endif

#include "server/confinement.h"
#include "server/settings.h"
#include "sink/broker_test.h"
#include "sink/kafka/kafka_sink.h"
#include "sink/rabbitmq/rabbitmq_sink.h"

enum {
    UNSUPPORTED = 77,
};

#define EXPECT(condition, ...)              \
    do {                                    \
        if (!(condition)) {                 \
            dprintf(2, "%s: ", #condition); \
            dprintf(2, __VA_ARGS__);        \
            dprintf(2, "\n");               \
            _exit(1);                       \
        }                                   \
    } while (0)

static struct post post;

static void expect_well(void (*trial)(void)) {
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        trial();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNSUPPORTED)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Both halves, as the daemon has them by default. */
static void confine(void) {
    static char folder[] = "/tmp/settle-test-XXXXXX";
    struct settings settings;
    struct why why = { "" };
    EXPECT(settings_init(&settings) == 0, "no settings");
    if (getenv("SETTLE_TEST_RABBITMQ_CA") != NULL)
        EXPECT(settings_set(&settings, SETTING_EGRESS_CA, slice_text(getenv("SETTLE_TEST_RABBITMQ_CA")),
                            SETTING_ORIGIN_FLAG, 0, NULL) == 0,
               "no CA");
    EXPECT(mkdtemp(folder) != NULL, "no folder");
    confinement_begin(&settings, folder, "");
    int code = confinement_calls(&why);
    rmdir(folder);
    settings_done(&settings);
    if (code == ERR_UNSUPPORTED)
        _exit(UNSUPPORTED);
    EXPECT(code == 0, "%s", why.text);
}

static void expect_done(const char *target) {
    const struct parcel *p = post_one(&post, target);
    EXPECT(p->verdict == VERDICT_DONE, "%s: %d %s", target, p->verdict, p->sentence);
}

static void reach_rabbitmq(void) {
    char target[100];
    const char *broker = getenv("SETTLE_TEST_RABBITMQ"), *secure = getenv("SETTLE_TEST_RABBITMQ_TLS");
    confine();
    post_open(&post, 10, getenv("SETTLE_TEST_RABBITMQ_CA"), "127.0.0.0/8", rabbitmq_sink_open);
    const struct parcel *p = post_one(&post, "rabbitmq://localhost:1?queue=q");
    EXPECT(strstr(p->sentence, "Connection refused") != NULL, "%s", p->sentence);
    if (broker != NULL && secure != NULL) {
        snprintf(target, sizeof target, "rabbitmq://%s?queue=mixed", broker);
        expect_done(target);
        snprintf(target, sizeof target, "rabbitmqs://localhost:%s?queue=mixed", secure);
        expect_done(target);
    }
    post_close(&post);
}

#ifdef SETTLE_WITH_KAFKA
static void reach_kafka(void) {
    char words[200], target[300];
    unsigned port;
    confine();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", words, sizeof words);
    rd_kafka_t *carrier = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    EXPECT(carrier != NULL, "%s", words);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(carrier, 1);
    EXPECT(cluster != NULL, "no mock cluster");
    sscanf(rd_kafka_mock_cluster_bootstraps(cluster), "127.0.0.1:%u", &port);
    post_open(&post, 10, NULL, "127.0.0.0/8", kafka_sink_open);
    snprintf(target, sizeof target, "kafka://localhost:%u/t", port);
    expect_done(target);
    post_close(&post);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(carrier);
}
#endif

static void rabbitmq_is_reached(void **state) {
    (void)state;
    if (rabbitmq_sink_library() == NULL)
        skip();
    expect_well(reach_rabbitmq);
}

static void kafka_is_reached(void **state) {
    (void)state;
#ifdef SETTLE_WITH_KAFKA
    expect_well(reach_kafka);
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rabbitmq_is_reached),
        cmocka_unit_test(kafka_is_reached),
    };
    return cmocka_run_group_tests_name("confinement_sinks", tests, NULL, NULL);
}
