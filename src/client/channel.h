/* A channel: one connection to a server, in the clear or over TLS, used by one thread at a time with a time
 * limit on everything it does.
 *
 * The socket does not block; each operation polls it until its deadline. TLS runs over memory BIOs, so that
 * every byte leaves through send(MSG_NOSIGNAL) and no SIGPIPE can reach the program that uses the library
 * (OpenSSL's own socket BIO calls write).
 *
 * Deadlines are on the clock of channel_now_ms (monotonic). Errors: ERR_TIMEOUT the deadline passed ·
 * ERR_CLOSED the other side is gone · ERR_IO anything else the system says · ERR_DENIED TLS refused or
 * unverified · ERR_NOT_FOUND no such host · ERR_MEMORY. */
#ifndef CLIENT_CHANNEL_H
#define CLIENT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "base/bytes.h"
#include "base/err.h"

struct channel;

int64_t channel_now_ms(void);

/* Connect to the first address of host that answers; with tls not NULL, shake hands and verify that the
 * certificate is for host. host and port are NUL-ended text; an IPv6 address comes without brackets. */
int channel_open(struct channel **out, const char *host, const char *port, SSL_CTX *tls, int64_t deadline_ms,
                 struct why *why);
void channel_close(struct channel *ch); /* NULL is fine */

/* All of it, or an error after which the channel is good for nothing but closing. */
int channel_send(struct channel *ch, struct slice bytes, int64_t deadline_ms, struct why *why);
/* At least one byte, at most length: *got says how many; 0 is the orderly end. */
int channel_receive(struct channel *ch, char *to, size_t length, int64_t deadline_ms, size_t *got,
                    struct why *why);
/* True while the other side has neither closed nor said anything unasked: a kept connection may be used. */
bool channel_quiet(const struct channel *ch);

/* The TLS side of a client: TLS 1.2 or newer, verification always on, trusting ca_file (PEM) or, when it is
 * NULL, the system's certificates. *out is freed with channel_tls_free. ERR_MEMORY, ERR_INVALID. */
int channel_tls_new(SSL_CTX **out, const char *ca_file, struct why *why);
void channel_tls_free(SSL_CTX *tls);

#endif
