/* H6: who may be called. One row per trick. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"
#include "wire/egress.h"

enum rule_set { NOTHING, LOOPBACK, PRIVATE, SPECIAL, EVERYTHING, SIX_ONLY, FOUR_ONLY, SETS };

enum { ALLOWED = EGRESS_ALLOWED, AT_CONNECT = EGRESS_AT_CONNECT, REFUSED = EGRESS_REFUSED, BAD_URL };

static const char *const allow_rules[SETS][10] = {
    [PRIVATE] = { "10.0.0.0/8", "fd00::/8", "stock", "*.internal", "192.168.7.7", "[2001:db8::7]",
                  "172.16.0.4/30" },
    [SPECIAL] = { "169.254.169.254", "169.254.0.0/16", "fe80::1", "fe80::/10", "224.0.0.251", "224.0.0.0/4",
                  "ff02::fb/128", "100.100.100.200/32", "fd00:ec2::254", "0.0.0.0/0" },
    [EVERYTHING] = { "0.0.0.0/0", "::/0" },
    [SIX_ONLY] = { "::/0" },
    [FOUR_ONLY] = { "::ffff:0.0.0.0/96" },
};
static const char *const deny_rules[SETS][4] = {
    [EVERYTHING] = { "10.0.0.0/8", "*.evil", "2002::/16", "bad.example." },
};

static struct arena arena;
static struct egress sets[SETS];

static int build(void **state) {
    (void)state;
    struct address never;
    arena_init(&arena, 4096, 1 << 20);
    for (int i = 0; i < SETS; i++) {
        egress_init(&sets[i], &arena);
        for (size_t n = 0; n < 10 && allow_rules[i][n] != NULL; n++)
            assert_int_equal(egress_allow(&sets[i], slice_text(allow_rules[i][n]), NULL), 0);
        for (size_t n = 0; n < 4 && deny_rules[i][n] != NULL; n++)
            assert_int_equal(egress_deny(&sets[i], slice_text(deny_rules[i][n]), NULL), 0);
        assert_int_equal(address_decode(SLICE("127.0.0.1"), &never), 0);
        assert_int_equal(egress_never(&sets[i], &never, 8711), 0);
        assert_int_equal(address_decode(SLICE("::"), &never), 0);
        assert_int_equal(egress_never(&sets[i], &never, 9000), 0);
        assert_int_equal(address_decode(SLICE("::ffff:10.1.1.1"), &never), 0);
        assert_int_equal(egress_never(&sets[i], &never, 8711), 0);
    }
    return egress_allow_loopback(&sets[LOOPBACK]);
}

static int drop(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

struct row {
    enum rule_set set;
    const char *url;
    int verdict;
};

static const struct row rows[] = {
    { LOOPBACK, "http://127.0.0.1/x", ALLOWED },
    { LOOPBACK, "http://127.0.0.1:80/x", ALLOWED },
    { LOOPBACK, "http://127.1.2.3:9001/x", ALLOWED },
    { LOOPBACK, "http://127.255.255.254/x", ALLOWED },
    { LOOPBACK, "http://[::1]/x", ALLOWED },
    { LOOPBACK, "http://[::1]:8080/x", ALLOWED },
    { LOOPBACK, "http://[0:0:0:0:0:0:0:1]/x", ALLOWED },
    { LOOPBACK, "http://[0000:0000:0000:0000:0000:0000:0000:0001]/x", ALLOWED },
    { LOOPBACK, "http://[::0001]/x", ALLOWED },
    { LOOPBACK, "http://[::ffff:127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[::FFFF:127.0.0.1]:1/x", REFUSED },
    { LOOPBACK, "http://[::ffff:7f00:1]/x", REFUSED },
    { LOOPBACK, "http://[0:0:0:0:0:ffff:127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[::127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[::7f00:1]/x", REFUSED },
    { LOOPBACK, "http://[2002:7f00:1::]/x", REFUSED },
    { LOOPBACK, "http://[2002:7f00:0001:ffff::1]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::7f00:1]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:0:127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b:1::127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b:1:7f00:0:100::]/x", REFUSED },
    { LOOPBACK, "http://[2001:0:1234:5678:0:0:80ff:fffe]/x", REFUSED },
    { LOOPBACK, "http://[fe80::5efe:127.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[2001:db8::200:5efe:7f00:1]/x", REFUSED },
    { LOOPBACK, "http://localhost/x", AT_CONNECT },
    { LOOPBACK, "http://LOCALHOST:8080/x", AT_CONNECT },
    { LOOPBACK, "http://localhost./x", AT_CONNECT },
    { LOOPBACK, "http://stock/x", AT_CONNECT },
    { LOOPBACK, "http://stock.example.com/x", AT_CONNECT },
    { LOOPBACK, "http://a.b.c.d/x", AT_CONNECT },
    { LOOPBACK, "http://xn--bcher-kva.example/x", AT_CONNECT },
    { LOOPBACK, "http://_sip.example/x", AT_CONNECT },
    { LOOPBACK, "http://a-b.example/x", AT_CONNECT },
    { LOOPBACK, "http://127.0.0.1.example.com/x", AT_CONNECT },
    { LOOPBACK, "http://1.example/x", AT_CONNECT },
    { LOOPBACK, "http://1e3.example/x", AT_CONNECT },
    { LOOPBACK, "http://metadata.google.internal/x", AT_CONNECT },
    { LOOPBACK, "http://0xa.example/x", AT_CONNECT },
    { LOOPBACK, "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/x",
      AT_CONNECT },
    { LOOPBACK, "http://x1/x", AT_CONNECT },
    { LOOPBACK, "http://10.0.0.1.nip.io/x", AT_CONNECT },
    { LOOPBACK, "http://0.0.0.0/x", REFUSED },
    { LOOPBACK, "http://0.0.0.0:80/x", REFUSED },
    { LOOPBACK, "http://0.0.0.1/x", REFUSED },
    { LOOPBACK, "http://0.255.255.255/x", REFUSED },
    { LOOPBACK, "http://1.1.1.1/x", REFUSED },
    { LOOPBACK, "http://8.8.8.8:443/x", REFUSED },
    { LOOPBACK, "http://10.0.0.1/x", REFUSED },
    { LOOPBACK, "http://10.255.255.255/x", REFUSED },
    { LOOPBACK, "http://100.64.0.1/x", REFUSED },
    { LOOPBACK, "http://100.100.100.200/x", REFUSED },
    { LOOPBACK, "http://126.255.255.255/x", REFUSED },
    { LOOPBACK, "http://128.0.0.0/x", REFUSED },
    { LOOPBACK, "http://168.63.129.16/x", REFUSED },
    { LOOPBACK, "http://169.254.0.1/x", REFUSED },
    { LOOPBACK, "http://169.254.169.254/x", REFUSED },
    { LOOPBACK, "http://169.254.169.254:80/x", REFUSED },
    { LOOPBACK, "http://169.254.170.2/x", REFUSED },
    { LOOPBACK, "http://172.16.0.1/x", REFUSED },
    { LOOPBACK, "http://172.31.255.255/x", REFUSED },
    { LOOPBACK, "http://192.0.0.192/x", REFUSED },
    { LOOPBACK, "http://192.0.2.1/x", REFUSED },
    { LOOPBACK, "http://192.168.0.1/x", REFUSED },
    { LOOPBACK, "http://192.168.255.255/x", REFUSED },
    { LOOPBACK, "http://198.18.0.1/x", REFUSED },
    { LOOPBACK, "http://198.51.100.1/x", REFUSED },
    { LOOPBACK, "http://203.0.113.9/x", REFUSED },
    { LOOPBACK, "http://224.0.0.1/x", REFUSED },
    { LOOPBACK, "http://239.255.255.250/x", REFUSED },
    { LOOPBACK, "http://240.0.0.1/x", REFUSED },
    { LOOPBACK, "http://255.255.255.255/x", REFUSED },
    { LOOPBACK, "http://[::]/x", REFUSED },
    { LOOPBACK, "http://[0:0:0:0:0:0:0:0]/x", REFUSED },
    { LOOPBACK, "http://[::2]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:0.0.0.0]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:10.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:a9fe:a9fe]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:169.254.169.254]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:8.8.8.8]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:255.255.255.255]/x", REFUSED },
    { LOOPBACK, "http://[::10.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[::169.254.169.254]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:0:10.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[::ffff:0:169.254.169.254]/x", REFUSED },
    { LOOPBACK, "http://[2002:a9fe:a9fe::]/x", REFUSED },
    { LOOPBACK, "http://[2002:a9fe:a9fe::1]/x", REFUSED },
    { LOOPBACK, "http://[2002:0a00:0001::1]/x", REFUSED },
    { LOOPBACK, "http://[2002:c0a8:0101::]/x", REFUSED },
    { LOOPBACK, "http://[2002:e000:1::]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::10.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::169.254.169.254]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::a9fe:a9fe]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::0.0.0.0]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b:1::10.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b:1:a9fe:a9:fe00::]/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b:1:a00:0:100::]/x", REFUSED },
    { LOOPBACK, "http://[2001::f5ff:fffe]/x", REFUSED },
    { LOOPBACK, "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/x", REFUSED },
    { LOOPBACK, "http://[2001:0:0:0:0:0:5601:5601]/x", REFUSED },
    { LOOPBACK, "http://[fe80::5efe:10.0.0.1]/x", REFUSED },
    { LOOPBACK, "http://[2001:db8::5efe:a9fe:a9fe]/x", REFUSED },
    { LOOPBACK, "http://[fe80::1]/x", REFUSED },
    { LOOPBACK, "http://[fe80::a9fe:a9fe]/x", REFUSED },
    { LOOPBACK, "http://[febf::1]/x", REFUSED },
    { LOOPBACK, "http://[fec0::1]/x", REFUSED },
    { LOOPBACK, "http://[fc00::1]/x", REFUSED },
    { LOOPBACK, "http://[fd00::1]/x", REFUSED },
    { LOOPBACK, "http://[fd00:ec2::254]/x", REFUSED },
    { LOOPBACK, "http://[fd20:ce::254]/x", REFUSED },
    { LOOPBACK, "http://[ff02::1]/x", REFUSED },
    { LOOPBACK, "http://[ff0e::1]/x", REFUSED },
    { LOOPBACK, "http://[2001:db8::1]/x", REFUSED },
    { LOOPBACK, "http://[2606:4700:4700::1111]/x", REFUSED },
    { LOOPBACK, "http://[100::1]/x", REFUSED },
    { LOOPBACK, "http://[1::]/x", REFUSED },
    { LOOPBACK, "http://[::1:0:0]/x", REFUSED },
    { LOOPBACK, "http://[1::1]/x", REFUSED },
    { LOOPBACK, "http://127.0.0.1:8711/x", REFUSED },
    { LOOPBACK, "http://[::1]:8711/x", ALLOWED },
    { LOOPBACK, "http://[::ffff:127.0.0.1]:8711/x", REFUSED },
    { LOOPBACK, "http://[::127.0.0.1]:8711/x", REFUSED },
    { LOOPBACK, "http://[2002:7f00:1::]:8711/x", REFUSED },
    { LOOPBACK, "http://[64:ff9b::127.0.0.1]:8711/x", REFUSED },
    { LOOPBACK, "http://0.0.0.0:8711/x", REFUSED },
    { LOOPBACK, "http://[::]:8711/x", REFUSED },
    { LOOPBACK, "http://127.0.0.1:9000/x", REFUSED },
    { LOOPBACK, "http://127.9.9.9:9000/x", REFUSED },
    { LOOPBACK, "http://[::1]:9000/x", REFUSED },
    { LOOPBACK, "http://0.0.0.0:9000/x", REFUSED },
    { LOOPBACK, "http://[::]:9000/x", REFUSED },
    { LOOPBACK, "https://127.0.0.1:8711/x", REFUSED },
    { LOOPBACK, "http://127.0.0.2:8711/x", ALLOWED },
    { LOOPBACK, "http://127.0.0.1:8712/x", ALLOWED },
    { LOOPBACK, "http://localhost:8711/x", AT_CONNECT },
    { NOTHING, "http://127.0.0.1/", REFUSED },
    { NOTHING, "http://[::1]/", REFUSED },
    { NOTHING, "http://10.0.0.1/", REFUSED },
    { NOTHING, "http://8.8.8.8/", REFUSED },
    { NOTHING, "http://stock/", AT_CONNECT },
    { PRIVATE, "http://10.0.0.1/", ALLOWED },
    { PRIVATE, "http://10.255.255.255:1/", ALLOWED },
    { PRIVATE, "http://9.255.255.255/", REFUSED },
    { PRIVATE, "http://11.0.0.0/", REFUSED },
    { PRIVATE, "http://127.0.0.1/", REFUSED },
    { PRIVATE, "http://[::1]/", REFUSED },
    { PRIVATE, "http://[fd00::1]/", ALLOWED },
    { PRIVATE, "http://[fdff:ffff::1]/", ALLOWED },
    { PRIVATE, "http://[fc00::1]/", REFUSED },
    { PRIVATE, "http://[fe00::1]/", REFUSED },
    { PRIVATE, "http://[fd00:ec2::254]/", REFUSED },
    { PRIVATE, "http://[fd20:ce::254]/", REFUSED },
    { PRIVATE, "http://[::ffff:10.0.0.1]/", REFUSED },
    { PRIVATE, "http://[::10.1.1.1]/", REFUSED },
    { PRIVATE, "http://[2002:a00:1::]/", REFUSED },
    { PRIVATE, "http://[2002:b00:1::]/", REFUSED },
    { PRIVATE, "http://[64:ff9b::10.2.3.4]/", REFUSED },
    { PRIVATE, "http://[64:ff9b::11.2.3.4]/", REFUSED },
    { PRIVATE, "http://192.168.7.7/", ALLOWED },
    { PRIVATE, "http://192.168.7.8/", REFUSED },
    { PRIVATE, "http://192.168.7.6/", REFUSED },
    { PRIVATE, "http://[2001:db8::7]/", ALLOWED },
    { PRIVATE, "http://[2001:db8:0:0::7]:99/", ALLOWED },
    { PRIVATE, "http://[2001:db8::8]/", REFUSED },
    { PRIVATE, "http://172.16.0.5/", ALLOWED },
    { PRIVATE, "http://172.16.0.4/", ALLOWED },
    { PRIVATE, "http://172.16.0.7/", ALLOWED },
    { PRIVATE, "http://172.16.0.8/", REFUSED },
    { PRIVATE, "http://172.16.0.3/", REFUSED },
    { PRIVATE, "http://10.1.1.1:8711/", REFUSED },
    { PRIVATE, "http://10.1.1.1:8710/", ALLOWED },
    { PRIVATE, "http://[::ffff:10.1.1.1]:8711/", REFUSED },
    { PRIVATE, "http://169.254.169.254/", REFUSED },
    { PRIVATE, "http://stock/", AT_CONNECT },
    { PRIVATE, "http://db.internal/", AT_CONNECT },
    { PRIVATE, "http://[fd80::1]/", ALLOWED },
    { PRIVATE, "http://[fd00::5efe:127.0.0.1]/", REFUSED },
    { PRIVATE, "http://[fd00::5efe:10.0.0.1]/", REFUSED },
    { SPECIAL, "http://169.254.169.254/", ALLOWED },
    { SPECIAL, "http://169.254.169.253/", REFUSED },
    { SPECIAL, "http://169.254.0.1/", REFUSED },
    { SPECIAL, "http://[::ffff:169.254.169.254]/", REFUSED },
    { SPECIAL, "http://[fe80::1]/", ALLOWED },
    { SPECIAL, "http://[fe80::2]/", REFUSED },
    { SPECIAL, "http://224.0.0.1/", REFUSED },
    { SPECIAL, "http://224.0.0.251/", ALLOWED },
    { SPECIAL, "http://[ff02::1]/", REFUSED },
    { SPECIAL, "http://[ff02::fb]/", ALLOWED },
    { SPECIAL, "http://0.0.0.0/", REFUSED },
    { SPECIAL, "http://[::]/", REFUSED },
    { SPECIAL, "http://100.100.100.200/", ALLOWED },
    { SPECIAL, "http://[fd00:ec2::254]/", ALLOWED },
    { SPECIAL, "http://255.255.255.255/", REFUSED },
    { EVERYTHING, "http://8.8.8.8/", ALLOWED },
    { EVERYTHING, "http://127.0.0.1/", ALLOWED },
    { EVERYTHING, "http://127.0.0.1:8711/", REFUSED },
    { EVERYTHING, "http://10.0.0.1/", REFUSED },
    { EVERYTHING, "http://10.9.9.9/", REFUSED },
    { EVERYTHING, "http://[::ffff:10.0.0.1]/", REFUSED },
    { EVERYTHING, "http://[64:ff9b::10.0.0.1]/", REFUSED },
    { EVERYTHING, "http://11.0.0.1/", ALLOWED },
    { EVERYTHING, "http://192.168.1.1/", ALLOWED },
    { EVERYTHING, "http://169.254.169.254/", REFUSED },
    { EVERYTHING, "http://168.63.129.16/", REFUSED },
    { EVERYTHING, "http://192.0.0.192/", REFUSED },
    { EVERYTHING, "http://224.0.0.1/", REFUSED },
    { EVERYTHING, "http://0.0.0.0/", REFUSED },
    { EVERYTHING, "http://255.255.255.255/", REFUSED },
    { EVERYTHING, "http://[2606:4700::1]/", ALLOWED },
    { EVERYTHING, "http://[2002:808:808::]/", REFUSED },
    { EVERYTHING, "http://[fe80::1]/", REFUSED },
    { EVERYTHING, "http://[fd00:ec2::254]/", REFUSED },
    { EVERYTHING, "http://[::1]/", ALLOWED },
    { EVERYTHING, "http://[::]/", REFUSED },
    { EVERYTHING, "http://[ff02::1]/", REFUSED },
    { EVERYTHING, "http://good.example/", AT_CONNECT },
    { EVERYTHING, "http://x.evil/", REFUSED },
    { EVERYTHING, "http://X.EVIL/", REFUSED },
    { EVERYTHING, "http://a.b.evil./", REFUSED },
    { EVERYTHING, "http://evil/", AT_CONNECT },
    { EVERYTHING, "http://notevil/", AT_CONNECT },
    { EVERYTHING, "http://bad.example/", REFUSED },
    { EVERYTHING, "http://BAD.example./", REFUSED },
    { EVERYTHING, "http://sub.bad.example/", AT_CONNECT },
    { SIX_ONLY, "http://[2606:4700::1]/", ALLOWED },
    { SIX_ONLY, "http://8.8.8.8/", REFUSED },
    { SIX_ONLY, "http://[::ffff:8.8.8.8]/", REFUSED },
    { SIX_ONLY, "http://[64:ff9b::8.8.8.8]/", REFUSED },
    { SIX_ONLY, "http://127.0.0.1/", REFUSED },
    { SIX_ONLY, "http://[::1]/", ALLOWED },
    { FOUR_ONLY, "http://[2606:4700::1]/", REFUSED },
    { FOUR_ONLY, "http://8.8.8.8/", ALLOWED },
    { FOUR_ONLY, "http://[::ffff:8.8.8.8]/", REFUSED },
    { FOUR_ONLY, "http://[64:ff9b::8.8.8.8]/", REFUSED },
    { FOUR_ONLY, "http://[::1]/", REFUSED },
    { LOOPBACK, "", BAD_URL },
    { LOOPBACK, "http", BAD_URL },
    { LOOPBACK, "http:", BAD_URL },
    { LOOPBACK, "http:/", BAD_URL },
    { LOOPBACK, "http://", BAD_URL },
    { LOOPBACK, "http:///", BAD_URL },
    { LOOPBACK, "http:///x", BAD_URL },
    { LOOPBACK, "http://?", BAD_URL },
    { LOOPBACK, "http://#", BAD_URL },
    { LOOPBACK, "HTTP//127.0.0.1/", BAD_URL },
    { LOOPBACK, "127.0.0.1/", BAD_URL },
    { LOOPBACK, "127.0.0.1:80", BAD_URL },
    { LOOPBACK, "//127.0.0.1/", BAD_URL },
    { LOOPBACK, "/x", BAD_URL },
    { LOOPBACK, " http://127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/ ", BAD_URL },
    { LOOPBACK, "http ://127.0.0.1/", BAD_URL },
    { LOOPBACK, "http: //127.0.0.1/", BAD_URL },
    { LOOPBACK, "http:\\\\127.0.0.1/", BAD_URL },
    { LOOPBACK, "http:/127.0.0.1/", BAD_URL },
    { LOOPBACK, "http:127.0.0.1", BAD_URL },
    { LOOPBACK, "ftp://127.0.0.1/", BAD_URL },
    { LOOPBACK, "file:///etc/passwd", BAD_URL },
    { LOOPBACK, "gopher://127.0.0.1/", BAD_URL },
    { LOOPBACK, "javascript:alert(1)", BAD_URL },
    { LOOPBACK, "data:,x", BAD_URL },
    { LOOPBACK, "unix:/run/x", BAD_URL },
    { LOOPBACK, "ws://127.0.0.1/", BAD_URL },
    { LOOPBACK, "httpss://127.0.0.1/", BAD_URL },
    { LOOPBACK, "https//127.0.0.1/", BAD_URL },
    { LOOPBACK, "jar:http://127.0.0.1/", BAD_URL },
    { LOOPBACK, "http+unix://x/", BAD_URL },
    { LOOPBACK, "http://user@127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://user:pw@127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://@127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1@evil/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1:80@evil/", BAD_URL },
    { LOOPBACK, "http://evil@127.0.0.1:80/", BAD_URL },
    { LOOPBACK, "http://:@127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://a@b@127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://127.1/", BAD_URL },
    { LOOPBACK, "http://127.0.1/", BAD_URL },
    { LOOPBACK, "http://2130706433/", BAD_URL },
    { LOOPBACK, "http://0x7f000001/", BAD_URL },
    { LOOPBACK, "http://0x7f.0.0.1/", BAD_URL },
    { LOOPBACK, "http://0x7f.1/", BAD_URL },
    { LOOPBACK, "http://0177.0.0.1/", BAD_URL },
    { LOOPBACK, "http://017700000001/", BAD_URL },
    { LOOPBACK, "http://127.0.0.01/", BAD_URL },
    { LOOPBACK, "http://127.0.0.001/", BAD_URL },
    { LOOPBACK, "http://127.0.0.0x1/", BAD_URL },
    { LOOPBACK, "http://0/", BAD_URL },
    { LOOPBACK, "http://00/", BAD_URL },
    { LOOPBACK, "http://1/", BAD_URL },
    { LOOPBACK, "http://1.2.3/", BAD_URL },
    { LOOPBACK, "http://1.2.3.4.5/", BAD_URL },
    { LOOPBACK, "http://256.0.0.1/", BAD_URL },
    { LOOPBACK, "http://127.0.0.256/", BAD_URL },
    { LOOPBACK, "http://999.1.1.1/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1./", BAD_URL },
    { LOOPBACK, "http://127.0.0.1../", BAD_URL },
    { LOOPBACK, "http://.127.0.0.1/", BAD_URL },
    { LOOPBACK, "http://127..0.1/", BAD_URL },
    { LOOPBACK, "http://127.0.0.-1/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1e0/", AT_CONNECT },
    { LOOPBACK, "http://4294967296/", BAD_URL },
    { LOOPBACK, "http://x.1/", BAD_URL },
    { LOOPBACK, "http://stock.0x1/", BAD_URL },
    { LOOPBACK, "http://stock.0x/", BAD_URL },
    { LOOPBACK, "http://0X7F000001/", BAD_URL },
    { LOOPBACK, "http://127.0.0.\xd9\xa1/", BAD_URL },
    { LOOPBACK, "http://\xef\xbc\x91.1.1.1/", BAD_URL },
    { LOOPBACK, "http://[/", BAD_URL },
    { LOOPBACK, "http://]/", BAD_URL },
    { LOOPBACK, "http://[]/", BAD_URL },
    { LOOPBACK, "http://[::1/", BAD_URL },
    { LOOPBACK, "http://::1/", BAD_URL },
    { LOOPBACK, "http://[::1]x/", BAD_URL },
    { LOOPBACK, "http://[::1]:x/", BAD_URL },
    { LOOPBACK, "http://[::1]80/", BAD_URL },
    { LOOPBACK, "http://[:1]/", BAD_URL },
    { LOOPBACK, "http://[:::1]/", BAD_URL },
    { LOOPBACK, "http://[1::2::3]/", BAD_URL },
    { LOOPBACK, "http://[::12345]/", BAD_URL },
    { LOOPBACK, "http://[::g]/", BAD_URL },
    { LOOPBACK, "http://[1:2:3:4:5:6:7]/", BAD_URL },
    { LOOPBACK, "http://[1:2:3:4:5:6:7:8:9]/", BAD_URL },
    { LOOPBACK, "http://[::127.0.0.256]/", BAD_URL },
    { LOOPBACK, "http://[::127.1]/", BAD_URL },
    { LOOPBACK, "http://[::0127.0.0.1]/", BAD_URL },
    { LOOPBACK, "http://[127.0.0.1]/", BAD_URL },
    { LOOPBACK, "http://[fe80::1%25eth0]/", BAD_URL },
    { LOOPBACK, "http://[fe80::1%eth0]/", BAD_URL },
    { LOOPBACK, "http://[::1 ]/", BAD_URL },
    { LOOPBACK, "http://[v1.x]/", BAD_URL },
    { LOOPBACK, "http://[::ffff:127.0.0.1.]/", BAD_URL },
    { LOOPBACK, "http://[1:2:3:4:5:6:7:1.2.3.4]/", BAD_URL },
    { LOOPBACK, "http://[::1.2.3.4:5]/", BAD_URL },
    { LOOPBACK, "http://[::1]]/", BAD_URL },
    { LOOPBACK, "http://[[::1]]/", BAD_URL },
    { LOOPBACK, "http://a:/", BAD_URL },
    { LOOPBACK, "http://a:0/", BAD_URL },
    { LOOPBACK, "http://a:65536/", BAD_URL },
    { LOOPBACK, "http://a:99999/", BAD_URL },
    { LOOPBACK, "http://a:080/", BAD_URL },
    { LOOPBACK, "http://a:-1/", BAD_URL },
    { LOOPBACK, "http://a:+80/", BAD_URL },
    { LOOPBACK, "http://a:80a/", BAD_URL },
    { LOOPBACK, "http://a:8 0/", BAD_URL },
    { LOOPBACK, "http://a:80:80/", BAD_URL },
    { LOOPBACK, "http://a:0x50/", BAD_URL },
    { LOOPBACK, "http://a:999999999999999999999/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1:/", BAD_URL },
    { LOOPBACK, "http://a b/", BAD_URL },
    { LOOPBACK, "http://a%20b/", BAD_URL },
    { LOOPBACK, "http://a%2eb/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1%00.evil/", BAD_URL },
    { LOOPBACK, "http://%31.1.1.1/", BAD_URL },
    { LOOPBACK, "http://a_b!c/", BAD_URL },
    { LOOPBACK, "http://a,b/", BAD_URL },
    { LOOPBACK, "http://a;b/", BAD_URL },
    { LOOPBACK, "http://a\\b/", BAD_URL },
    { LOOPBACK, "http://a\\@b/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1\\x/", BAD_URL },
    { LOOPBACK, "http://a<b>/", BAD_URL },
    { LOOPBACK, "http://\"a\"/", BAD_URL },
    { LOOPBACK, "http://*.a/", BAD_URL },
    { LOOPBACK, "http://a..b/", BAD_URL },
    { LOOPBACK, "http://.a/", BAD_URL },
    { LOOPBACK, "http://a../", BAD_URL },
    { LOOPBACK, "http://./", BAD_URL },
    { LOOPBACK, "http://../", BAD_URL },
    { LOOPBACK, "http://\xc3\xa4.example/", BAD_URL },
    { LOOPBACK, "http://a\tb/", BAD_URL },
    { LOOPBACK, "http://a\r\nb/", BAD_URL },
    { LOOPBACK, "http://a\nb/", BAD_URL },
    { LOOPBACK, "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a b", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a\tb", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a\r\nHost: b", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a\nb", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/\x01", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/\x7f", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/\xc3\xa4", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/#x", BAD_URL },
    { LOOPBACK, "http://127.0.0.1#x", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/x#", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%2", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%zz", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%0d%0aX: y", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%0d%0a", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%00", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%1F", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/%7f", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a\\b", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a\"b", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/<b>", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/{b}", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a|b", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/a^b", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/`a`", BAD_URL },
    { LOOPBACK, "http://127.0.0.1?x", BAD_URL },
    { LOOPBACK, "http://127.0.0.1/[x]", BAD_URL },
    { LOOPBACK, "http://127.0.0.1", ALLOWED },
    { LOOPBACK, "HTTP://127.0.0.1/", ALLOWED },
    { LOOPBACK, "https://127.0.0.1", ALLOWED },
    { LOOPBACK, "http://127.0.0.1/a/b;c=d?e=f&g=%20%41", ALLOWED },
    { LOOPBACK, "http://127.0.0.1/?x", ALLOWED },
    { LOOPBACK, "http://127.0.0.1//", ALLOWED },
    { LOOPBACK, "http://127.0.0.1/../x", ALLOWED },
    { LOOPBACK, "http://127.0.0.1/a@b:c", ALLOWED },
    { LOOPBACK, "http://127.0.0.1:65535/", ALLOWED },
    { LOOPBACK, "http://127.0.0.1:1/", ALLOWED },
};

static void judges_every_url_of_the_table(void **state) {
    (void)state;
    assert_true(sizeof rows / sizeof rows[0] >= 300);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url url;
        struct why why = { "" };
        int verdict = BAD_URL;
        if (url_decode(slice_text(rows[i].url), &url, &why) == 0)
            verdict = (int)egress_judge_url(&sets[rows[i].set], &url, &why);
        if (verdict != rows[i].verdict)
            fail_msg("row %zu, %s in set %d: %d instead of %d (%s)", i, rows[i].url, (int)rows[i].set,
                     verdict, rows[i].verdict, why.text);
        if (verdict == BAD_URL || verdict == REFUSED)
            assert_true(why.text[0] != '\0');
        if (verdict == REFUSED)
            assert_non_null(strstr(why.text, "egress."));
    }
}

struct resolved {
    enum rule_set set;
    const char *host, *address;
    uint16_t port;
    int verdict;
    const char *sentence;
};

static const struct resolved resolved_rows[] = {
    { LOOPBACK, "localhost", "127.0.0.1", 80, ALLOWED, "" },
    { LOOPBACK, "localhost", "::1", 80, ALLOWED, "" },
    { LOOPBACK, "localhost", "127.0.0.1", 8711, REFUSED,
      "localhost resolves to 127.0.0.1, which is settled itself (port 8711), which egress.allow cannot "
      "open" },
    { LOOPBACK, "rebind.example", "10.0.0.1", 80, REFUSED,
      "rebind.example resolves to 10.0.0.1, which is not listed in egress.allow" },
    { LOOPBACK, "rebind.example", "169.254.169.254", 80, REFUSED,
      "rebind.example resolves to 169.254.169.254, which is a metadata address, refused unless egress.allow "
      "lists exactly this address" },
    { LOOPBACK, "rebind.example", "fe80::1", 80, REFUSED,
      "rebind.example resolves to fe80::1, which is a link-local address, refused unless egress.allow lists "
      "exactly this address" },
    { PRIVATE, "stock", "172.18.0.3", 80, ALLOWED, "" },
    { PRIVATE, "STOCK.", "8.8.8.8", 80, ALLOWED, "" },
    { PRIVATE, "stock", "127.0.0.1", 80, ALLOWED, "" },
    { PRIVATE, "stock", "127.0.0.1", 8711, REFUSED, NULL },
    { PRIVATE, "stock", "169.254.169.254", 80, REFUSED, NULL },
    { PRIVATE, "stock", "0.0.0.0", 80, REFUSED, NULL },
    { PRIVATE, "stock", "ff02::1", 80, REFUSED, NULL },
    { PRIVATE, "stock2", "172.18.0.3", 80, REFUSED, NULL },
    { PRIVATE, "mystock", "172.18.0.3", 80, REFUSED, NULL },
    { PRIVATE, "db.internal", "172.18.0.3", 80, ALLOWED, "" },
    { PRIVATE, "a.db.INTERNAL.", "172.18.0.3", 80, ALLOWED, "" },
    { PRIVATE, "internal", "172.18.0.3", 80, REFUSED, NULL },
    { PRIVATE, "xinternal", "172.18.0.3", 80, REFUSED, NULL },
    { PRIVATE, "db.internal.evil", "172.18.0.3", 80, REFUSED, NULL },
    { PRIVATE, "any.example", "10.2.3.4", 80, ALLOWED, "" },
    { PRIVATE, "any.example", "::ffff:10.2.3.4", 80, ALLOWED, "" },
    { PRIVATE, "any.example", "::ffff:11.2.3.4", 80, REFUSED, NULL },
    { SPECIAL, "meta", "169.254.169.254", 80, ALLOWED, "" },
    { SPECIAL, "meta", "169.254.169.253", 80, REFUSED, NULL },
    { EVERYTHING, "good.example", "8.8.8.8", 80, ALLOWED, "" },
    { EVERYTHING, "good.example", "10.8.8.8", 80, REFUSED,
      "good.example resolves to 10.8.8.8, which is listed in egress.deny" },
    { EVERYTHING, "x.evil", "8.8.8.8", 80, REFUSED, "x.evil is listed in egress.deny" },
    { EVERYTHING, "8.8.8.8", "8.8.8.8", 80, ALLOWED, "" },
    { NOTHING, "127.0.0.1", "127.0.0.1", 80, REFUSED, "127.0.0.1 is not listed in egress.allow" },
};

static void judges_what_a_name_resolved_to(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof resolved_rows / sizeof resolved_rows[0]; i++) {
        const struct resolved *r = &resolved_rows[i];
        struct address address;
        struct why why = { "" };
        assert_int_equal(address_decode(slice_text(r->address), &address), 0);
        int verdict = (int)egress_judge_address(&sets[r->set], slice_text(r->host), &address, r->port, &why);
        if (verdict != r->verdict)
            fail_msg("row %zu, %s at %s: %d instead of %d", i, r->host, r->address, verdict, r->verdict);
        if (r->sentence != NULL)
            assert_string_equal(why.text, r->sentence);
    }
}

static void refuses_rules_that_mean_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",       "*",    "*.",          "*x",        "a.*",        "*.*.a",       "http://a",
        "a/8",    "a:80", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/08x",
        "::/129", "10/8", "10.0.0",      "0x7f.1",    "a b",        "a\nb",        ".a",
        "a..b",   "[::1", "::1]",        "[10.0.0.1", "@",          "\xc3\xa4",    "*.1.2.3.4"
    };
    static const char *const loose[] = { "10.0.0.1/8", "fd00::1/8", "0.0.0.1/0", "10.0.0.7/31" };
    static const char *const good[] = {
        "a",    "A.B",   "*.a",     "a.",         "10.0.0.0/8",          "0.0.0.0/0",
        "::/0", "[::1]", "::1/128", "[fd00::]/8", "::ffff:10.0.0.0/104", "10.0.0.8/31"
    };
    struct egress e;
    struct why why;
    egress_init(&e, &arena);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (egress_allow(&e, slice_text(bad[i]), &why) != ERR_SYNTAX)
            fail_msg("%s was taken for a rule", bad[i]);
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++)
        assert_int_equal(egress_deny(&e, slice_text(loose[i]), &why), ERR_INVALID);
    assert_null(e.allow);
    assert_null(e.deny);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (egress_allow(&e, slice_text(good[i]), &why) != 0)
            fail_msg("%s: %s", good[i], why.text);
}

static void limits_the_length_of_a_url(void **state) {
    (void)state;
    char text[LIMIT_URL_BYTES * 10];
    struct url url;
    memset(text, 'x', sizeof text);
    memcpy(text, "http://127.0.0.1/", 17);
    assert_int_equal(url_decode(slice_of(text, LIMIT_URL_BYTES), &url, NULL), 0);
    assert_int_equal(url.target.length, LIMIT_URL_BYTES - 16);
    assert_int_equal(url_decode(slice_of(text, LIMIT_URL_BYTES + 1), &url, NULL), ERR_LIMIT);
    assert_int_equal(url_decode(slice_of(text, sizeof text), &url, NULL), ERR_LIMIT);
}

static void takes_a_url_apart(void **state) {
    (void)state;
    struct url u;
    assert_int_equal(url_decode(SLICE("https://Stock.example:8443/a/b?c=d"), &u, NULL), 0);
    assert_true(u.secure);
    assert_false(u.is_address);
    assert_int_equal(u.port, 8443);
    assert_true(slice_is(u.host, "Stock.example"));
    assert_true(slice_is(u.authority, "Stock.example:8443"));
    assert_true(slice_is(u.target, "/a/b?c=d"));
    assert_int_equal(url_decode(SLICE("http://[::1]"), &u, NULL), 0);
    assert_int_equal(u.port, 80);
    assert_true(u.is_address);
    assert_true(slice_is(u.host, "::1"));
    assert_true(slice_is(u.authority, "[::1]"));
    assert_true(slice_is(u.target, "/"));
    assert_int_equal(url_decode(SLICE("https://a"), &u, NULL), 0);
    assert_int_equal(u.port, 443);
    struct url before = u;
    assert_int_equal(url_decode(SLICE("https://a b"), &u, NULL), ERR_SYNTAX);
    assert_memory_equal(&before, &u, sizeof u);
    assert_int_equal(url_decode(SLICE("http://a\0b/"), &u, NULL), ERR_SYNTAX);
    assert_int_equal(url_decode(SLICE("http://a/\0"), &u, NULL), ERR_SYNTAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_every_url_of_the_table),
        cmocka_unit_test(judges_what_a_name_resolved_to),
        cmocka_unit_test(refuses_rules_that_mean_nothing),
        cmocka_unit_test(limits_the_length_of_a_url),
        cmocka_unit_test(takes_a_url_apart),
    };
    return cmocka_run_group_tests_name("egress", tests, build, drop);
}
