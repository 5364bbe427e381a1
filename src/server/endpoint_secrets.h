/* The signing secrets of notification endpoints, one file each: DATA/endpoints/NAME, as in
 * server/signing_secret.h, the directory 0700. An endpoint has its own from its first definition on; calls to
 * it are signed with it, and during a rotation with the one before it too.
 *
 * The sink is told after every change, so a call never waits for a file. One thread. Errors as in
 * server/signing_secret.h. */
#ifndef SERVER_ENDPOINT_SECRETS_H
#define SERVER_ENDPOINT_SECRETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct endpoint_secrets;
struct engine;
struct http_sink;

/* Every endpoint's secrets from the data directory, which is made when it is missing. Names are 1 to 128 of
 * A-Za-z0-9._:- (a file of another name is left alone). */
int endpoint_secrets_open(struct endpoint_secrets **out, const char *data, struct http_sink *sink,
                          uint64_t now_ms, struct why *why);
void endpoint_secrets_close(struct endpoint_secrets *s); /* wipes; NULL is fine */

/* The endpoint's secret, made when it has none: *made tells, for it is shown only then. text is valid until
 * the next change. ERR_LIMIT: too many endpoints. */
int endpoint_secrets_need(struct endpoint_secrets *s, struct slice name, uint64_t now_ms, bool *made,
                          struct slice *text, struct why *why);
/* A new one; the old one signs beside it until overlap_ms from now. ERR_NOT_FOUND. */
int endpoint_secrets_rotate(struct endpoint_secrets *s, struct slice name, uint64_t overlap_ms,
                            uint64_t now_ms, struct slice *text, struct why *why);
/* A mark of the secret in use, 64 hexadecimal digits, empty when there is none: another secret has another
 * mark, and the salt makes it useless to whoever wants to try secrets. */
void endpoint_secrets_mark(const struct endpoint_secrets *s, struct slice name, const uint8_t salt[32],
                           struct buffer *to);
/* The endpoint is gone, its secret too. Fine when there is none. */
void endpoint_secrets_forget(struct endpoint_secrets *s, struct slice name);
/* After a start: each endpoint has a secret, and there is none without an endpoint. A missing one (the data
 * directory was restored without it) is made, and the log says so; nothing is ever signed with another's. One
 * that was made for a definition that never became durable would not be shown any more: it is forgotten. */
int endpoint_secrets_match(struct endpoint_secrets *s, const struct engine *e, uint64_t now_ms,
                           struct why *why);
/* Forget it unless the endpoint is defined: its definition was refused. */
void endpoint_secrets_unneed(struct endpoint_secrets *s, const struct engine *e, struct slice name);
/* Epoch ms when the previous secret ends; 0 when there is none. */
uint64_t endpoint_secrets_overlap_until(const struct endpoint_secrets *s, struct slice name);
/* Overlaps that have ended: the sink stops signing with the old secret. Once a second. */
void endpoint_secrets_second(struct endpoint_secrets *s, uint64_t now_ms);

#endif
