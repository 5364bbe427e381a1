#include "sink/socket_address.h"

#include <netinet/in.h>
#include <string.h>

bool socket_address_read(const struct sockaddr *from, struct address *out) {
    if (from != NULL && from->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)from;
        *out = address_of4((const uint8_t *)&four->sin_addr);
        return true;
    }
    if (from != NULL && from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)from;
        memcpy(out->bytes, &six->sin6_addr, sizeof out->bytes);
        return true;
    }
    return false;
}

int socket_address_judge(const struct egress *egress, const char *host, uint16_t port,
                         const struct sockaddr *at, struct why *why) {
    struct address address;
    if (!socket_address_read(at, &address))
        return why_set(why, ERR_DENIED, "%s stands for something that is no IP address", host);
    return egress_judge_address(egress, slice_text(host), &address, port, why) == EGRESS_ALLOWED ? 0
                                                                                                 : ERR_DENIED;
}
