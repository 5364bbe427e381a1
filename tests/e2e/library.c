/* What tests/e2e/library_test.py runs: libsettle's calls for messages against a real settled. Each line of
 * stdout is one fact. Arguments: topic, subscription (pulled), check-back URL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <settle/settle.h>

static stl_client *client;
static stl_err error;

static void tell(const char *what, int result) {
    printf("%s %d%s%s\n", what, result, result == 0 ? "" : " ", result == 0 ? "" : error.type);
}

static void publish(const char *topic, const char *id, const char *type, const void *body, size_t length) {
    stl_result *r = NULL;
    stl_msg *m = stl_msg_new(topic, id);
    stl_msg_key(m, "k");
    stl_msg_header(m, "X-Shop", "north");
    stl_msg_label(m, "from", "c");
    stl_msg_body(m, type, body, length);
    tell("publish", stl_msg_publish(client, m, 0, &r, &error));
    if (r != NULL)
        printf("%s %s\n", stl_result_gid(r), stl_result_status(r));
    stl_result_free(r);
    stl_msg_free(m);
}

static void decide(const char *topic, const char *url, const char *id) {
    stl_result *r = NULL;
    stl_msg *m = stl_msg_new(topic, id);
    stl_msg_check_http(m, url);
    stl_msg_check_times(m, 3600000, 0, 0, 3);
    tell("half", stl_msg_half(client, m, &error));
    tell("half again", stl_msg_half(client, m, &error));
    tell("get", stl_msg_get(client, id, &r, &error));
    printf("%s\n", r == NULL ? "?" : stl_result_status(r));
    stl_result_free(r);
    tell("rollback", stl_msg_rollback(client, id, &error));
    tell("commit", stl_msg_commit(client, id, &error));
    printf("%s\n", error.decision);
    stl_msg_free(m);
}

static void check(const char *topic, const char *url, const char *id) {
    stl_result *r = NULL;
    stl_msg *m = stl_msg_new(topic, id);
    stl_msg_check_http(m, url);
    stl_msg_check_times(m, 3600000, 0, 0, 0);
    tell("half", stl_msg_half(client, m, &error));
    tell("check", stl_msg_check(client, id, 300, &r, &error));
    printf("%s\n", r == NULL ? "?" : stl_result_status(r));
    stl_result_free(r);
    stl_msg_free(m);
}

static void consume(const char *subscription) {
    for (int done = 0; done < 4;) {
        stl_batch *batch = NULL;
        if (stl_pull(client, subscription, 10, 30000, 5000, &batch, &error) != 0 ||
            stl_batch_count(batch) == 0) {
            printf("pull failed: %s\n", error.text);
            stl_batch_free(batch);
            return;
        }
        for (size_t i = 0; i < stl_batch_count(batch); i++, done++) {
            const stl_delivery *d = stl_batch_at(batch, i);
            printf("%s %d %s %s %zu:", d->message, d->attempt, d->key, d->content_type, d->body_length);
            for (size_t k = 0; k < d->body_length; k++)
                printf("%02x", ((const unsigned char *)d->body)[k]);
            printf(" %s=%s\n", d->header_count > 0 ? d->headers[0].name : "",
                   d->header_count > 0 ? d->headers[0].value : "");
            if (done == 0)
                tell("nack", stl_nack(client, d->id, 10, "busy", &error));
            else if (done == 3)
                tell("refuse", stl_refuse(client, d->id, "no such account", &error));
            else
                tell("ack", stl_ack(client, d->id, &error));
        }
        stl_batch_free(batch);
    }
}

int main(int argc, char **argv) {
    char first[64], second[64], third[64], fourth[64];
    if (argc != 4 || stl_client_open(&client, NULL, NULL, &error) != 0)
        return 2;
    const char *topic = argv[1], *subscription = argv[2], *url = argv[3];
    snprintf(first, sizeof first, "%s-1", topic);
    snprintf(second, sizeof second, "%s-2", topic);
    snprintf(third, sizeof third, "%s-3", topic);
    snprintf(fourth, sizeof fourth, "%s-4", topic);
    publish(topic, first, NULL, "{\"n\": 1}", 8);
    publish(topic, first, NULL, "{\"n\": 1}", 8);
    publish(topic, first, NULL, "{\"n\": 2}", 8);
    publish(topic, second, "application/x-thing", "a\0\xff", 3);
    decide(topic, url, third);
    check(topic, url, fourth);
    consume(subscription);
    tell("ack nobody", stl_ack(client, "nobody~nothing", &error));
    stl_client_close(client);
    return 0;
}
