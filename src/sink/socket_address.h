/* An address as the sockets of the system have it, for the rules of egress: written once, because every way
 * out of the house is guarded by it. Pure, any thread. */
#ifndef SINK_SOCKET_ADDRESS_H
#define SINK_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "wire/address.h"
#include "wire/egress.h"

/* False when it is no IP address (or NULL); *out is not touched then. */
bool socket_address_read(const struct sockaddr *from, struct address *out);
/* Whether this address, which host stands for, may be connected to. host: as in the URL, without brackets. 0,
 * or ERR_DENIED with a why that names host and setting. */
int socket_address_judge(const struct egress *egress, const char *host, uint16_t port,
                         const struct sockaddr *at, struct why *why);

#endif
