#include "client/channel.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define RECORD_BYTES (16 * 1024) /* the largest TLS record; one read or write moves about as much */

struct channel {
    int fd;
    SSL *ssl; /* NULL in the clear */
    BIO *in;  /* what came from the socket, owned by ssl */
    BIO *out; /* what is to go to the socket, owned by ssl */
};

int64_t channel_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t deadline_ms, struct why *why) {
    for (;;) {
        int64_t left_ms = deadline_ms - channel_now_ms();
        struct pollfd watched = { .fd = fd, .events = events };
        if (left_ms <= 0)
            return why_set(why, ERR_TIMEOUT, "no answer in time");
        int ready = poll(&watched, 1, left_ms > 1000000 ? 1000000 : (int)left_ms);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return why_set(why, ERR_IO, "poll: %s", strerror(errno));
    }
}

static int failed_send(int error, struct why *why) {
    bool gone = error == EPIPE || error == ECONNRESET;
    return why_set(why, gone ? ERR_CLOSED : ERR_IO, "sending: %s", strerror(error));
}

static int send_plain(int fd, struct slice bytes, int64_t deadline_ms, struct why *why) {
    while (bytes.length > 0) {
        ssize_t sent = send(fd, bytes.at, bytes.length, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = slice_from(bytes, (size_t)sent);
        } else if (errno == EAGAIN) {
            int result = wait_for(fd, POLLOUT, deadline_ms, why);
            if (result != 0)
                return result;
        } else if (errno != EINTR) {
            return failed_send(errno, why);
        }
    }
    return 0;
}

static int receive_plain(int fd, char *to, size_t length, int64_t deadline_ms, size_t *got, struct why *why) {
    for (;;) {
        ssize_t received = recv(fd, to, length, 0);
        if (received >= 0) {
            *got = (size_t)received;
            return 0;
        }
        if (errno == EAGAIN) {
            int result = wait_for(fd, POLLIN, deadline_ms, why);
            if (result != 0)
                return result;
        } else if (errno != EINTR) {
            return why_set(why, errno == ECONNRESET ? ERR_CLOSED : ERR_IO, "receiving: %s", strerror(errno));
        }
    }
}

/* ---- TLS --------------------------------------------------------------------------------------------- */

static int tls_why(struct why *why, int code, const char *doing, const SSL *ssl) {
    unsigned long error = ERR_get_error();
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    long verdict = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
    ERR_clear_error();
    if (verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
    return why_set(why, code, "TLS %s: %s", doing, reason == NULL ? "failed" : reason);
}

static int flush_records(struct channel *ch, int64_t deadline_ms, struct why *why) {
    char record[RECORD_BYTES];
    int length;
    while ((length = BIO_read(ch->out, record, sizeof record)) > 0) {
        int result = send_plain(ch->fd, slice_of(record, (size_t)length), deadline_ms, why);
        if (result != 0)
            return result;
    }
    return 0;
}

static int fetch_records(struct channel *ch, int64_t deadline_ms, struct why *why) {
    char record[RECORD_BYTES];
    size_t length = 0;
    int result = receive_plain(ch->fd, record, sizeof record, deadline_ms, &length, why);
    if (result != 0)
        return result;
    if (length == 0)
        return why_set(why, ERR_CLOSED, "closed in the middle of a TLS session");
    if (BIO_write(ch->in, record, (int)length) != (int)length)
        return why_set(why, ERR_MEMORY, "TLS buffer");
    return 0;
}

static int shake_hands(struct channel *ch, int64_t deadline_ms, struct why *why) {
    for (;;) {
        ERR_clear_error();
        int done = SSL_do_handshake(ch->ssl);
        int wants = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ch->ssl, done);
        if (wants != SSL_ERROR_NONE && wants != SSL_ERROR_WANT_READ) {
            int refused = tls_why(why, ERR_DENIED, "handshake", ch->ssl);
            flush_records(ch, deadline_ms, NULL); /* the alert that tells the server why; best effort */
            return refused;
        }
        int result = flush_records(ch, deadline_ms, why);
        if (result != 0 || wants == SSL_ERROR_NONE)
            return result;
        result = fetch_records(ch, deadline_ms, why);
        if (result != 0)
            return result;
    }
}

static bool is_address(const char *host) {
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int begin_tls(struct channel *ch, const char *host, SSL_CTX *tls, int64_t deadline_ms,
                     struct why *why) {
    bool numeric = is_address(host);
    ch->ssl = SSL_new(tls);
    ch->in = BIO_new(BIO_s_mem());
    ch->out = BIO_new(BIO_s_mem());
    if (ch->ssl == NULL || ch->in == NULL || ch->out == NULL) {
        BIO_free(ch->in);
        BIO_free(ch->out);
        return why_set(why, ERR_MEMORY, "TLS session");
    }
    BIO_set_mem_eof_return(ch->in, -1);
    BIO_set_mem_eof_return(ch->out, -1);
    SSL_set_bio(ch->ssl, ch->in, ch->out);
    SSL_set_connect_state(ch->ssl);
    int named = numeric ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ch->ssl), host)
                        : SSL_set1_host(ch->ssl, host) == 1 && SSL_set_tlsext_host_name(ch->ssl, host) == 1;
    if (named != 1)
        return tls_why(why, ERR_DENIED, "host name", NULL);
    return shake_hands(ch, deadline_ms, why);
}

static int send_tls(struct channel *ch, struct slice bytes, int64_t deadline_ms, struct why *why) {
    while (bytes.length > 0) {
        size_t taken = 0;
        ERR_clear_error();
        if (SSL_write_ex(ch->ssl, bytes.at, bytes.length > RECORD_BYTES ? RECORD_BYTES : bytes.length,
                         &taken) != 1)
            return tls_why(why, ERR_IO, "sending", NULL);
        bytes = slice_from(bytes, taken);
        int result = flush_records(ch, deadline_ms, why);
        if (result != 0)
            return result;
    }
    return 0;
}

static int receive_tls(struct channel *ch, char *to, size_t length, int64_t deadline_ms, size_t *got,
                       struct why *why) {
    for (;;) {
        ERR_clear_error();
        int done = SSL_read_ex(ch->ssl, to, length, got);
        if (done == 1)
            return 0;
        int wants = SSL_get_error(ch->ssl, done);
        if (wants == SSL_ERROR_ZERO_RETURN) {
            *got = 0;
            return 0;
        }
        if (wants != SSL_ERROR_WANT_READ)
            return tls_why(why, ERR_IO, "receiving", NULL);
        int result = flush_records(ch, deadline_ms, why); /* key updates are answered here */
        if (result == 0)
            result = fetch_records(ch, deadline_ms, why);
        if (result != 0)
            return result;
    }
}

int channel_tls_new(SSL_CTX **out, const char *ca_file, struct why *why) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        return tls_why(why, ERR_MEMORY, "set-up", NULL);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    int trusted = ca_file == NULL ? SSL_CTX_set_default_verify_paths(tls)
                                  : SSL_CTX_load_verify_locations(tls, ca_file, NULL);
    if (trusted != 1) {
        SSL_CTX_free(tls);
        return tls_why(why, ERR_INVALID, ca_file == NULL ? "certificates" : ca_file, NULL);
    }
    *out = tls;
    return 0;
}

void channel_tls_free(SSL_CTX *tls) {
    SSL_CTX_free(tls);
}

/* ---- connecting -------------------------------------------------------------------------------------- */

static int connect_to(const struct addrinfo *address, int64_t deadline_ms, int *out, struct why *why) {
    int one = 1, error = 0, result;
    socklen_t size = sizeof error;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_set(why, ERR_IO, "socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        *out = fd;
        return 0;
    }
    if (errno != EINPROGRESS) {
        result = why_set(why, ERR_IO, "%s", strerror(errno));
        goto close_it;
    }
    result = wait_for(fd, POLLOUT, deadline_ms, why);
    if (result != 0)
        goto close_it;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        result = why_set(why, ERR_IO, "%s", strerror(error));
        goto close_it;
    }
    *out = fd;
    return 0;
close_it:
    close(fd);
    return result;
}

static int dial(const char *host, const char *port, int64_t deadline_ms, int *out, struct why *why) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int problem = getaddrinfo(host, port, &hints, &found);
    int result = ERR_NOT_FOUND;
    if (problem != 0)
        return why_set(why, ERR_NOT_FOUND, "%s: %s", host, gai_strerror(problem));
    for (const struct addrinfo *address = found; address != NULL && result != 0; address = address->ai_next)
        result = connect_to(address, deadline_ms, out, why);
    freeaddrinfo(found);
    return result;
}

int channel_open(struct channel **out, const char *host, const char *port, SSL_CTX *tls, int64_t deadline_ms,
                 struct why *why) {
    assert(host != NULL && port != NULL);
    struct channel *ch = calloc(1, sizeof *ch);
    if (ch == NULL)
        return why_set(why, ERR_MEMORY, "connection");
    ch->fd = -1;
    int result = dial(host, port, deadline_ms, &ch->fd, why);
    if (result == 0 && tls != NULL)
        result = begin_tls(ch, host, tls, deadline_ms, why);
    if (result != 0) {
        channel_close(ch);
        return result;
    }
    *out = ch;
    return 0;
}

void channel_close(struct channel *ch) {
    if (ch == NULL)
        return;
    SSL_free(ch->ssl);
    if (ch->fd >= 0)
        close(ch->fd);
    free(ch);
}

int channel_send(struct channel *ch, struct slice bytes, int64_t deadline_ms, struct why *why) {
    assert(ch->fd >= 0);
    return ch->ssl == NULL ? send_plain(ch->fd, bytes, deadline_ms, why)
                           : send_tls(ch, bytes, deadline_ms, why);
}

int channel_receive(struct channel *ch, char *to, size_t length, int64_t deadline_ms, size_t *got,
                    struct why *why) {
    assert(ch->fd >= 0);
    assert(length > 0);
    return ch->ssl == NULL ? receive_plain(ch->fd, to, length, deadline_ms, got, why)
                           : receive_tls(ch, to, length, deadline_ms, got, why);
}

bool channel_quiet(const struct channel *ch) {
    struct pollfd watched = { .fd = ch->fd, .events = POLLIN };
    return poll(&watched, 1, 0) == 0;
}
