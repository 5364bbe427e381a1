/* Access: who may come in (reliability.md H1, H2, H11) and the secret that signs what goes out (H8).
 *
 * The data directory holds three files, all 0600:
 *   token           one line, the bearer string of the built-in principal "admin"; made at first start
 *   principals      further principals, one JSON object a line, their bearer strings only as SHA-256
 *   signing-secret  the secret in use, see server/signing_secret.h
 * Changes go through a fresh file and a rename, so a crash leaves the old state or the new one.
 *
 * Bearer strings are 256 random bits. A presented string is hashed and compared with every known hash in
 * constant time, so timing tells nothing about which principal came close.
 *
 * Times are epoch ms. Not thread-safe. Errors as in server/secret_file.h, and ERR_LIMIT too many principals,
 * ERR_INVALID a name, role or secret that cannot be, ERR_NOT_FOUND no such principal, ERR_CORRUPT a
 * principals file that does not read. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* What a principal may do. A role includes the ones that access_may says it includes. */
enum access_role {
    ACCESS_VIEWER = 1,    /* read */
    ACCESS_PRODUCER = 2,  /* submit and drive transactions; read */
    ACCESS_CONSUMER = 4,  /* pull and acknowledge messages */
    ACCESS_RECEIVER = 8,  /* list what it missed */
    ACCESS_OPERATOR = 16, /* retry, suspend, resume, resolve; everything a producer may */
    ACCESS_APPROVER = 32, /* force; everything an operator may */
    ACCESS_ADMIN = 64,    /* everything */
};

enum {
    ACCESS_PRINCIPALS_MAX = 1000,
    ACCESS_NAME_BYTES = 64,
    ACCESS_ID_BYTES = 24,
    ACCESS_BEARER_BYTES = 64, /* room for a bearer string made here, NUL included */
};

struct principal {
    char id[ACCESS_ID_BYTES];         /* "tok_..." */
    char name[ACCESS_NAME_BYTES + 1]; /* of A-Za-z0-9._:- : who stands in the audit */
    uint32_t roles;                   /* enum access_role, or-ed */
    uint64_t created_ms;
    uint64_t expires_ms; /* 0: never */
    uint8_t hash[32];
};

struct access;

/* Read the three files, making token and signing-secret when they are missing. extra_token and
 * signing_secret come from the settings and may be empty: the first is one more admin, the second is used
 * instead of the file, which is then neither made nor rotated. */
int access_open(struct access **out, const char *directory, struct slice extra_token,
                struct slice signing_secret, uint64_t now_ms, struct why *why);
void access_close(struct access *a); /* wipes; NULL is fine */

/* The principal behind a bearer string; NULL when there is none or it has expired. Valid until the next
 * change (access_generation tells). */
const struct principal *access_find(const struct access *a, struct slice bearer, uint64_t now_ms);
/* Grows with every change, so that a caller may remember an answer of access_find until then or until the
 * principal expires. */
uint64_t access_generation(const struct access *a);
bool access_may(uint32_t roles, enum access_role needed);

/* An id that no principal has: known before the principal is made, so that whoever was interrupted can look
 * whether it was. */
int access_new_id(char id[ACCESS_ID_BYTES], struct why *why);
/* A new principal of that id, saved before this returns; its bearer string is written to bearer and exists
 * nowhere else. expires_ms 0: never. */
int access_create(struct access *a, const char *id, struct slice name, uint32_t roles, uint64_t expires_ms,
                  uint64_t now_ms, char bearer[ACCESS_BEARER_BYTES], const struct principal **out,
                  struct why *why);
/* The principal of this id; NULL when there is none. Valid until the next change. */
const struct principal *access_by_id(const struct access *a, struct slice id);
/* By id or, when only one has it, by name. The built-in ones cannot be revoked: ERR_DENIED. */
int access_revoke(struct access *a, struct slice id, struct why *why);
/* Index 0 and up; NULL at the end. */
const struct principal *access_at(const struct access *a, size_t index);
bool access_is_built_in(const struct access *a, const struct principal *p);

/* "operator", ...; NULL for a number that is not one role. */
const char *access_role_word(uint32_t role);
/* 0 when there is no such word. */
uint32_t access_role_from_word(struct slice word);

/* The secrets to sign with now: the one in use and, during a rotation, the one before it (else empty). NUL-
 * ended texts inside *a, valid until the next rotation. */
void access_secrets(const struct access *a, uint64_t now_ms, struct slice *current, struct slice *previous);
/* A mark of the secret in use, 64 hexadecimal digits: another secret has another mark. The salt makes it
 * useless to whoever wants to try secrets. */
void access_secret_mark(const struct access *a, const uint8_t salt[32], struct buffer *to);
/* A new signing secret; the old one goes on signing beside it until overlap_ms from now. ERR_DENIED when the
 * secret comes from the settings. */
int access_rotate(struct access *a, uint64_t overlap_ms, uint64_t now_ms, struct why *why);
/* Epoch ms when the previous secret ends, 0 when there is none. */
uint64_t access_overlap_until(const struct access *a);

#endif
