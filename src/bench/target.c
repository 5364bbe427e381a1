#include "bench/target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "wire/url.h"

int target_find(const char *text, struct target *out, struct why *why) {
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
    struct target target = { .port = 0 };
    struct url url;
    char name[256];
    int result = url_decode(slice_text(text), &url, why);
    if (result != 0)
        return result;
    if (url.secure)
        return why_set(why, ERR_UNSUPPORTED, "the bench speaks plain HTTP only: %s", text);
    snprintf(name, sizeof name, "%.*s", SLICE_PRINT(url.host));
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return why_set(why, ERR_NOT_FOUND, "%s has no IPv4 address", name);
    struct sockaddr_in address;
    memcpy(&address, found->ai_addr, sizeof address);
    freeaddrinfo(found);
    inet_ntop(AF_INET, &address.sin_addr, target.host, sizeof target.host);
    snprintf(target.authority, sizeof target.authority, "%.*s", SLICE_PRINT(url.authority));
    target.port = url.port;
    target.local = (ntohl(address.sin_addr.s_addr) >> 24) == 127;
    *out = target;
    return 0;
}
