/* A scripted server for the tests of libsettle: each accepted connection reads one request per scripted
 * answer, keeps what it read, and writes the answer byte for byte. One test at a time; start, then finish. */
#ifndef CLIENT_SCRIPTED_TEST_H
#define CLIENT_SCRIPTED_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <settle/settle.h>

#define ANSWERS_MAX 10 /* the last two stay NULL */
#define HANG_UP ""     /* an answer of no bytes: read the request, close */

struct script {
    const char *answers[ANSWERS_MAX]; /* NULL ends a connection; two ends the script */
    int listener;
    int pause_ms; /* before each answer */
    char url[64];
    char requests[ANSWERS_MAX][4096];
    int request_count, connection_count;
    pthread_t thread;
};

static inline size_t body_length(const char *head) {
    const char *at = strcasestr(head, "content-length:");
    return at == NULL ? 0 : (size_t)strtoul(at + 15, NULL, 10);
}

static inline void read_request(int fd, char *to, size_t size) {
    size_t have = 0;
    for (;;) {
        ssize_t got = recv(fd, to + have, size - 1 - have, 0);
        if (got <= 0)
            return;
        have += (size_t)got;
        to[have] = '\0';
        const char *end = strstr(to, "\r\n\r\n");
        if (end != NULL && have >= (size_t)(end - to) + 4 + body_length(to))
            return;
    }
}

static inline void *serve(void *argument) {
    struct script *s = argument;
    int next = 0;
    while (s->answers[next] != NULL) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        s->connection_count++;
        for (; s->answers[next] != NULL; next++) {
            const char *answer = s->answers[next];
            read_request(fd, s->requests[s->request_count++], sizeof s->requests[0]);
            usleep((useconds_t)s->pause_ms * 1000);
            if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) <= 0) {
                next++;
                break;
            }
        }
        if (s->answers[next] == NULL)
            next++;
        close(fd);
    }
    return NULL;
}

static inline void start(struct script *s) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void finish(struct script *s) {
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static inline stl_client *open_client(struct script *s, int timeout_ms) {
    stl_opts opts = { .token = "secret", .timeout_ms = timeout_ms, .no_token_search = 1 };
    stl_client *c = NULL;
    assert_int_equal(stl_client_open(&c, s->url, &opts, NULL), 0);
    return c;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

#endif
