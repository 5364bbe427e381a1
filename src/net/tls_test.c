/* H5: TLS sessions against each other without a socket, then over real connections. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ssl.h>
#include <string.h>

#include "net/certificate_test.h"
#include "net/connection.h"
#include "net/dialler.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"

static struct certificate good, other, expired;

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&good, "DNS:localhost,DNS:stock.example,IP:127.0.0.1", 86400);
    certificate_make(&other, "DNS:localhost,IP:127.0.0.1", 86400);
    certificate_make(&expired, "DNS:localhost,IP:127.0.0.1", -3600);
    return 0;
}

static int drop_certificates(void **state) {
    (void)state;
    certificate_drop(&good);
    certificate_drop(&other);
    certificate_drop(&expired);
    return 0;
}

/* Carry bytes from one session to the other, at most step at a time. */
static void carry(struct tls_session *from, struct tls_session *to, int step) {
    char bytes[20000];
    int length;
    while ((length = tls_session_take(from, bytes, step)) > 0)
        assert_int_equal(tls_session_feed(to, slice_of(bytes, (size_t)length)), 0);
}

/* Both handshakes to their end. Returns the client's code. */
static int shake(struct tls_session *client, struct tls_session *server, int step, struct why *why) {
    int code = ERR_AGAIN, served = ERR_AGAIN;
    for (int i = 0; i < 20 && code == ERR_AGAIN; i++) {
        code = tls_session_handshake(client, why);
        carry(client, server, step);
        if (served == ERR_AGAIN)
            served = tls_session_handshake(server, NULL);
        carry(server, client, step);
    }
    if (served == ERR_AGAIN)
        served = tls_session_handshake(server, NULL);
    return code;
}

static int try_name(const char *ca, const struct certificate *c, const char *name, struct why *why) {
    struct tls *client, *server;
    struct tls_session *a, *b;
    assert_int_equal(tls_new_client(&client, ca, NULL), 0);
    assert_int_equal(tls_new_server(&server, c->certificate, c->key, NULL, NULL), 0);
    assert_int_equal(tls_session_new(&a, client, name), 0);
    assert_int_equal(tls_session_new(&b, server, NULL), 0);
    int code = shake(a, b, 16384, why);
    tls_session_free(a);
    tls_session_free(b);
    tls_free(client);
    tls_free(server);
    return code;
}

static void a_client_checks_whom_it_speaks_to(void **state) {
    (void)state;
    struct why why;
    assert_int_equal(try_name(good.certificate, &good, "localhost", &why), 0);
    assert_int_equal(try_name(good.certificate, &good, "stock.example", &why), 0);
    assert_int_equal(try_name(good.certificate, &good, "127.0.0.1", &why), 0);
    assert_int_equal(try_name(good.certificate, &good, "127.0.0.2", &why), ERR_DENIED);
    assert_int_equal(try_name(good.certificate, &good, "evil.example", &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "ostname mismatch"));
    assert_int_equal(try_name(good.certificate, &other, "localhost", &why), ERR_DENIED);
    assert_int_equal(try_name(NULL, &good, "localhost", &why), ERR_DENIED);
    assert_int_equal(try_name(expired.certificate, &expired, "localhost", &why), ERR_DENIED);
    assert_non_null(strstr(why.text, "expired"));
}

static void bytes_arrive_in_any_cut(void **state) {
    (void)state;
    struct tls *client, *server;
    static char message[50000], got[50000];
    assert_int_equal(tls_new_client(&client, good.certificate, NULL), 0);
    assert_int_equal(tls_new_server(&server, good.certificate, good.key, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (char)(i * 31 + i / 255);
    const int steps[] = { 1, 3, 500, 20000 };
    for (size_t s = 0; s < 4; s++) {
        struct tls_session *a, *b;
        assert_int_equal(tls_session_new(&a, client, "localhost"), 0);
        assert_int_equal(tls_session_new(&b, server, NULL), 0);
        assert_int_equal(shake(a, b, steps[s], NULL), 0);
        assert_int_equal(tls_session_read(a, got, sizeof got, NULL), 0);
        for (size_t at = 0; at < sizeof message; at += 12500)
            assert_int_equal(tls_session_write(a, slice_of(message + at, 12500)), 0);
        carry(a, b, steps[s]);
        size_t total = 0;
        int length;
        while ((length = tls_session_read(b, got + total, (int)(sizeof got - total), NULL)) > 0)
            total += (size_t)length;
        assert_int_equal(total, sizeof message);
        assert_memory_equal(got, message, sizeof message);
        tls_session_end(a);
        carry(a, b, steps[s]);
        assert_int_equal(tls_session_read(b, got, sizeof got, NULL), ERR_CLOSED);
        tls_session_free(a);
        tls_session_free(b);
    }
    tls_free(client);
    tls_free(server);
}

/* A peer that speaks at most this version, against our server. */
static int try_version(int version) {
    struct tls *server;
    struct tls_session *s;
    char bytes[20000];
    assert_int_equal(tls_new_server(&server, good.certificate, good.key, NULL, NULL), 0);
    assert_int_equal(tls_session_new(&s, server, NULL), 0);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, version);
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    int code = ERR_AGAIN;
    for (int i = 0; i < 10 && code == ERR_AGAIN; i++) {
        SSL_do_handshake(ssl);
        int length = BIO_read(out, bytes, sizeof bytes);
        if (length > 0)
            tls_session_feed(s, slice_of(bytes, (size_t)length));
        code = tls_session_handshake(s, NULL);
        length = tls_session_take(s, bytes, sizeof bytes);
        if (length > 0)
            BIO_write(in, bytes, length);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    tls_session_free(s);
    tls_free(server);
    return code;
}

static void old_versions_are_refused(void **state) {
    (void)state;
    assert_int_equal(try_version(TLS1_VERSION), ERR_SYNTAX);
    assert_int_equal(try_version(TLS1_1_VERSION), ERR_SYNTAX);
    assert_int_equal(try_version(TLS1_2_VERSION), 0);
    assert_int_equal(try_version(TLS1_3_VERSION), 0);
}

static void garbage_is_refused(void **state) {
    (void)state;
    struct tls *server;
    struct tls_session *s;
    struct why why;
    assert_int_equal(tls_new_server(&server, good.certificate, good.key, NULL, NULL), 0);
    assert_int_equal(tls_session_new(&s, server, NULL), 0);
    assert_int_equal(tls_session_handshake(s, &why), ERR_AGAIN);
    assert_int_equal(tls_session_feed(s, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), 0);
    assert_int_equal(tls_session_handshake(s, &why), ERR_SYNTAX);
    assert_true(slice_starts(slice_text(why.text), "TLS: "));
    tls_session_free(s);
    tls_free(server);
}

static void bad_files_are_named(void **state) {
    (void)state;
    struct tls *t = NULL;
    struct why why;
    assert_int_equal(tls_new_server(&t, "/nowhere/c.pem", good.key, NULL, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "/nowhere/c.pem"));
    assert_int_equal(tls_new_server(&t, good.certificate, other.key, NULL, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, other.key));
    assert_int_equal(tls_new_server(&t, good.certificate, good.certificate, NULL, &why), ERR_INVALID);
    assert_int_equal(tls_new_client(&t, good.key, &why), ERR_INVALID);
    assert_null(t);
}

static void a_reload_takes_the_new_files_or_changes_nothing(void **state) {
    (void)state;
    struct certificate moving;
    struct tls *client, *server;
    struct tls_session *a, *b;
    certificate_make(&moving, "DNS:localhost", 86400);
    assert_int_equal(tls_new_server(&server, moving.certificate, moving.key, NULL, NULL), 0);
    assert_int_equal(tls_new_client(&client, good.certificate, NULL), 0);
    unlink(moving.key);
    assert_int_equal(tls_reload(server, NULL), ERR_INVALID);
    assert_int_equal(tls_session_new(&b, server, NULL), 0); /* the old ones still serve */
    tls_session_free(b);
    assert_int_equal(rename(good.certificate, moving.certificate), 0);
    assert_int_equal(rename(good.key, moving.key), 0);
    assert_int_equal(tls_reload(server, NULL), 0);
    assert_int_equal(tls_session_new(&a, client, "localhost"), 0);
    assert_int_equal(tls_session_new(&b, server, NULL), 0);
    assert_int_equal(shake(a, b, 20000, NULL), 0);
    assert_int_equal(rename(moving.certificate, good.certificate), 0);
    assert_int_equal(rename(moving.key, good.key), 0);
    tls_session_free(a);
    tls_session_free(b);
    tls_free(client);
    tls_free(server);
    certificate_drop(&moving);
}

/* Over connections. */

struct end {
    struct connection *c;
    size_t got;
    int closed, ended;
    int done, code;
};

static struct end door, visitor;

static void on_received(void *context, struct slice bytes) {
    struct end *e = context;
    e->got += bytes.length;
    if (e == &door)
        connection_send(e->c, &bytes, 1);
}

static void on_ended(void *context) {
    ((struct end *)context)->ended++;
}

static void on_closed(void *context, int code, const char *sentence) {
    struct end *e = context;
    (void)code;
    (void)sentence;
    e->closed++;
    e->c = NULL;
}

static const struct connection_events events = { .received = on_received,
                                                 .ended = on_ended,
                                                 .closed = on_closed };

static void hold(struct end *e, struct connection *c) {
    e->c = c;
    connection_use(c, &events, e);
}

static void on_accepted(void *context, struct connection *c) {
    hold(context, c);
}

static void on_done(void *context, int code, struct connection *c, const struct why *why) {
    struct end *e = context;
    (void)why;
    e->done++;
    e->code = code;
    if (c != NULL)
        hold(e, c);
}

static void dial_secure(struct loop *loop, struct tls *client, uint16_t port) {
    struct dial *d;
    visitor = (struct end){ 0 };
    struct dial_options o = { .host = "127.0.0.1",
                              .port = port,
                              .timeout_ms = 2000,
                              .tls = client,
                              .done = on_done,
                              .context = &visitor };
    assert_int_equal(dial_start(&d, loop, &o), 0);
    for (int i = 0; i < 200 && visitor.done == 0; i++)
        loop_run_for(loop, 5);
    assert_int_equal(visitor.done, 1);
}

static void connections_carry_it(void **state) {
    (void)state;
    struct loop *loop;
    struct listener *l;
    struct tls *client, *stranger, *server;
    static char message[300000];
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(tls_new_client(&client, good.certificate, NULL), 0);
    assert_int_equal(tls_new_client(&stranger, other.certificate, NULL), 0);
    assert_int_equal(tls_new_server(&server, good.certificate, good.key, NULL, NULL), 0);
    struct listener_options o = {
        .host = "127.0.0.1", .tls = server, .accepted = on_accepted, .context = &door
    };
    assert_int_equal(listener_open(&l, loop, &o, NULL), 0);
    dial_secure(loop, client, listener_port(l));
    assert_int_equal(visitor.code, 0);
    const struct slice parts[2] = { SLICE("head"), slice_of(message, sizeof message) };
    assert_int_equal(connection_send(visitor.c, parts, 2), 0);
    for (int i = 0; i < 200 && visitor.got < sizeof message + 4; i++)
        loop_run_for(loop, 5);
    assert_int_equal(door.got, sizeof message + 4);
    assert_int_equal(visitor.got, sizeof message + 4);
    connection_finish(visitor.c);
    loop_run_for(loop, 20);
    assert_int_equal(door.ended, 1);
    connection_finish(door.c);
    loop_run_for(loop, 20);
    assert_int_equal(door.closed, 1);
    assert_int_equal(visitor.closed, 1);
    dial_secure(loop, stranger, listener_port(l));
    assert_int_equal(visitor.code, ERR_IO);
    listener_close(l);
    loop_run_for(loop, 20);
    loop_free(loop);
    tls_free(client);
    tls_free(stranger);
    tls_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_checks_whom_it_speaks_to),
        cmocka_unit_test(bytes_arrive_in_any_cut),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(a_reload_takes_the_new_files_or_changes_nothing),
        cmocka_unit_test(connections_carry_it),
    };
    return cmocka_run_group_tests_name("tls", tests, make_certificates, drop_certificates);
}
