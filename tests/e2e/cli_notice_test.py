"""The settle command speaks of endpoints, notifications, and what a transaction sends (ux.md (c))."""

import json
import time

from kit import Status, contains, equal, eventually, need, run_settle, shared_daemon, shared_site


def daemon():
    return shared_daemon("cli-notice", auth=True)


def settle(*arguments, **more):
    return run_settle(*arguments, daemon=more.pop("daemon", daemon()), **more)


def code(done, wanted):
    equal(done.returncode, wanted, done.args, done.stdout, done.stderr)
    return done


def has(text, *parts):
    for part in parts:
        contains(text, part)


def endpoint(s, what):
    code(settle("endpoint", "set", s.gid(what), "--url", s.url(what)), 0)
    return s.gid(what)


def test_send_waits_and_tells_by_its_exit_code():
    s = shared_site()
    has(code(settle("notify", "send", endpoint(s, "good"), "order.paid", "--ref", "4711", "--body", '{"n":1}', "--wait", "5s"), 0).stdout, "delivered")
    equal([json.loads(c.body) for c in s.calls("good")], [{"n": 1}])
    s.on("bad", Status(503, b"later"))
    sent = ("notify", "send", endpoint(s, "bad"), "order.paid", "--id", s.gid("n"), "--schedule", "0s,100ms")
    has(code(settle(*sent, "--wait", "10s"), 10).stdout, "gave_up")
    shown = code(settle("notify", "show", s.gid("n")), 0).stdout
    has(shown, "notification  gave_up", "endpoint " + s.gid("bad"), "event order.paid", "2nd try", "because exhausted")
    has(code(settle("endpoint", "missed", s.gid("bad")), 0).stdout, s.gid("n"), "HTTP 503 later")
    equal(settle("notify", "list", "--endpoint", s.gid("bad"), "--status", "gave_up", "-o", "gid").stdout.split(), [s.gid("n")])
    equal([json.loads(line)["event"] for line in code(settle("notify", "events", s.gid("n"), "-o", "jsonl"), 0).stdout.splitlines()][0], "ntf.created")


def test_retry_and_cancel():
    s = shared_site()
    s.on("e", Status(503, b"later"), Status(503, b"later"), 200)
    for what in ("a", "b"):
        code(settle("notify", "send", endpoint(s, "e"), "x", "--id", s.gid(what), "--schedule", "0s,1h"), 0)
    eventually(lambda: len(s.calls("e")) == 2, 5)
    code(settle("notify", "cancel", s.gid("a")), 2)
    has(code(settle("notify", "cancel", s.gid("a"), "--yes", "--reason", "sent by mail"), 0).stdout, "cancelled")
    code(settle("notify", "retry", s.gid("b"), "--reason", "hook is back"), 0)
    eventually(lambda: json.loads(settle("notify", "show", s.gid("b"), "-o", "json").stdout)["status"] == "delivered", 5)
    code(settle("notify", "show", s.gid("nobody")), 3)


def test_what_was_missed_is_sent_anew_at_a_rate():
    s = shared_site()
    s.on("back", 503)
    for what in ("m1", "m2", "m3"):
        code(settle("notify", "send", endpoint(s, "back"), "x", "--id", s.gid(what), "--schedule", "0s", "--wait", "5s"), 10)
    missed = code(settle("endpoint", "missed", s.gid("back"), "--all", "-o", "gid"), 0).stdout
    equal(sorted(missed.split()), [s.gid(what) for what in ("m1", "m2", "m3")])
    s.on("back", 200)
    before, begin = len(s.calls("back")), time.monotonic()
    code(settle("notify", "retry", "-", "--rate", "4", "--reason", "hook is back", stdin=missed), 0)
    need(time.monotonic() - begin >= 0.5, "three at four a second take half a second at least")
    eventually(lambda: len(s.calls("back")) == before + 3, 5)
    code(settle("notify", "retry", s.gid("m1"), "--rate", "0"), 2)


def test_endpoints_are_switched_and_get_a_secret():
    s = shared_site()
    first = code(settle("endpoint", "set", s.gid("e"), "--url", s.url("e")), 0)
    has(first.stdout, "whsec_")
    need("whsec_" not in code(settle("endpoint", "set", s.gid("e"), "--url", s.url("e"), "--timeout", "5s"), 0).stdout, "only once")
    code(settle("endpoint", "disable", s.gid("e")), 2)
    has(code(settle("endpoint", "disable", s.gid("e"), "--reason", "moved"), 0).stdout, "disabled")
    has(next(x for x in code(settle("endpoint", "list", "--all"), 0).stdout.splitlines() if x.startswith(s.gid("e"))), "disabled", "moved")
    has(code(settle("doctor"), 1).stdout, "disabled or not answering", "settle endpoint list")
    has(code(settle("endpoint", "enable", s.gid("e"), "--reason", "back"), 0).stdout, "enabled")
    rotated = json.loads(code(settle("endpoint", "rotate-secret", s.gid("e"), "--overlap", "1h", "--yes"), 0).stdout)
    need(rotated["secret"].startswith("whsec_") and rotated["secret"] not in first.stdout)
    code(settle("endpoint", "delete", s.gid("e"), "--yes", "--reason", "over"), 0)
    code(settle("endpoint", "show", s.gid("e")), 3)


def test_a_transaction_shows_where_its_messages_went():
    s, d = shared_site(), daemon()
    code(settle("sub", "set", s.gid("w"), "--topic", s.gid("ship"), "--push", s.url("w")), 0)
    d.run(s.tcc(s.part("a"), on_commit=[{"topic": s.gid("ship"), "key": "1", "body": 1}, {"notify": endpoint(s, "e"), "event": "order.paid"}]))
    eventually(lambda: s.calls("w") and s.calls("e"), 5)
    shown = code(settle("tx", "show", s.gid()), 0).stdout
    has(shown, f"message {s.gid('ship')} → {s.gid('w')} ✔ acked", f"notification {s.gid('e')}")
