/* TLS as a dry session over OpenSSL: bytes in, bytes out, no socket. Connections carry the bytes.
 *
 * Version 1.2 at least, no renegotiation, no compression; the library's default ciphers. A client always
 * verifies the chain and the name (reliability.md H5); there is no way to turn that off. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

/* Settings of one side: certificate, key, whom to trust. Shared by many sessions of one thread. */
struct tls;

/* PEM files; the certificate file may hold its chain. client_ca: a PEM file; clients must then show a
 * certificate it signed. NULL: clients show none. 0, ERR_IO (a file cannot be read), ERR_INVALID (it cannot
 * be used, or key and certificate do not fit), ERR_MEMORY; why names the file. */
int tls_new_server(struct tls **out, const char *certificate, const char *key, const char *client_ca,
                   struct why *why);
/* ca: a PEM file to trust instead of the system's certificates; NULL for the system's. */
int tls_new_client(struct tls **out, const char *ca, struct why *why);
/* Read the files again. New sessions use the new ones, running sessions go on. On failure nothing changes. */
int tls_reload(struct tls *t, struct why *why);
/* The CA file it was made with, for libraries that bring their own TLS; NULL: the system's certificates. */
const char *tls_ca(const struct tls *t);
void tls_free(struct tls *t); /* NULL is fine; sessions keep what they need */

struct tls_session;

/* server_name: what a client asks for and checks, a name or a literal address; NULL on the server side. */
int tls_session_new(struct tls_session **out, struct tls *t, const char *server_name);
void tls_session_free(struct tls_session *s);
/* Bytes from the other side. 0, or ERR_MEMORY. */
int tls_session_feed(struct tls_session *s, struct slice cipher);
/* Go on with the handshake. 0 when it is complete, ERR_AGAIN when the other side has to speak, ERR_DENIED
 * when the certificate is not accepted, ERR_SYNTAX for any other failure; why tells. Bytes may wait to be
 * sent in every case, also after a failure (the alert). */
int tls_session_handshake(struct tls_session *s, struct why *why);
/* Read plain bytes. Returns how many; 0: none for now; ERR_CLOSED: the other side said goodbye; ERR_SYNTAX:
 * broken, why tells. Only after the handshake. */
int tls_session_read(struct tls_session *s, char *out, int room, struct why *why);
/* Encrypt; the result waits to be sent. 0, ERR_MEMORY, or ERR_SYNTAX. Only after the handshake. */
int tls_session_write(struct tls_session *s, struct slice plain);
/* Say goodbye; the alert waits to be sent. */
void tls_session_end(struct tls_session *s);
/* Bytes waiting to be sent: at most room of them into out. Returns how many. */
int tls_session_take(struct tls_session *s, char *out, int room);

#endif
