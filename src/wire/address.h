/* IP addresses as bytes and as text, and the IPv4 address that may hide inside an IPv6 one.
 *
 * One form for both families: 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). Pure; no name is ever
 * looked up, no form but the strict one is read: four decimal numbers without leading zeros, or RFC 4291
 * 2.2 text. Zones ("%eth0") are not addresses here. */
#ifndef WIRE_ADDRESS_H
#define WIRE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct address {
    uint8_t bytes[16];
};

/* "127.0.0.1" → its mapped form. 0 or ERR_SYNTAX. */
int address_decode4(struct slice text, struct address *out);
/* "::1", "fd00::1", "::ffff:10.0.0.1" (no brackets). 0 or ERR_SYNTAX. */
int address_decode6(struct slice text, struct address *out);
/* Either, by its looks. 0 or ERR_SYNTAX. */
int address_decode(struct slice text, struct address *out);
/* From network byte order, 4 bytes. */
struct address address_of4(const uint8_t bytes[4]);
bool address_is4(const struct address *a);
bool address_equal(const struct address *a, const struct address *b);
/* Are the first bits (0 to 128, in the 16-byte form) the same? */
bool address_within(const struct address *a, const struct address *network, unsigned bits);

/* Who is really called: the IPv4 address inside a mapped, compatible (RFC 4291), translated (RFC 2765), 6to4
 * (RFC 3056), NAT64 (RFC 6052, RFC 8215), Teredo (RFC 4380) or ISATAP (RFC 5214) address, in mapped form; the
 * address itself when there is none inside. ::1 and :: are themselves. */
struct address address_inner(const struct address *a);

/* Dotted for IPv4, RFC 5952 for IPv6. Appended to b. */
void address_encode(struct buffer *b, const struct address *a);
#define ADDRESS_TEXT_BYTES 48
/* The same as a NUL-terminated text in the caller's array of ADDRESS_TEXT_BYTES, which is returned. */
const char *address_text(const struct address *a, char text[ADDRESS_TEXT_BYTES]);

#endif
