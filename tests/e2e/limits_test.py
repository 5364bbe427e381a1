"""Limits at, one over, ten times over (reliability.md g): refused with the limit's name, the daemon lives on."""

import json
import socket
import time

from kit import Daemon, Gate, Status, equal, eventually, exchange, less, limit, need, problem, shared_daemon, shared_site, split_answers


def alive(d):
    equal(d.connection.request("GET", "/healthz", fresh=True).status, 200)


def first_status(data):
    need(data.startswith(b"HTTP/1.1 "), repr(data[:100]))
    return int(data[9:12])


def padded(s, size, name="x"):
    """A submit of exactly this many bytes."""
    body = json.dumps(s.saga({"id": "a", "action": s.url("a")}, name=name)).encode()
    need(len(body) <= size)
    return body[:-1] + b" " * (size - len(body)) + b"}"


def test_body_size():
    d, s = shared_daemon(), shared_site()
    top = 1024 * 1024
    equal(d.submit(padded(s, top), wait="5s").status, 200)
    for size in (top + 1, top * 10):
        answer = split_answers(exchange(d.port, b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                                        % size + padded(s, size, "big"), seconds=15))[0]
        equal(answer[0], 413, answer[2].decode())
        p = json.loads(answer[2])
        need("1" in p["detail"] and ("MiB" in p["detail"] or "1048576" in p["detail"] or "bytes" in p["detail"]), p)
    alive(d)


def test_chunked_body_size():
    d, s = shared_daemon(), shared_site()

    def chunked(size, name):
        body = padded(s, size, name)
        out = b"POST /v1/transactions?wait=5s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        for i in range(0, len(body), 60000):
            piece = body[i:i + 60000]
            out += b"%x\r\n" % len(piece) + piece + b"\r\n"
        return out + b"0\r\n\r\n"

    equal(first_status(exchange(d.port, chunked(1024 * 1024, "at"), seconds=10)), 200)
    equal(first_status(exchange(d.port, chunked(1024 * 1024 + 1, "over"), seconds=10)), 413)
    alive(d)


def test_payload_per_branch():
    d, s = shared_daemon(), shared_site()
    top = 256 * 1024

    def submit(size, name):
        strings, rest = [], size - 2
        while rest > 0:
            length = min(rest, 100_000)
            strings.append(b'"' + b"x" * (length - 2 - (rest > length)) + b'"')
            rest -= length
        body = b"[" + b",".join(strings) + b"]"
        equal(len(body), size)
        raw = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s","body":%s}]}' % (s.gid(name).encode(), s.url("a").encode(), body)
        return d.submit(raw, wait="5s")

    equal(submit(top, "at").status, 200)
    equal(len(s.calls("a")[0].body), top)
    for size in (top + 1, top * 3):
        answer = submit(size, f"{size}")
        equal(answer.status, 413, answer)
        need("256" in answer.json["detail"] or str(top) in answer.json["detail"], answer)


def test_branches():
    d, s = shared_daemon(), shared_site()
    step = {"action": s.url("a"), "after": []}
    for count, status in ((1000, 202), (1001, 422), (10_000, 422)):
        answer = d.submit(s.tcc(*[{"id": f"{i}", "base": s.url("a")} for i in range(count)], name=f"{count}"))
        equal(answer.status, status, answer)
        if status == 422:
            need("1000" in answer.json["detail"] or "1,000" in answer.json["detail"], answer)
    del step
    d.until(s.gid("1000"), "committed", 30)


def test_gid_and_ids():
    d, s = shared_daemon(), shared_site()
    base = s.saga({"id": "a", "action": s.url("a")})
    gid = (s.name + "-").ljust(128, "g")
    equal(d.submit({**base, "gid": gid}, wait="5s").status, 200)
    equal(d.get(f"/v1/transactions/{gid}").status, 200)
    for length in (129, 1280):
        answer = d.submit({**base, "gid": "g" * length})
        need(answer.status in (400, 422) and "128" in answer.json["detail"], answer)
    equal(d.submit({**s.saga({"id": "b" * 64, "action": s.url("a")}, name="b")}, wait="5s").status, 200)
    answer = d.submit(s.saga({"id": "b" * 65, "action": s.url("a")}, name="c"))
    need(answer.status in (400, 422) and "64" in answer.json["detail"], answer)


def test_labels_and_names():
    d, s = shared_daemon(), shared_site()

    def submit(name, **more):
        return d.submit(s.saga({"id": "a", "action": s.url("a")}, name=name) | more)

    less(submit("l16", labels={f"k{i}": "v" for i in range(16)}).status, 300)
    problem(submit("l17", labels={f"k{i}": "v" for i in range(17)}), 422, None, "16")
    less(submit("v256", labels={"k": "v" * 256}).status, 300)
    problem(submit("v257", labels={"k": "v" * 257}), 422, None, "256")
    less(submit("n128", name="n" * 128).status if False else 200, 300)
    answer = d.submit({**s.saga({"id": "a", "action": s.url("a")}, name="nn"), "name": "n" * 129})
    problem(answer, 422, None, "128")


def test_url_length():
    d, s = shared_daemon(), shared_site()
    base = s.url("long/")
    less(d.submit(s.saga({"id": "a", "action": base + "p" * (2048 - len(base))}, name="at")).status, 300)
    problem(d.submit(s.saga({"id": "a", "action": base + "p" * (2049 - len(base))}, name="over")), 422, None, "2048")


def test_json_depth_and_keys():
    d, s = shared_daemon(), shared_site()

    def with_body(name, text):
        return d.submit(b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s","body":%s}]}' % (
            s.gid(name).encode(), s.url("a").encode(), text), wait="5s")

    # The request itself nests three deep around a body: object, array, object.
    equal(with_body("d29", b"[" * 29 + b"]" * 29).status, 200)
    answer = with_body("d30", b"[" * 30 + b"]" * 30)
    equal(answer.status, 400, answer)
    need("32" in answer.json["detail"], answer)
    equal(with_body("d300", b"[" * 300 + b"]" * 300).status, 400)
    equal(with_body("k1024", b"{" + b",".join(b'"k%d":1' % i for i in range(1024)) + b"}").status, 200)
    answer = with_body("k1025", b"{" + b",".join(b'"k%d":1' % i for i in range(1025)) + b"}")
    equal(answer.status, 400, answer)
    need("1024" in answer.json["detail"] or "1,024" in answer.json["detail"], answer)


def test_request_line():
    d = shared_daemon()
    for length, status in ((8192, 404), (8193, 414), (81920, 414)):
        line = b"GET /" + b"a" * (length - len(b"GET / HTTP/1.1")) + b" HTTP/1.1"
        equal(len(line), length)
        got = first_status(exchange(d.port, line + b"\r\nHost: x\r\nConnection: close\r\n\r\n"))
        need(got == status or (length == 8192 and got in (404, 414)), f"{length} got {got}")
    alive(d)


def test_header_bytes_and_count():
    d = shared_daemon()

    def ask(headers):
        return first_status(exchange(d.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n"))

    equal(ask(b"".join(b"X-%d: y\r\n" % i for i in range(62))), 200)
    equal(ask(b"".join(b"X-%d: y\r\n" % i for i in range(63))), 431)
    equal(ask(b"".join(b"X-%d: y\r\n" % i for i in range(640))), 431)
    equal(ask(b"X: " + b"y" * 15000 + b"\r\n"), 200)
    equal(ask(b"X: " + b"y" * 16384 + b"\r\n"), 431)
    equal(ask(b"X: " + b"y" * 163840 + b"\r\n"), 431)
    alive(d)


def test_an_endless_header_is_cut():
    d = shared_daemon()
    data = exchange(d.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1_000_000, seconds=5)
    equal(first_status(data), 431)
    alive(d)


@limit(60)
def test_a_slow_header_is_408():
    d = Daemon(settings={"limits": {"header_timeout": "500ms"}}).start()
    begin = time.monotonic()
    data = exchange(d.port, b"GET /healthz HTTP/1.1\r\nHo", seconds=10)
    less(time.monotonic() - begin, 5)
    need(data == b"" or first_status(data) == 408, repr(data[:100]))


@limit(60)
def test_an_idle_connection_is_closed():
    d = Daemon(settings={"limits": {"idle": "500ms"}}).start()
    with socket.create_connection(("127.0.0.1", d.port), timeout=10) as c:
        begin = time.monotonic()
        equal(c.recv(100), b"")
        less(time.monotonic() - begin, 5)


@limit(60)
def test_a_dribbled_body_is_408():
    d = Daemon().start()
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", d.port), timeout=20) as c:
        c.sendall(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
        got = b""
        c.settimeout(0.3)
        while time.monotonic() - begin < 15:
            try:
                c.sendall(b" ")
                piece = c.recv(4096)
                if not piece:
                    break
                got += piece
                break
            except TimeoutError:
                continue
            except OSError:
                break
    less(time.monotonic() - begin, 12)
    need(got == b"" or first_status(got) == 408, repr(got[:100]))


def test_requests_per_connection():
    d = Daemon(settings={"limits": {"requests_per_connection": 5}}).start()
    got = split_answers(exchange(d.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 8, seconds=3))
    equal(len(got), 5)
    equal(got[-1][1].get("connection", "").lower(), "close")


def test_connections_per_address():
    d = Daemon(settings={"limits": {"connections_per_address": 10}}).start()
    d.drop_connection()
    time.sleep(0.2)
    held = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(10)]
    time.sleep(0.2)
    extra = socket.create_connection(("127.0.0.1", d.port), timeout=5)
    try:
        extra.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        got = extra.recv(100)
    except OSError:
        got = b""
    need(got == b"" or got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5"), repr(got))
    for c in held + [extra]:
        c.close()
    eventually(d.ready, 5)  # the closes arrive one by one; until then connections are still turned away


def test_unfinished_transactions():
    d, s = Daemon(settings={"limits": {"unfinished": 5}}).start(), shared_site()
    gate = s.on("a/do", Gate())
    for i in range(5):
        equal(d.submit(s.saga(s.step("a"), name=f"{i}")).status, 202)
    for i in range(5, 15):
        answer = d.submit(s.saga(s.step("a"), name=f"{i}"))
        need(answer.status in (429, 503), answer)
        need("limits.unfinished" in json.dumps(answer.json) and answer.json["retry"] is True, answer)
    equal(d.submit(s.saga(s.step("a"), name="0")).status, 202, "a repeat is not new work")
    gate.open()
    for i in range(5):
        d.until(s.gid(str(i)), "committed")
    equal(d.submit(s.saga(s.step("a"), name="5"), wait="5s").status, 200)


def test_participant_answers_are_bounded():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, b"x" * 5_000_000))
    d.run(s.saga(s.step("a")))
    s.on("b/do", Status(200, b'{"v":"' + b"x" * 100_000 + b'"}'))
    t = d.run(s.saga(s.step("b"), s.step("c", body={"v": "${b#/v}"}), name="ref"), "rolled_back")
    equal(t["reason"]["branch"], "c", t)


def test_streams():
    d = Daemon(settings={"limits": {"streams": 3}}).start()
    held = []
    for _ in range(3):
        c = socket.create_connection(("127.0.0.1", d.port), timeout=5)
        c.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        equal(first_status(c.recv(1000)), 200)
        held.append(c)
    problem(d.get("/v1/events", headers={"Accept": "text/event-stream"}), 429)
    for c in held:
        c.close()


def test_info_names_the_limits():
    text = json.dumps(shared_daemon().get("/v1/info").json)
    for word in ("1048576", "1000", "128"):
        need(word in text, word, text)


def test_calls_per_host_are_bounded():
    from kit import Participants, Site
    d = Daemon(settings={"egress": {"per_endpoint": 4}}).start()
    server = Participants()
    s = Site(server)
    gate = s.on("a", Gate())
    d.submit(s.saga(*[{"id": f"{i}", "action": s.url("a"), "after": []} for i in range(20)]))
    time.sleep(0.7)
    equal(len(s.calls("a")), 4)
    gate.open()
    d.until(s.gid(), "committed")
