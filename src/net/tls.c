#include "net/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct tls {
    SSL_CTX *settings;
    bool server;
    char *certificate; /* paths, kept for tls_reload; NULL when not given */
    char *key;
    char *ca;
};

struct tls_session {
    SSL *ssl;
    BIO *incoming; /* cipher bytes from the other side */
    BIO *outgoing; /* cipher bytes to be sent */
};

/* The library's own words for its oldest error, and its queue emptied. */
static const char *library_words(char text[120]) {
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(text, 120, "%s", reason == NULL ? "unexpected end or unknown error" : reason);
    ERR_clear_error();
    return text;
}

static int load_server(SSL_CTX *s, const struct tls *t, struct why *why) {
    char words[120];
    if (SSL_CTX_use_certificate_chain_file(s, t->certificate) != 1)
        return why_set(why, ERR_INVALID, "cannot use the certificate %s: %s", t->certificate,
                       library_words(words));
    if (SSL_CTX_use_PrivateKey_file(s, t->key, SSL_FILETYPE_PEM) != 1)
        return why_set(why, ERR_INVALID, "cannot use the key %s: %s", t->key, library_words(words));
    if (SSL_CTX_check_private_key(s) != 1)
        return why_set(why, ERR_INVALID, "the key %s does not fit the certificate %s", t->key,
                       t->certificate);
    if (t->ca == NULL)
        return 0;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(t->ca);
    if (names == NULL || SSL_CTX_load_verify_locations(s, t->ca, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return why_set(why, ERR_INVALID, "cannot use the client CA %s: %s", t->ca, library_words(words));
    }
    SSL_CTX_set_client_CA_list(s, names);
    SSL_CTX_set_verify(s, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static int load_client(SSL_CTX *s, const struct tls *t, struct why *why) {
    char words[120];
    SSL_CTX_set_verify(s, SSL_VERIFY_PEER, NULL);
    if (t->ca == NULL && SSL_CTX_set_default_verify_paths(s) != 1)
        return why_set(why, ERR_INVALID, "cannot use the system's certificates: %s", library_words(words));
    if (t->ca != NULL && SSL_CTX_load_verify_locations(s, t->ca, NULL) != 1)
        return why_set(why, ERR_INVALID, "cannot use the CA %s: %s", t->ca, library_words(words));
    return 0;
}

/* Build from the files; on success the old settings go. */
static int load(struct tls *t, struct why *why) {
    SSL_CTX *s = SSL_CTX_new(t->server ? TLS_server_method() : TLS_client_method());
    if (s == NULL)
        return why_set(why, ERR_MEMORY, "no memory for TLS");
    SSL_CTX_set_min_proto_version(s, TLS1_2_VERSION);
    SSL_CTX_set_options(s, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(s, SSL_MODE_RELEASE_BUFFERS);
    /* A session id context is needed when clients show certificates and resume. */
    SSL_CTX_set_session_id_context(s, (const unsigned char *)"settle", 6);
    int code = t->server ? load_server(s, t, why) : load_client(s, t, why);
    if (code < 0) {
        SSL_CTX_free(s);
        return code;
    }
    SSL_CTX_free(t->settings);
    t->settings = s;
    return 0;
}

static int copy_path(char **out, const char *path) {
    if (path == NULL)
        return 0;
    *out = strdup(path);
    return *out == NULL ? ERR_MEMORY : 0;
}

static int make(struct tls **out, bool server, const char *certificate, const char *key, const char *ca,
                struct why *why) {
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return why_set(why, ERR_MEMORY, "no memory for TLS");
    t->server = server;
    int code = copy_path(&t->certificate, certificate);
    if (code == 0)
        code = copy_path(&t->key, key);
    if (code == 0)
        code = copy_path(&t->ca, ca);
    code = code < 0 ? why_set(why, code, "no memory for TLS") : load(t, why);
    if (code < 0) {
        tls_free(t);
        return code;
    }
    *out = t;
    return 0;
}

int tls_new_server(struct tls **out, const char *certificate, const char *key, const char *client_ca,
                   struct why *why) {
    assert(certificate != NULL);
    assert(key != NULL);
    return make(out, true, certificate, key, client_ca, why);
}

int tls_new_client(struct tls **out, const char *ca, struct why *why) {
    return make(out, false, NULL, NULL, ca, why);
}

int tls_reload(struct tls *t, struct why *why) {
    return load(t, why);
}

const char *tls_ca(const struct tls *t) {
    return t->ca;
}

void tls_free(struct tls *t) {
    if (t == NULL)
        return;
    SSL_CTX_free(t->settings);
    free(t->certificate);
    free(t->key);
    free(t->ca);
    free(t);
}

/* Sessions. */

static bool is_literal(const char *name) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Whom a client wants to reach: checked against the certificate, and said in SNI when it is a name. */
static int expect_name(SSL *ssl, const char *name) {
    if (is_literal(name))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : ERR_MEMORY;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : ERR_MEMORY;
}

int tls_session_new(struct tls_session **out, struct tls *t, const char *server_name) {
    assert(t->server == (server_name == NULL));
    struct tls_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_MEMORY;
    s->ssl = SSL_new(t->settings);
    s->incoming = BIO_new(BIO_s_mem());
    s->outgoing = BIO_new(BIO_s_mem());
    if (s->ssl == NULL || s->incoming == NULL || s->outgoing == NULL) {
        BIO_free(s->incoming);
        BIO_free(s->outgoing);
        SSL_free(s->ssl);
        free(s);
        return ERR_MEMORY;
    }
    BIO_set_mem_eof_return(s->incoming, -1); /* no bytes yet is not the end */
    BIO_set_mem_eof_return(s->outgoing, -1);
    SSL_set_bio(s->ssl, s->incoming, s->outgoing);
    if (t->server)
        SSL_set_accept_state(s->ssl);
    else
        SSL_set_connect_state(s->ssl);
    if (server_name != NULL && expect_name(s->ssl, server_name) < 0) {
        tls_session_free(s);
        return ERR_MEMORY;
    }
    *out = s;
    return 0;
}

void tls_session_free(struct tls_session *s) {
    if (s == NULL)
        return;
    SSL_free(s->ssl); /* frees both BIOs */
    free(s);
}

int tls_session_feed(struct tls_session *s, struct slice cipher) {
    int written = BIO_write(s->incoming, cipher.at, (int)cipher.length);
    return written == (int)cipher.length ? 0 : ERR_MEMORY;
}

int tls_session_handshake(struct tls_session *s, struct why *why) {
    char words[120];
    ERR_clear_error();
    int result = SSL_do_handshake(s->ssl);
    if (result == 1)
        return 0;
    int error = SSL_get_error(s->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return ERR_AGAIN;
    long verified = SSL_get_verify_result(s->ssl);
    library_words(words);
    if (verified != X509_V_OK)
        return why_set(why, ERR_DENIED, "TLS: the certificate is not accepted: %s",
                       X509_verify_cert_error_string(verified));
    return why_set(why, ERR_SYNTAX, "TLS: %s", words);
}

int tls_session_read(struct tls_session *s, char *out, int room, struct why *why) {
    char words[120];
    ERR_clear_error();
    int length = SSL_read(s->ssl, out, room);
    if (length > 0)
        return length;
    switch (SSL_get_error(s->ssl, length)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_CLOSED;
    default:
        return why_set(why, ERR_SYNTAX, "TLS: %s", library_words(words));
    }
}

int tls_session_write(struct tls_session *s, struct slice plain) {
    ERR_clear_error();
    if (plain.length == 0)
        return 0;
    int length = SSL_write(s->ssl, plain.at, (int)plain.length);
    return length == (int)plain.length ? 0 : ERR_SYNTAX;
}

void tls_session_end(struct tls_session *s) {
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

int tls_session_take(struct tls_session *s, char *out, int room) {
    int length = BIO_read(s->outgoing, out, room);
    return length > 0 ? length : 0;
}
