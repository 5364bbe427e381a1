#include "cli/bench_subscription.h"

#include <stdio.h>

#include "base/limits.h"

#define PATH_BYTES 256

static unsigned count_of(const struct load_options *o) {
    return o->mode == LOAD_PULL ? 1 : o->branches;
}

static void write_path(char path[PATH_BYTES], const struct load_options *o, unsigned index) {
    if (o->mode == LOAD_PULL)
        snprintf(path, PATH_BYTES, "/v1/subscriptions/%s", o->topic);
    else
        snprintf(path, PATH_BYTES, "/v1/subscriptions/%s.%u", o->topic, index);
}

int bench_subscribe(stl_client *client, const struct load_options *o, const uint16_t *ports,
                    struct why *why) {
    stl_err e = { .code = 0 };
    int code = 0;
    for (unsigned i = 0; i < count_of(o) && code == 0; i++) {
        char path[PATH_BYTES], body[PATH_BYTES];
        stl_response *answer = NULL;
        int length = o->mode == LOAD_PULL
                         ? snprintf(body, sizeof body, "{\"topic\":\"%s\",\"pull\":true}", o->topic)
                         : snprintf(body, sizeof body,
                                    "{\"topic\":\"%s\",\"push\":\"http://127.0.0.1:%u/b%u/deliver\","
                                    "\"concurrency\":%d}",
                                    o->topic, (unsigned)ports[i], i, LIMIT_CONCURRENCY);
        write_path(path, o, i);
        code = stl_request(client, "PUT", path, NULL, body, (size_t)length, 0, &answer, &e);
        if (code == 0)
            code = stl_response_check(client, answer, &e);
        stl_response_free(answer);
    }
    return code == 0 ? 0 : why_set(why, ERR_DENIED, "subscribing: %s", e.text);
}

void bench_unsubscribe(stl_client *client, const struct load_options *o) {
    for (unsigned i = 0; i < count_of(o); i++) {
        char path[PATH_BYTES];
        stl_response *answer = NULL;
        write_path(path, o, i);
        if (stl_request(client, "DELETE", path, NULL, NULL, 0, 0, &answer, NULL) == 0)
            stl_response_free(answer);
    }
}
