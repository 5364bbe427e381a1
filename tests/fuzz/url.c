/* URLs and the egress classifier, against the C library's own reading of addresses: what settled takes for a
 * name may not be a number to anybody else, and what it takes for an address must be the same address
 * (reliability.md H6). */
#include "fuzz.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "base/limits.h"
#include "wire/egress.h"
#include "wire/url.h"

static void same_address(const struct url *u, const char *host) {
    unsigned char wanted[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    if (inet_pton(AF_INET, host, wanted + 12) != 1)
        FUZZ_CHECK(inet_pton(AF_INET6, host, wanted) == 1);
    FUZZ_CHECK(memcmp(wanted, u->address.bytes, 16) == 0);
}

static void is_a_name(const char *host) {
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    struct in_addr lax;
    FUZZ_CHECK(getaddrinfo(host, NULL, &hints, &found) != 0);
    FUZZ_CHECK(inet_aton(host, &lax) == 0);
}

static void judge(const struct url *u) {
    struct arena arena;
    arena_init(&arena, 4096, 1 << 20);
    struct egress e;
    struct why why = { "" };
    egress_init(&e, &arena);
    FUZZ_CHECK(egress_judge_url(&e, u, &why) == EGRESS_REFUSED || !u->is_address);
    FUZZ_CHECK(egress_allow_loopback(&e) == 0);
    enum egress_verdict verdict = egress_judge_url(&e, u, &why);
    FUZZ_CHECK(u->is_address ? verdict != EGRESS_AT_CONNECT : verdict != EGRESS_ALLOWED);
    if (verdict == EGRESS_ALLOWED) {
        struct address inner = address_inner(&u->address);
        struct address one = { { [15] = 1 } };
        FUZZ_CHECK((address_is4(&inner) && inner.bytes[12] == 127) || address_equal(&u->address, &one));
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_of((const char *)data, size);
    struct url u;
    struct why why = { "" };
    int code = url_decode(text, &u, &why);
    if (code != 0) {
        FUZZ_CHECK(why.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(size <= LIMIT_URL_BYTES && u.host.length > 0 && u.port > 0 && u.target.length > 0 &&
               u.target.at[0] == '/');
    char host[300];
    FUZZ_CHECK(u.host.length < sizeof host);
    memcpy(host, u.host.at, u.host.length);
    host[u.host.length] = '\0';
    FUZZ_CHECK(strlen(host) == u.host.length);
    if (u.is_address)
        same_address(&u, host);
    else
        is_a_name(host);
    for (size_t i = 0; i < u.target.length; i++)
        FUZZ_CHECK(u.target.at[i] > ' ' && u.target.at[i] < 0x7f && u.target.at[i] != '#');
    judge(&u);
    return 0;
}
