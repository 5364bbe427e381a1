"""One client tries to exhaust the daemon: memory stays bounded, work grows no faster than input, others are served (P12, H15)."""

import json
import socket
import time

from kit import Daemon, Gate, Status, equal, eventually, less, limit, need, problem, shared_daemon, shared_site

MIB = 1 << 20


def submit_bytes(s, name, url, wait=""):
    body = json.dumps(s.saga({"id": "a", "action": url}, name=name)).encode()
    return b"POST /v1/transactions%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (wait.encode(), len(body), body)


def test_answers_that_nobody_reads_do_not_pile_up():
    d = Daemon().start()
    before = d.rss()
    with socket.create_connection(("127.0.0.1", d.port)) as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.settimeout(1)
        try:
            for _ in range(100):
                c.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        except TimeoutError:
            pass
        time.sleep(0.5)
        less(d.rss() - before, 32 * MIB)
        equal(d.get("/healthz").status, 200)


def test_waits_that_are_pipelined_do_not_pile_up():
    d, s = Daemon().start(), shared_site()
    gate, before = s.on("a", Gate()), d.rss()
    with socket.create_connection(("127.0.0.1", d.port)) as c:
        c.settimeout(1)
        try:
            for i in range(3000):
                c.sendall(submit_bytes(s, f"{i}", s.url("a"), "?wait=60s"))
        except TimeoutError:
            pass
        time.sleep(0.5)
        less(d.rss() - before, 32 * MIB)
        equal(d.get("/healthz").status, 200)
        gate.open()


def test_a_dense_graph_is_read_quickly():
    d, s = shared_daemon(), shared_site()
    branches = [{"id": f"{i}", "action": s.url("a"), "after": [f"{k}" for k in range(i)]} for i in range(380)]
    branches[-1].update(pivot=True, body={"v": "${0#/x}"})
    s.on("a", Status(200, {"x": 1}))
    begin = time.monotonic()
    equal(d.submit(s.saga(*branches)).status, 202)
    less(time.monotonic() - begin, 2)
    d.until(s.gid(), "committed", 30)


def test_references_do_not_multiply_an_answer():
    d, s = shared_daemon(), shared_site()
    s.on("big/do", Status(200, {"x": "y" * 50_000}))
    before = d.rss()
    for i, body in enumerate(({"l": ["${big#/x}"] * 9000}, "${big#/x}" * 20_000)):
        t = d.run(s.saga(s.step("big"), s.step("b", body=body), name=f"{i}"), "rolled_back")
        need("262144" in t["reason"]["detail"] or "256" in t["reason"]["detail"], t)
    less(d.rss() - before, 64 * MIB)
    equal(s.calls("b/do"), [])


def test_references_to_references_are_not_filled_twice():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, {"x": "${a#/x}"}))
    d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/x}", "in": "<${a#/x}>"})))
    equal(s.calls("b/do")[0].json, {"v": "${a#/x}", "in": "<${a#/x}>"})


def test_payload_per_transaction():
    d, s = shared_daemon(), shared_site()
    d.submit({"gid": s.gid(), "mode": "tcc", "drive": "client"})
    body = ["x" * 100_000, "y" * 100_000]
    for i in range(30):
        answer = d.post(f"/v1/transactions/{s.gid()}/branches", {"id": f"{i}", "base": s.url("x"), "body": body})
        if answer.status != 200:
            break
    less(15, i)
    equal(answer.status, 413, answer)
    need("4" in answer.json["detail"], answer)
    d.post(f"/v1/transactions/{s.gid()}/rollback?wait=10s", {})
    d.until(s.gid(), "rolled_back")
    equal(len(s.calls("x/cancel")), i)


@limit(120)
def test_the_memory_limit_sheds_new_work_and_finishes_the_old():
    d, s = Daemon(settings={"limits": {"memory": "16MiB"}}).start(), shared_site()
    gate = s.on("a", Gate())
    accepted = []
    for i in range(400):
        answer = d.submit(s.saga({"id": "a", "action": s.url("a"), "body": ["x" * 100_000]}, name=f"{i}", deadline="1h"))
        if answer.status != 202:
            break
        accepted.append(s.gid(str(i)))
    equal(answer.status, 503, answer)
    need(answer.json["retry"] is True and "retry-after" in answer.headers, answer)
    less(30, len(accepted))
    less(d.rss(), 128 * MIB)
    d.restart()
    for gid in accepted:
        equal(d.status(gid), "active")
    gate.open()
    for gid in accepted:
        d.until(gid, "committed", 60)
    eventually(lambda: d.submit(s.saga({"id": "a", "action": s.url("b")}, name="later")).status == 202, 10)


@limit(120)
def test_thousands_of_short_connections_leave_nothing():
    import os
    d = Daemon().start()
    files = len(os.listdir(f"/proc/{d.process.pid}/fd"))
    before = d.rss()
    for _ in range(3000):
        with socket.create_connection(("127.0.0.1", d.port)) as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            c.recv(1000)
    eventually(lambda: len(os.listdir(f"/proc/{d.process.pid}/fd")) <= files + 5, 10)
    less(d.rss() - before, 16 * MIB)


def test_deep_and_odd_json_is_refused_quickly():
    d = shared_daemon()
    begin = time.monotonic()
    for text in (b"[" * 1_000_000, b'{"a":' * 200_000, b'"' + b"\\u0041" * 170_000 + b'"', b"[" + b"1," * 500_000 + b"1", b"1" * 1_000_000, b"-" * 1_000_000,
                 b'{"' + b"k" * 1_000_000, b" " * 1_000_000, b"\xef\xbf\xbd" * 300_000):
        answer = d.submit(text)
        need(answer.status in (400, 422), repr(text[:20]), answer)
    less(time.monotonic() - begin, 5)


def test_problem_answers_do_not_echo_much():
    d = shared_daemon()
    answer = d.submit({"mode": "x" * 100_000, "branches": []})
    less(len(answer.body), 4000)
    answer = d.submit({"y" * 100_000: 1, "mode": "saga"})
    less(len(answer.body), 4000)
    problem(answer, 422)
