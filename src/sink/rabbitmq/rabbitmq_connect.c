#ifdef SETTLE_WITH_RABBITMQ

#include "sink/rabbitmq/rabbitmq_connect.h"

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 0 when the socket is connected. */
static int wait_connected(int socket, const struct rabbitmq_opening *o, struct why *why) {
    struct pollfd files[2] = { { .fd = socket, .events = POLLOUT }, { .fd = o->wake, .events = POLLIN } };
    uint64_t end_ms = broker_now_ms() + o->connect_ms;
    for (;;) {
        uint64_t now_ms = broker_now_ms();
        int left_ms = end_ms > now_ms ? (int)(end_ms - now_ms) : 0;
        int ready = poll(files, 2, left_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (files[1].revents != 0)
            return why_set(why, ERR_IO, "%s port %u: stopped while connecting", o->host, o->port);
        if (ready <= 0)
            return why_set(why, ERR_TIMEOUT, "%s port %u: no connection within %u ms", o->host, o->port,
                           o->connect_ms);
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error == 0)
            return 0;
        return why_set(why, ERR_IO, "%s port %u: %s", o->host, o->port, strerror(error));
    }
}

static int connect_plain(amqp_connection_state_t connection, const struct rabbitmq_opening *o,
                         const struct addrinfo *at, struct why *why) {
    int one = 1;
    amqp_socket_t *carrier = amqp_tcp_socket_new(connection);
    if (carrier == NULL)
        return why_set(why, ERR_MEMORY, "no memory to connect to %s", o->host);
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_set(why, ERR_IO, "%s port %u: %s", o->host, o->port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    int code = 0;
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0)
        code = errno == EINPROGRESS
                   ? wait_connected(fd, o, why)
                   : why_set(why, ERR_IO, "%s port %u: %s", o->host, o->port, strerror(errno));
    if (code < 0) {
        close(fd);
        return code;
    }
    amqp_tcp_socket_set_sockfd(carrier, fd); /* from here on the connection closes it */
    return 0;
}

/* librabbitmq asks for the host it was told, which is an address here, because that one was judged; the
 * server is asked for its name instead, just before its greeting is written. */
static void ask_for_name(const SSL *ssl, int where, int result) {
    const char *name = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    (void)result;
    if ((where & SSL_CB_HANDSHAKE_START) != 0 && name != NULL)
        SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, name);
}

/* Chain and name are checked within the handshake, so nothing is said to a stranger. */
static int demand_certificate(SSL_CTX *settings, const struct rabbitmq_opening *o, struct why *why) {
    uint8_t literal[16];
    X509_VERIFY_PARAM *demands = SSL_CTX_get0_param(settings);
    bool is_address = inet_pton(AF_INET, o->host, literal) == 1 || inet_pton(AF_INET6, o->host, literal) == 1;
    int good = o->ca == NULL ? SSL_CTX_set_default_verify_paths(settings)
                             : SSL_CTX_load_verify_locations(settings, o->ca, NULL);
    if (good != 1)
        return why_set(why, ERR_IO, "cannot use the CA certificates%s%s for %s", o->ca == NULL ? "" : " of ",
                       o->ca == NULL ? "" : o->ca, o->host);
    SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION);
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_hostflags(demands, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    good = is_address ? X509_VERIFY_PARAM_set1_ip_asc(demands, o->host)
                      : X509_VERIFY_PARAM_set1_host(demands, o->host, 0);
    if (good != 1)
        return why_set(why, ERR_MEMORY, "no memory for the TLS of %s", o->host);
    if (!is_address) {
        SSL_CTX_set_app_data(settings, (void *)(uintptr_t)o->host);
        SSL_CTX_set_info_callback(settings, ask_for_name);
    }
    return 0;
}

static int connect_secure(amqp_connection_state_t connection, const struct rabbitmq_opening *o,
                          const struct addrinfo *at, struct why *why) {
    char text[64];
    struct timeval limit = { .tv_sec = o->connect_ms / 1000, .tv_usec = o->connect_ms % 1000 * 1000 };
    amqp_set_initialize_ssl_library(0); /* OpenSSL does that itself, and ours is in use */
    amqp_socket_t *carrier = amqp_ssl_socket_new(connection);
    if (carrier == NULL)
        return why_set(why, ERR_MEMORY, "no memory to connect to %s", o->host);
    amqp_ssl_socket_set_verify_peer(carrier, 1);
    amqp_ssl_socket_set_verify_hostname(carrier, 0); /* it knows the address only; see above */
    SSL_CTX *settings = amqp_ssl_socket_get_context(carrier);
    int code = demand_certificate(settings, o, why);
    if (code < 0)
        return code;
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return why_set(why, ERR_IO, "%s port %u: unreadable address", o->host, o->port);
    int status = amqp_socket_open_noblock(carrier, text, o->port, &limit);
    SSL_CTX_set_app_data(settings, NULL); /* o->host ends before the session does */
    if (status == AMQP_STATUS_OK)
        return 0;
    if (status == AMQP_STATUS_SSL_CONNECTION_FAILED || status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED)
        return why_set(why, ERR_IO,
                       "%s port %u: the TLS handshake failed: no TLS there, or its certificate is not "
                       "accepted for this name",
                       o->host, o->port);
    return why_set(why, status == AMQP_STATUS_TIMEOUT ? ERR_TIMEOUT : ERR_IO, "%s port %u: %s", o->host,
                   o->port, amqp_error_string2(status));
}

static bool is_stopped(const struct rabbitmq_opening *o) {
    struct pollfd file = { .fd = o->wake, .events = POLLIN };
    return poll(&file, 1, 0) > 0;
}

/* One address after another, those that may be called. */
int rabbitmq_connect(amqp_connection_state_t connection, const struct rabbitmq_opening *o, struct why *why) {
    static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", o->port);
    int looked = getaddrinfo(o->host, port, &hints, &found);
    if (looked != 0)
        return why_set(why, ERR_NOT_FOUND, "%s does not resolve: %s", o->host, gai_strerror(looked));
    int code = why_set(why, ERR_NOT_FOUND, "%s has no address", o->host);
    bool tried = false;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        struct why refusal = { "" };
        if (broker_judge_address(o->judge, o->host, o->port, at->ai_addr, &refusal) < 0) {
            if (!tried)
                code = why_set(why, ERR_DENIED, "%s", refusal.text);
            continue;
        }
        tried = true;
        code = o->secure ? connect_secure(connection, o, at, why) : connect_plain(connection, o, at, why);
        if (code == 0 || is_stopped(o))
            break;
    }
    freeaddrinfo(found);
    return code;
}

#endif
