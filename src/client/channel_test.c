/* TLS as a client of settled sees it: who is let in, who is not, and that bytes survive the way (H5).
 * Certificates are made here and now. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "client/channel.h"

#define OWN_NAMES "DNS:localhost,IP:127.0.0.1"

struct server {
    SSL_CTX *tls;
    int listener;
    char port[8];
    pthread_t thread;
};

static char trusted[] = "/tmp/settle-ca-XXXXXX", others[] = "/tmp/settle-ca-XXXXXX";
static EVP_PKEY *key;
static X509 *certificate; /* for localhost and 127.0.0.1 */

static void add_extension(X509 *to, int kind, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    assert_non_null(extension);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(const char *names, long from_s, long until_s) {
    X509 *made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), from_s);
    X509_gmtime_adj(X509_getm_notAfter(made), until_s);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, (const unsigned char *)"t",
                               -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    add_extension(made, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made, NID_subject_alt_name, names);
    assert_true(X509_sign(made, key, EVP_sha256()) > 0);
    return made;
}

static void write_certificate(char *path, X509 *what) {
    FILE *stream = fdopen(mkstemp(path), "w");
    assert_int_equal(PEM_write_X509(stream, what), 1);
    assert_int_equal(fclose(stream), 0);
}

/* Accept once, send back what comes until the end. */
static void *serve(void *argument) {
    struct server *s = argument;
    char bytes[4096];
    int got, fd = accept(s->listener, NULL, NULL);
    SSL *ssl = SSL_new(s->tls);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        while ((got = SSL_read(ssl, bytes, sizeof bytes)) > 0 && SSL_write(ssl, bytes, got) == got)
            continue;
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void start(struct server *s, X509 *shown, int version_max) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    s->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(s->tls, 0);
    SSL_CTX_set_max_proto_version(s->tls, version_max);
    assert_int_equal(SSL_CTX_use_certificate(s->tls, shown), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(s->tls, key), 1);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(s->port, sizeof s->port, "%u", ntohs(address.sin_port));
    pthread_create(&s->thread, NULL, serve, s);
}

static void finish(struct server *s) {
    pthread_join(s->thread, NULL);
    close(s->listener);
    SSL_CTX_free(s->tls);
}

static int connect_to(const struct server *s, const char *host, const char *ca_file, struct channel **ch,
                      struct why *why) {
    SSL_CTX *tls = NULL;
    assert_int_equal(channel_tls_new(&tls, ca_file, why), 0);
    int result = channel_open(ch, host, s->port, tls, channel_now_ms() + 3000, why);
    channel_tls_free(tls);
    return result;
}

static void bytes_survive_both_ways(void **state) {
    (void)state;
    static const char *const hosts[] = { "localhost", "127.0.0.1" };
    static char text[8192], back[8192];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < 2; i++) {
        struct server s;
        struct channel *ch = NULL;
        size_t have = 0, got;
        start(&s, certificate, TLS1_3_VERSION);
        assert_int_equal(connect_to(&s, hosts[i], trusted, &ch, NULL), 0);
        assert_int_equal(channel_send(ch, slice_of(text, sizeof text), channel_now_ms() + 3000, NULL), 0);
        while (have < sizeof text) {
            assert_int_equal(
                channel_receive(ch, back + have, sizeof back - have, channel_now_ms() + 3000, &got, NULL), 0);
            assert_true(got > 0);
            have += got;
        }
        assert_memory_equal(text, back, sizeof text);
        assert_int_equal(channel_receive(ch, back, sizeof back, channel_now_ms() + 50, &got, NULL),
                         ERR_TIMEOUT);
        channel_close(ch);
        finish(&s);
    }
}

static void strangers_are_refused(void **state) {
    (void)state;
    X509 *expired = make_certificate(OWN_NAMES, -7200, -3600);
    X509 *other = make_certificate("DNS:example.org,IP:127.0.0.9", -3600, 3600);
    struct {
        X509 *shown;
        const char *host, *ca_file;
        int version_max;
    } table[] = {
        { certificate, "localhost", NULL, TLS1_3_VERSION }, /* nobody vouches for it */
        { other, "localhost", trusted, TLS1_3_VERSION },    /* nobody vouches for it, and it is for another */
        { other, "127.0.0.1", others, TLS1_3_VERSION },     /* it is for another address */
        { other, "localhost", others, TLS1_3_VERSION },     /* it is for another name */
        { expired, "localhost", trusted, TLS1_3_VERSION },  /* not any more */
        { certificate, "localhost", trusted, TLS1_1_VERSION }, /* too old to be safe */
    };
    write_certificate(others, other);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct server s;
        struct channel *ch = NULL;
        struct why why;
        start(&s, table[i].shown, table[i].version_max);
        assert_int_equal(connect_to(&s, table[i].host, table[i].ca_file, &ch, &why), ERR_DENIED);
        assert_non_null(strstr(why.text, "TLS handshake"));
        assert_null(ch);
        finish(&s);
    }
    X509_free(expired);
    X509_free(other);
    unlink(others);
}

static void a_wrong_file_is_an_error(void **state) {
    (void)state;
    SSL_CTX *tls = NULL;
    struct why why;
    assert_int_equal(channel_tls_new(&tls, "/nonexistent", &why), ERR_INVALID);
    assert_null(tls);
    channel_tls_free(NULL);
    channel_close(NULL);
}

static int make_trusted(void **state) {
    (void)state;
    key = EVP_EC_gen("P-256");
    certificate = make_certificate(OWN_NAMES, -3600, 3600);
    write_certificate(trusted, certificate);
    return 0;
}

static int forget(void **state) {
    (void)state;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return unlink(trusted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_survive_both_ways),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(a_wrong_file_is_an_error),
    };
    signal(SIGPIPE, SIG_IGN); /* of the test's own server */
    return cmocka_run_group_tests(tests, make_trusted, forget);
}
