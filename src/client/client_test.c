/* libsettle against a scripted server. */
#include "client/scripted_test.h"

static void a_request_carries_token_host_and_body(void **state) {
    (void)state;
    struct script s = { .answers = { OK_HEAD "X-Empty:\r\nContent-Length: 11\r\n\r\n{\"a\":true}\n" } };
    const char *headers[] = { "X-One: 1", NULL };
    stl_response *r = NULL;
    size_t length = 0;
    start(&s);
    stl_client *c = open_client(&s, 0);
    assert_int_equal(stl_request(c, "POST", "/v1/x?y=1", headers, "{}", 2, 0, &r, NULL), 0);
    assert_int_equal(stl_response_status(r), 200);
    assert_string_equal(stl_response_body(r, &length), "{\"a\":true}\n");
    assert_int_equal(length, 11);
    assert_string_equal(stl_response_header(r, "content-type"), "application/json");
    assert_string_equal(stl_response_header(r, "x-empty"), "");
    assert_null(stl_response_header(r, "x-none"));
    assert_int_equal(stl_response_check(c, r, NULL), 0);
    stl_response_free(r);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "POST /v1/x?y=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(s.requests[0], "Authorization: Bearer secret\r\n"));
    assert_non_null(strstr(s.requests[0], "X-One: 1\r\n"));
    assert_non_null(strstr(s.requests[0], "Content-Length: 2\r\n"));
    assert_non_null(strstr(s.requests[0], "\r\n\r\n{}"));
}

static void a_kept_connection_is_used_again(void **state) {
    (void)state;
    struct script s = { .answers = { OK_HEAD "Content-Length: 0\r\n\r\n",
                                     OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" } };
    stl_response *r = NULL;
    start(&s);
    stl_client *c = open_client(&s, 0);
    assert_int_equal(stl_request(c, "GET", "/", NULL, NULL, 0, 0, &r, NULL), 0);
    stl_response_free(r);
    assert_int_equal(stl_request(c, "GET", "/", NULL, NULL, 0, 0, &r, NULL), 0);
    assert_string_equal(stl_response_body(r, NULL), "abc");
    stl_response_free(r);
    stl_client_close(c);
    finish(&s);
    assert_int_equal(s.connection_count, 1);
}

static void a_dead_kept_connection_is_replaced_only_for_what_may_repeat(void **state) {
    (void)state;
    struct script s = { .answers = { OK_HEAD "Content-Length: 0\r\n\r\n", HANG_UP,
                                     OK_HEAD "Content-Length: 0\r\n\r\n", HANG_UP } };
    stl_response *r = NULL;
    stl_err e;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    assert_int_equal(stl_request(c, "GET", "/1", NULL, NULL, 0, 0, &r, NULL), 0);
    stl_response_free(r);
    assert_int_equal(stl_request(c, "GET", "/2", NULL, NULL, 0, 0, &r, NULL), 0);
    stl_response_free(r);
    assert_int_equal(stl_request(c, "POST", "/3", NULL, "{}", 2, 0, &r, &e), STL_EUNKNOWN);
    assert_int_equal(e.retry, 1);
    stl_client_close(c);
    finish(&s);
    assert_int_equal(s.request_count, 4);
    assert_int_equal(s.connection_count, 2);
}

static void failures_are_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        int code;
    } table[] = {
        { HANG_UP, STL_EUNKNOWN },
        { "SSH-2.0-OpenSSH\r\n", STL_EPROTOCOL },
        { OK_HEAD "Content-Length: 10\r\n\r\nabc", STL_EUNKNOWN },
        { OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", STL_EPROTOCOL },
        { "HTTP/1.1 200 OK\r\nContent-Le", STL_EUNKNOWN },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct script s = { .answers = { table[i].answer } };
        stl_response *r = NULL;
        stl_err e;
        start(&s);
        stl_client *c = open_client(&s, 2000);
        assert_int_equal(stl_request(c, "GET", "/", NULL, NULL, 0, 0, &r, &e), table[i].code);
        assert_int_equal(e.code, table[i].code);
        assert_null(r);
        stl_client_close(c);
        finish(&s);
    }
}

static void nobody_listening_is_unreachable(void **state) {
    (void)state;
    struct script s = { .answers = { NULL } };
    stl_response *r = NULL;
    stl_err e;
    start(&s);
    finish(&s);
    stl_client *c = open_client(&s, 500);
    assert_int_equal(stl_request(c, "GET", "/", NULL, NULL, 0, 0, &r, &e), STL_EUNREACHABLE);
    assert_non_null(strstr(e.text, "refused"));
    stl_client_close(c);
}

static void silence_is_a_timeout_but_a_wait_is_patient(void **state) {
    (void)state;
    struct script s = { .answers = { OK_HEAD "Content-Length: 0\r\n\r\n", NULL,
                                     OK_HEAD "Content-Length: 0\r\n\r\n" },
                        .pause_ms = 300 };
    stl_response *r = NULL;
    start(&s);
    stl_client *c = open_client(&s, 100);
    assert_int_equal(stl_request(c, "GET", "/", NULL, NULL, 0, 0, &r, NULL), STL_ETIMEOUT);
    assert_int_equal(stl_request(c, "GET", "/", NULL, NULL, 0, 2000, &r, NULL), 0);
    stl_response_free(r);
    stl_client_close(c);
    finish(&s);
}

static void a_problem_document_is_told(void **state) {
    (void)state;
    struct script
        s = { .answers = {
                  "HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\nContent-Length: "
                  "148\r\n\r\n"
                  "{\"type\":\"/problems/already-decided\",\"title\":\"Already decided\",\"status\":409,"
                  "\"detail\":\"rolled back at 10:00\",\"decision\":\"rolled_back\",\"retry\":false}   " } };
    stl_result *result = NULL;
    stl_err e;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    assert_int_equal(stl_tx_commit(c, "a/b", 0, &result, &e), STL_ECONFLICT);
    assert_int_equal(e.http, 409);
    assert_int_equal(e.retry, 0);
    assert_string_equal(e.type, "/problems/already-decided");
    assert_string_equal(e.decision, "rolled_back");
    assert_string_equal(e.text, "rolled back at 10:00");
    assert_null(result);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "POST /v1/transactions/a%2Fb/commit HTTP/1.1"));
}

static void a_401_lists_the_places(void **state) {
    (void)state;
    struct script s = { .answers = { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n" } };
    stl_opts opts = { .no_token_search = 1 };
    stl_client *c = NULL;
    stl_result *result = NULL;
    stl_err e;
    start(&s);
    assert_int_equal(stl_client_open(&c, s.url, &opts, NULL), 0);
    assert_null(stl_client_token(c));
    assert_int_equal(stl_tx_get(c, "g", &result, &e), STL_EAUTH);
    assert_non_null(strstr(e.text, "--token-file: not set"));
    stl_client_close(c);
    finish(&s);
}

static void a_saga_is_submitted_and_read(void **state) {
    (void)state;
    struct script s = {
        .answers = { OK_HEAD "Content-Length: 142\r\n\r\n"
                             "{\"gid\":\"trip-77\",\"status\":\"rolled_back\",\"attention\":null,\"reason\":"
                             "{\"branch\":\"hotel\",\"op\":\"action\",\"http\":409,\"detail\":\"no rooms\"}}"
                             "                  " }
    };
    stl_result *r = NULL;
    stl_tx *t = stl_tx_new("saga", "trip-77");
    start(&s);
    stl_client *c = open_client(&s, 2000);
    stl_tx_name(t, "book-trip");
    stl_tx_label(t, "user", "u9");
    stl_tx_deadline(t, 120000);
    stl_tx_saga(t, "car", "http://car/book", "http://car/cancel", "{\"days\":3}", 10);
    stl_tx_saga(t, "hotel", "http://hotel/book", "http://hotel/cancel", NULL, 0);
    stl_tx_retry(t, 100, 150, 0, 30000);
    stl_tx_saga(t, "charge", "http://pay/charge", NULL, NULL, 0);
    stl_tx_after(t, "car");
    stl_tx_after(t, "hotel");
    stl_tx_pivot(t);
    stl_tx_timeout(t, 8000);
    assert_int_equal(stl_tx_submit(c, t, 5000, &r, NULL), 0);
    assert_string_equal(stl_result_gid(r), "trip-77");
    assert_string_equal(stl_result_status(r), "rolled_back");
    assert_string_equal(stl_result_reason(r), "hotel.action: HTTP 409, no rooms");
    assert_true(stl_result_final(r));
    assert_false(stl_result_committed(r));
    assert_false(stl_result_attention(r));
    stl_result_free(r);
    stl_tx_free(t);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "POST /v1/transactions?wait=5000ms HTTP/1.1"));
    const char *body = strstr(s.requests[0], "\r\n\r\n") + 4;
    assert_string_equal(
        body,
        "{\"gid\":\"trip-77\",\"mode\":\"saga\",\"name\":\"book-trip\",\"labels\":{\"user\":\"u9\"},"
        "\"deadline\":"
        "\"120000ms\",\"branches\":[{\"id\":\"car\",\"action\":\"http://car/book\",\"compensate\":\"http://"
        "car/"
        "cancel\",\"body\":{\"days\":3}},{\"id\":\"hotel\",\"action\":\"http://hotel/"
        "book\",\"compensate\":\"http:"
        "//hotel/"
        "cancel\",\"retry\":{\"first\":\"100ms\",\"factor\":1.50,\"for\":\"30000ms\",\"then\":\"rollback\"}}"
        ",{\"id\":\"charge\",\"action\":{\"url\":\"http://pay/"
        "charge\",\"timeout\":\"8000ms\"},\"after\":[\"car\","
        "\"hotel\"],\"pivot\":true}]}");
}

static void a_tcc_is_spelled(void **state) {
    (void)state;
    stl_tx *t = stl_tx_new("tcc", NULL);
    stl_tx_client_driven(t, 1);
    stl_tx_tcc(t, "a", "http://a/tcc", NULL, 0);
    stl_tx_cancel_always(t);
    stl_tx_tcc(t, "b", "http://b/tcc", "1", 1);
    stl_tx_timeout(t, 50);
    stl_tx_at_once(t);
    stl_tx_tcc_urls(t, "c", "http://c/t", "http://c/c", "http://c/x", NULL, 0);
    assert_string_equal(
        stl_tx_json(t, NULL),
        "{\"mode\":\"tcc\",\"drive\":\"client\",\"branches\":[{\"id\":\"a\",\"base\":\"http://a/"
        "tcc\",\"cancel\":"
        "\"always\"},{\"id\":\"b\",\"base\":{\"url\":\"http://b/"
        "tcc\",\"timeout\":\"50ms\"},\"after\":[],\"body\":1},"
        "{\"id\":\"c\",\"try\":\"http://c/t\",\"confirm\":\"http://c/c\",\"cancel\":\"http://c/x\"}]}");
    stl_tx_free(t);
}

static void the_first_builder_failure_is_kept(void **state) {
    (void)state;
    struct script s = { .url = "http://127.0.0.1:1" };
    stl_client *c = open_client(&s, 100);
    stl_result *r = NULL;
    stl_err e;
    stl_tx *t = stl_tx_new("tcc", "g");
    assert_int_equal(stl_tx_after(t, "x"), STL_EINVALID);
    stl_tx_tcc(t, "a", "http://a", "{\"x\":}", 6);
    assert_null(stl_tx_json(t, NULL));
    assert_int_equal(stl_tx_submit(c, t, 0, &r, &e), STL_EINVALID);
    assert_string_equal(e.text, "after: comes after the branch it speaks of");
    stl_tx_free(t);
    t = stl_tx_new("tcc", "g");
    stl_tx_tcc(t, "a", "http://a", "{\"x\":}", 6);
    assert_int_equal(stl_tx_submit(c, t, 0, &r, &e), STL_EINVALID);
    assert_non_null(strstr(e.text, "a: its body is not JSON: line 1 column 6"));
    stl_tx_free(t);
    stl_tx_free(NULL);
    stl_client_close(c);
}

struct seen {
    char text[512];
    int stop_after, count;
};

static int see(void *argument, const stl_event *event) {
    struct seen *seen = argument;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof seen->text - used, "[%s|%s|%s]", event->id, event->name, event->json);
    return ++seen->count == seen->stop_after;
}

static void events_are_followed_and_resumed(void **state) {
    (void)state;
    const char *stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                         ": hello\n\nid: 8-1\nevent: tx.created\ndata: {\"a\":1}\n\n"
                         "data: x\r\ndata:y\r\n\r\nid: 8-3\n\nevent: tx.status\rdata: z\r\r";
    struct script s = { .answers = { stream, NULL, stream } };
    struct seen seen = { .count = 0 };
    start(&s);
    stl_client *c = open_client(&s, 2000);
    assert_int_equal(stl_events(c, "/v1/events", "7-9", see, &seen, NULL), 0);
    assert_string_equal(seen.text, "[8-1|tx.created|{\"a\":1}][8-1|message|x\ny][8-3|tx.status|z]");
    seen = (struct seen){ .stop_after = 1 };
    assert_int_equal(stl_events(c, "/v1/events", NULL, see, &seen, NULL), STL_ESTOPPED);
    stl_client_close(c);
    finish(&s);
    assert_non_null(strstr(s.requests[0], "Last-Event-ID: 7-9\r\n"));
    assert_non_null(strstr(s.requests[0], "Accept: text/event-stream\r\n"));
    assert_null(strstr(s.requests[1], "Last-Event-ID"));
}

static int count_bytes(void *argument, const void *bytes, size_t length) {
    (void)bytes;
    *(size_t *)argument += length;
    return 0;
}

static void a_download_is_whole_or_an_error(void **state) {
    (void)state;
    struct script s = { .answers = { OK_HEAD "Content-Length: 5\r\n\r\n12345", NULL,
                                     OK_HEAD "Content-Length: 9\r\n\r\n12345", NULL,
                                     "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}" } };
    size_t bytes = 0;
    start(&s);
    stl_client *c = open_client(&s, 2000);
    assert_int_equal(stl_download(c, "/b", count_bytes, &bytes, NULL), 0);
    assert_int_equal(bytes, 5);
    assert_int_equal(stl_download(c, "/b", count_bytes, &bytes, NULL), STL_EUNKNOWN);
    bytes = 0;
    assert_int_equal(stl_download(c, "/b", count_bytes, &bytes, NULL), STL_EDENIED);
    assert_int_equal(bytes, 0);
    stl_client_close(c);
    finish(&s);
}

static void addresses_are_judged(void **state) {
    (void)state;
    static const char *const good[] = { "http://localhost", "https://[::1]:9", "http://a.b:65535///" };
    static const char *const bad[] = { "",           "localhost:1",  "http://",        "http://:1",
                                       "http://a:",  "http://a:0",   "http://a:65536", "http://a:1x",
                                       "http://a/b", "http://u@a",   "ftp://a",        "http://[::1",
                                       "http://a b", "http://[::1]x" };
    stl_opts opts = { .no_token_search = 1 };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        stl_client *c = NULL;
        assert_int_equal(stl_client_open(&c, good[i], &opts, NULL), 0);
        stl_client_close(c);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        stl_client *c = NULL;
        assert_int_equal(stl_client_open(&c, bad[i], &opts, NULL), STL_EINVALID);
        assert_null(c);
    }
}

static void tokens_are_found_in_order(void **state) {
    (void)state;
    char path[] = "/tmp/settle-token-XXXXXX";
    int file = mkstemp(path);
    stl_opts opts = { .token_file = path, .no_token_search = 1 };
    stl_client *c = NULL;
    stl_err e;
    assert_true(file >= 0);
    assert_int_equal(stl_client_open(&c, "http://a", &opts, &e), STL_EINVALID);
    assert_non_null(strstr(e.text, "empty"));
    assert_int_equal(write(file, " abc\r\nrest\n", 11), 11);
    assert_int_equal(stl_client_open(&c, "http://a", &opts, &e), 0);
    assert_string_equal(stl_client_token(c), "abc");
    stl_client_close(c);
    opts.token = "direct";
    assert_int_equal(stl_client_open(&c, "http://a", &opts, &e), 0);
    assert_string_equal(stl_client_token(c), "direct");
    stl_client_close(c);
    close(file);
    unlink(path);
    opts.token = NULL;
    assert_int_equal(stl_client_open(&c, "http://a", &opts, &e), STL_EINVALID);
    opts.token = "two words";
    assert_int_equal(stl_client_open(&c, "http://a", &opts, &e), STL_EINVALID);
    stl_client_close(NULL);
    stl_result_free(NULL);
    stl_response_free(NULL);
}

static void *hammer(void *argument) {
    stl_client *c = argument;
    intptr_t good = 0;
    for (int i = 0; i < 2; i++) {
        stl_response *r = NULL;
        good += stl_request(c, "GET", "/", NULL, NULL, 0, 0, &r, NULL) == 0;
        stl_response_free(r);
    }
    return (void *)good;
}

static void threads_share_a_client(void **state) {
    (void)state;
    struct script s = { .answers = { OK_HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n", NULL,
                                     OK_HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n", NULL,
                                     OK_HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n", NULL,
                                     OK_HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n" } };
    pthread_t threads[2];
    intptr_t good = 0;
    start(&s);
    stl_client *c = open_client(&s, 5000);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, hammer, c);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good += (intptr_t)result;
    }
    assert_int_equal(good, 4);
    stl_client_close(c);
    finish(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_carries_token_host_and_body),
        cmocka_unit_test(a_kept_connection_is_used_again),
        cmocka_unit_test(a_dead_kept_connection_is_replaced_only_for_what_may_repeat),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(nobody_listening_is_unreachable),
        cmocka_unit_test(silence_is_a_timeout_but_a_wait_is_patient),
        cmocka_unit_test(a_problem_document_is_told),
        cmocka_unit_test(a_401_lists_the_places),
        cmocka_unit_test(a_saga_is_submitted_and_read),
        cmocka_unit_test(a_tcc_is_spelled),
        cmocka_unit_test(the_first_builder_failure_is_kept),
        cmocka_unit_test(events_are_followed_and_resumed),
        cmocka_unit_test(a_download_is_whole_or_an_error),
        cmocka_unit_test(addresses_are_judged),
        cmocka_unit_test(tokens_are_found_in_order),
        cmocka_unit_test(threads_share_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
