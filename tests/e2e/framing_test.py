"""HTTP that two readers could understand differently is refused and the connection closed (H7)."""

import time

from kit import equal, exchange, need, shared_daemon, shared_site, split_answers

NEXT = b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
HEAD = b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def hidden(s):
    """A request that must never run."""
    body = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s"}]}' % (s.gid("smuggled").encode(), s.url("smuggled").encode())
    return NEXT % (len(body), body)


def cases():
    """Each must be answered with a 4xx or 5xx (or nothing) and the connection closed."""
    for name, value in (("both lengths", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
                        ("both, other order", b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
                        ("two lengths", b"Content-Length: 4\r\nContent-Length: 5\r\n"),
                        ("two equal lengths", b"Content-Length: 4\r\nContent-Length: 4\r\n"),
                        ("length list", b"Content-Length: 4, 4\r\n"),
                        ("plus", b"Content-Length: +4\r\n"), ("minus", b"Content-Length: -4\r\n"), ("hex", b"Content-Length: 0x4\r\n"),
                        ("space inside", b"Content-Length: 4 4\r\n"), ("empty length", b"Content-Length:\r\n"),
                        ("letters", b"Content-Length: four\r\n"), ("huge", b"Content-Length: 99999999999999999999999999\r\n"),
                        ("overflow", b"Content-Length: 18446744073709551620\r\n"), ("decimal", b"Content-Length: 4.0\r\n"),
                        ("underscore", b"Content_Length: 4\r\nContent-Length: 5\r\nContent-Length: 4\r\n"),
                        ("identity", b"Transfer-Encoding: identity\r\n"), ("gzip", b"Transfer-Encoding: gzip\r\n"),
                        ("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n"), ("chunked, identity", b"Transfer-Encoding: chunked, identity\r\n"),
                        ("chunked twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                        ("chunked, chunked", b"Transfer-Encoding: chunked, chunked\r\n"),
                        ("xchunked", b"Transfer-Encoding: xchunked\r\n"), ("quoted", b'Transfer-Encoding: "chunked"\r\n'),
                        ("vertical tab", b"Transfer-Encoding: \x0bchunked\r\n"), ("semicolon", b"Transfer-Encoding: chunked;q=1\r\n"),
                        ("empty coding", b"Transfer-Encoding:\r\nContent-Length: 4\r\n"),
                        ("space before colon", b"Content-Length : 4\r\n"), ("tab before colon", b"Content-Length\t: 4\r\n"),
                        ("folded", b"X: a\r\n b\r\nContent-Length: 4\r\n"), ("folded length", b"Content-Length:\r\n 4\r\n"),
                        ("leading space", b" Content-Length: 4\r\n"), ("no colon", b"Content-Length 4\r\n"), ("empty name", b": 4\r\n"),
                        ("bare LF", b"X: a\nContent-Length: 4\r\n"), ("bare CR", b"X: a\rContent-Length: 4\r\n"),
                        ("NUL in value", b"X: a\x00b\r\n"), ("NUL in name", b"X\x00: a\r\n"), ("DEL", b"X: a\x7fb\r\n"),
                        ("ESC", b"X: \x1b[0m\r\n"), ("quote in name", b'X"Y: a\r\n'), ("space in name", b"X Y: a\r\n"),
                        ("8-bit name", b"X\xff: a\r\n"), ("two hosts", b"Host: y\r\n"), ("compressed", b"Content-Encoding: gzip\r\nContent-Length: 4\r\n"),
                        ("Expect nonsense", b"Expect: 200-ok\r\nContent-Length: 4\r\n")):
        yield name, HEAD + value + b"\r\n{}  "
    chunk = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for name, value in (("negative", b"-1\r\n"), ("hex prefix", b"0x2\r\n{}\r\n0\r\n\r\n"), ("nine digits", b"000000002\r\n{}\r\n0\r\n\r\n"),
                        ("huge", b"ffffffffffffffff\r\n"), ("space", b" 2\r\n{}\r\n0\r\n\r\n"), ("LF", b"2\n{}\r\n0\r\n\r\n"),
                        ("LF after data", b"2\r\n{}\n0\r\n\r\n"), ("long data", b"2\r\n{}x\r\n0\r\n\r\n"), ("letters", b"zz\r\n{}\r\n0\r\n\r\n"),
                        ("empty size", b"\r\n{}\r\n0\r\n\r\n"), ("plus", b"+2\r\n{}\r\n0\r\n\r\n"), ("CR in extension", b"2;a\rb\r\n{}\r\n0\r\n\r\n"),
                        ("LF in extension", b"2;a\nb\r\n{}\r\n0\r\n\r\n"), ("NUL in extension", b"2;\x00\r\n{}\r\n0\r\n\r\n"),
                        ("bad trailer", b"2\r\n{}\r\n0\r\nX y\r\n\r\n"), ("LF trailer", b"2\r\n{}\r\n0\r\nX: y\n\r\n"),
                        ("space after size", b"2 \r\n{}\r\n0\r\n\r\n"), ("underscore", b"1_0\r\n{}\r\n0\r\n\r\n")):
        yield "chunk " + name, chunk + value
    for name, value in (("HTTP/0.9", b"GET /healthz\r\n"), ("HTTP/2", b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n"),
                        ("preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ("lower case", b"GET /healthz http/1.1\r\nHost: x\r\n\r\n"),
                        ("two spaces", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), ("tab", b"GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
                        ("trailing space", b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n"), ("no version", b"GET /healthz \r\nHost: x\r\n\r\n"),
                        ("HTTP/1.2x", b"GET /healthz HTTP/1.12\r\nHost: x\r\n\r\n"), ("no host", b"GET /healthz HTTP/1.1\r\n\r\n"),
                        ("leading space", b" GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), ("method with colon", b"GE:T /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
                        ("no slash", b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n"), ("NUL", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n"),
                        ("8-bit path", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"), ("LF only", b"GET /healthz HTTP/1.1\nHost: x\n\n"),
                        ("other absolute", b"GET http://evil/healthz HTTP/1.1\r\nHost: x\r\n\r\n"), ("CONNECT", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
                        ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), ("host with slash", b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n"),
                        ("host with blank", b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n"),
                        ("fragment", b"GET /healthz#x HTTP/1.1\r\nHost: x\r\n\r\n")):
        yield name, value


def test_ambiguous_framing_is_refused_and_nothing_behind_it_runs():
    d, s = shared_daemon(), shared_site()
    wrong, count = [], 0
    for name, request in cases():
        for pieces in (None, 7):
            count += 1
            data = exchange(d.port, request + hidden(s), seconds=2.0, shut=pieces is None, pieces=pieces, pause=0.0005 if pieces else 0)
            if data:
                answers = split_answers(data)
                if len(answers) != 1 or answers[0][0] < 400:
                    wrong.append((name, pieces, data[:200]))
                elif answers[0][1].get("connection", "").lower() != "close":
                    wrong.append((name, pieces, "no Connection: close", data[:200]))
    equal(wrong, [], f"{count} cases")
    equal(s.calls(), [], "a smuggled request ran")
    equal(d.get(f"/v1/transactions/{s.gid('smuggled')}").status, 404)


def test_compressed_bodies_are_415():
    d = shared_daemon()
    got = split_answers(exchange(d.port, HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", seconds=3, shut=True))
    equal(got[0][0], 415)


def test_ordinary_oddities_are_fine():
    d = shared_daemon()
    for name, request in (("empty line first", b"\r\n" + GET + b"\r\n"), ("extra blanks in a value", GET + b"X:   y   \r\n\r\n"),
                          ("absolute form", b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n"), ("HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n"),
                          ("upper-case names", b"GET /healthz HTTP/1.1\r\nHOST: x\r\n\r\n"), ("upgrade ignored or refused", GET + b"\r\n")):
        got = split_answers(exchange(d.port, request, seconds=1.5, shut=True))
        equal(got[0][0], 200, name)


def test_pipelined_requests_are_answered_in_order():
    d, s = shared_daemon(), shared_site()
    want = b"".join(b"GET /v1/transactions/%s HTTP/1.1\r\nHost: x\r\n\r\n" % s.gid(f"p{i}").encode() + GET + b"\r\n" for i in range(50))
    got = split_answers(exchange(d.port, want, seconds=5, shut=True))
    equal([a[0] for a in got], [404, 200] * 50)
    for i in range(50):
        need(s.gid(f"p{i}").encode() in got[2 * i][2], got[2 * i])


def test_pipelining_behind_a_waiting_request_keeps_the_order():
    from kit import Delay
    d, s = shared_daemon(), shared_site()
    s.on("a", Delay(0.5))
    body = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s"}]}' % (s.gid().encode(), s.url("a").encode())
    submit = b"POST /v1/transactions?wait=5s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    got = split_answers(exchange(d.port, submit + GET + b"Connection: close\r\n\r\n", seconds=5))
    equal([a[0] for a in got], [200, 200])
    need(b"committed" in got[0][2], got[0])


def test_byte_at_a_time():
    d, s = shared_daemon(), shared_site()
    body = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s"}]}' % (s.gid().encode(), s.url("a").encode())
    submit = b"POST /v1/transactions?wait=5s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    got = split_answers(exchange(d.port, submit, seconds=8, pieces=1, pause=0.0005))
    equal(got[0][0], 200)


def test_expect_100_continue():
    import socket
    d, s = shared_daemon(), shared_site()
    body = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s"}]}' % (s.gid().encode(), s.url("a").encode())
    with socket.create_connection(("127.0.0.1", d.port), timeout=5) as c:
        c.sendall(b"POST /v1/transactions?wait=5s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
                  b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        need(c.recv(100).startswith(b"HTTP/1.1 100"), "100 Continue is sent")
        c.sendall(body)
        data = b""
        while piece := c.recv(65536):
            data += piece
    equal(split_answers(data)[0][0], 200)


def test_a_client_that_leaves_does_not_undo_its_request():
    import socket
    d, s = shared_daemon(), shared_site()
    body = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s"}]}' % (s.gid().encode(), s.url("a").encode())
    with socket.create_connection(("127.0.0.1", d.port), timeout=5) as c:
        c.sendall(b"POST /v1/transactions?wait=5s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        time.sleep(0.05)
    d.until(s.gid(), "committed")


def test_an_early_refusal_is_heard_by_a_client_that_still_sends():
    import socket
    d = shared_daemon()
    with socket.create_connection(("127.0.0.1", d.port), timeout=10) as c:
        c.sendall(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000000\r\n\r\n")
        try:
            for _ in range(8):
                c.sendall(b"x" * 1_000_000)
        except OSError as e:
            raise AssertionError(f"the answer is lost to a reset: {e}") from None
        data = b""
        while piece := c.recv(65536):
            data += piece
    equal(split_answers(data)[0][0], 413)
