#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/sse.h"

struct stream {
    struct sse sse;
    stl_event_fn *callback;
    void *argument;
};

static int give_event(void *argument, struct slice id, struct slice name, struct slice data) {
    struct stream *s = argument;
    stl_event event = { .id = id.at, .name = name.at, .json = data.at, .json_length = data.length };
    return s->callback(s->argument, &event);
}

static int take_bytes(void *argument, const void *bytes, size_t length) {
    struct stream *s = argument;
    return sse_feed(&s->sse, slice_of(bytes, length), give_event, s);
}

static int follow(stl_client *c, struct client_call *call, stl_err *e) {
    stl_response *response = NULL;
    int result = client_exchange(c, call, &response, e);
    if (result != 0)
        return result;
    result = stl_response_check(c, response, e);
    stl_response_free(response);
    return result;
}

int stl_events(stl_client *c, const char *path, const char *last_id, stl_event_fn *callback, void *argument,
               stl_err *e) {
    struct stream stream = { .callback = callback, .argument = argument };
    struct buffer resume;
    const char *headers[3] = { "Accept: text/event-stream", NULL, NULL };
    struct client_call call = { .method = "GET",
                                .path = path,
                                .headers = headers,
                                .repeatable = true,
                                .silence_ms = CLIENT_STREAM_SILENCE_MS,
                                .sink = take_bytes,
                                .argument = &stream };
    if (path == NULL || callback == NULL)
        return client_fail(e, STL_EINVALID, "a stream needs a path and a callback");
    buffer_init(&resume, 1024);
    if (last_id != NULL && *last_id != '\0') {
        buffer_add_format(&resume, "Last-Event-ID: %s", last_id);
        buffer_add_byte(&resume, '\0');
        headers[1] = resume.at;
    }
    sse_init(&stream.sse);
    int result = buffer_failed(&resume) ? client_fail(e, STL_EINVALID, "the last event id is too long")
                                        : follow(c, &call, e);
    sse_done(&stream.sse);
    buffer_done(&resume);
    return result;
}

int stl_download(stl_client *c, const char *path, stl_bytes_fn *callback, void *argument, stl_err *e) {
    struct client_call call = {
        .method = "GET", .path = path, .repeatable = true, .sink = callback, .argument = argument
    };
    if (path == NULL || callback == NULL)
        return client_fail(e, STL_EINVALID, "a download needs a path and a callback");
    call.wait_ms = LIMIT_WAIT_MS; /* a backup is copied before its first byte leaves */
    call.silence_ms = LIMIT_WAIT_MS;
    return follow(c, &call, e);
}
