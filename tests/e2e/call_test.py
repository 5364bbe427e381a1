"""What a participant receives: headers, signature, bytes (G5, H8, I-G6)."""

import base64
import datetime
import hashlib
import hmac
import os
import re
import time

from kit import Daemon, Delay, Reset, equal, eventually, less, need, run_settle, shared_daemon, shared_site


def secret_of(d):
    """The default signing secret, wherever the data directory keeps it."""
    for root, _, names in os.walk(d.data):
        for name in names:
            path = os.path.join(root, name)
            if os.path.getsize(path) < 4096:
                with open(path, "rb") as f:
                    found = re.search(rb"whsec_[A-Za-z0-9+/=_-]+", f.read())
                if found:
                    equal(os.stat(path).st_mode & 0o777, 0o600, path)
                    return found.group().decode()
    raise AssertionError("no whsec_ file in the data directory")


def signature(secret, call):
    key = base64.b64decode(secret[len("whsec_"):])
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verified(secret, call):
    return signature(secret, call) in call.headers["webhook-signature"].split(" ")


def test_every_call_says_what_it_is():
    d, s = shared_daemon(), shared_site()
    d.run(s.tcc(s.part("a"), deadline="30s"))
    first, second = s.calls()
    for call, op in ((first, "try"), (second, "confirm")):
        equal(call.method, "POST")
        equal((call.gid, call.branch, call.op, call.attempt), (s.gid(), "a", op, 1), call)
        equal(call.headers["content-type"], "application/json", call)
        equal(call.headers["host"], f"127.0.0.1:{s.server.port}", call)
        need(call.headers["idempotency-key"], call)
        need(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", call.headers["traceparent"]), call)
        names = [n.lower() for n, _ in call.header_list]
        equal(len(names), len(set(names)), "no header twice", call)
    need(first.headers["idempotency-key"] != second.headers["idempotency-key"])
    equal(first.headers["traceparent"].split("-")[1], second.headers["traceparent"].split("-")[1], "one trace per transaction")
    deadline = datetime.datetime.fromisoformat(first.headers["settle-deadline"].replace("Z", "+00:00"))
    left = (deadline - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    less(20, left)
    less(left, 31)


def test_attempts_share_key_and_bytes():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500, Reset(), Delay(0.01, 503), 200)
    d.run(s.saga(s.step("a", body={"list": list(range(50)), "text": "ü" * 100})))
    calls = s.calls("a/do")
    equal(len(calls), 4)
    equal([c.attempt for c in calls], [1, 2, 3, 4])
    equal(len({c.body for c in calls}), 1)
    for name in ("idempotency-key", "webhook-id", "settle-gid", "settle-branch", "settle-op"):
        equal(len({c.headers[name] for c in calls}), 1, name)


def test_keys_differ_between_operations_branches_and_gids():
    d, s = shared_daemon(), shared_site()
    d.run(s.tcc(s.part("a"), s.part("b")))
    d.run(s.tcc(s.part("a"), s.part("b"), name="y"))
    equal(len({c.headers["webhook-id"] for c in s.calls()}), 8)
    equal(len({c.headers["idempotency-key"] for c in s.calls()}), 8)


def test_confusing_ids_do_not_share_keys():
    d, s = shared_daemon(), shared_site()
    for gid, branch in (("g.a", "b"), ("g", "a.b"), ("g:a", "b"), ("g", "a:b"), ("g-a", "b"), ("g", "a-b")):
        d.run(s.saga({"id": branch, "action": s.url("k")}, name=gid + ("" if branch == "b" else branch)))
    d.run({"gid": s.gid("p:q"), "mode": "saga", "branches": [{"id": "r", "action": s.url("k")}]})
    d.run({"gid": s.gid("p"), "mode": "saga", "branches": [{"id": "q:r", "action": s.url("k")}]})
    keys = [c.headers["idempotency-key"] for c in s.calls("k")]
    equal(len(keys), len(set(keys)), keys)
    ids = [c.headers["webhook-id"] for c in s.calls("k")]
    equal(len(ids), len(set(ids)), ids)


def test_signatures_verify():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500, 200)
    secret = secret_of(d)
    less(24 - 1, len(base64.b64decode(secret[len("whsec_"):])))
    d.run(s.saga(s.step("a", body={"x": "ü"}), {"id": "empty", "action": s.url("e/do")}))
    for call in s.calls():
        need(verified(secret, call), call)
        less(abs(time.time() - int(call.headers["webhook-timestamp"])), 10)
    call = s.calls()[0]
    call.body += b" "
    need(not verified(secret, call))


def test_the_secret_survives_a_restart():
    d, s = Daemon().start(), shared_site()
    before = secret_of(d)
    d.restart()
    equal(secret_of(d), before)
    d.run(s.saga(s.step("a")))
    need(verified(before, s.calls()[0]))


def test_rotation_signs_with_both():
    d, s = Daemon(auth=True).start(), shared_site()
    old = secret_of(d)
    done = run_settle("secret", "rotate", "--yes", daemon=d)
    if done.returncode != 0:
        done = run_settle("--help")
        raise AssertionError("the CLI rotates the signing secret (design.md 4 (3)); its help says:\n" + done.stdout)
    eventually(lambda: secret_of(d) != old, 5)
    d.run(s.saga(s.step("a")))
    call = s.calls()[0]
    need(len(call.headers["webhook-signature"].split(" ")) == 2, call)
    need(verified(old, call), call)


def test_attempt_numbers_go_on_after_a_restart():
    d, s = Daemon().start(), shared_site()
    s.on("a/do", 500)
    d.submit(s.saga(s.step("a"), deadline="1m"))
    eventually(lambda: len(s.calls()) >= 3)
    d.kill()
    highest = max(c.attempt for c in s.calls())
    count = len(s.calls())
    d.start()
    eventually(lambda: len(s.calls()) > count)
    less(highest, s.calls()[count].attempt + 1)
    equal(len({c.body for c in s.calls()}), 1)
    equal(len({c.headers["idempotency-key"] for c in s.calls()}), 1)
    s.on("a/do", 200)
    d.until(s.gid(), "committed")


def test_connections_are_kept():
    from kit import Participants, Site
    d, server = shared_daemon(), Participants()
    s = Site(server)
    for i in range(20):
        d.run(s.saga(s.step("a"), name=f"{i}"))
    less(len(server.open), 6)


def test_a_kept_connection_that_died_costs_an_attempt_not_a_second():
    from kit import Participants, Site
    d, server = shared_daemon(), Participants()
    s = Site(server)
    d.run(s.saga(s.step("a"), name="warm"))
    server.down()
    server.up()
    begin = time.monotonic()
    d.run(s.saga(s.step("a", retry={"first": "5s", "max": "5s"})))
    less(time.monotonic() - begin, 2.0)
