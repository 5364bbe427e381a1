"""The settle command speaks of messages, subscriptions and dead letters (ux.md (c))."""

import json
import os
import subprocess

from kit import Gate, Status, contains, equal, eventually, need, run_settle, scratch, shared_daemon, shared_site


def daemon():
    return shared_daemon("cli-message", auth=True)


def settle(*arguments, **more):
    return run_settle(*arguments, daemon=more.pop("daemon", daemon()), **more)


def code(done, wanted):
    equal(done.returncode, wanted, done.args, done.stdout, done.stderr)
    return done


def has(text, *parts):
    for part in parts:
        contains(text, part)


def lines(done):
    return [json.loads(line) for line in code(done, 0).stdout.splitlines()]


def wrote(text):
    path = os.path.join(scratch(), "body")
    with open(path, "wb") as f:
        f.write(text)
    return path


def name(s, what):
    """A name of this test alone."""
    return s.gid(what)


def subscribe(s, what, *flags):
    code(settle("sub", "set", name(s, what), "--topic", name(s, "topic"), *flags), 0)
    return name(s, what)


def test_publish_waits_and_tells_by_its_exit_code():
    s = shared_site()
    subscribe(s, "good", "--push", s.url("good"))
    done = code(settle("msg", "publish", name(s, "topic"), "--id", s.gid("m1"), "--body", '{"n":1}', "--wait", "5s"), 0)
    has(done.stdout, "1 acked")
    equal([json.loads(c.body) for c in s.calls("good")], [{"n": 1}])
    s.on("bad", Status(409, b"no such sku"))
    subscribe(s, "bad", "--push", s.url("bad"))
    done = code(settle("msg", "publish", name(s, "topic"), "--id", s.gid("m2"), "--body", "2", "--wait", "20s"), 11)
    has(done.stdout, "1 acked, 1 dead", "no such sku")
    gate = s.on("slow", Gate())
    code(settle("sub", "set", name(s, "slow"), "--topic", name(s, "slow"), "--push", s.url("slow")), 0)
    code(settle("msg", "publish", name(s, "slow"), "--id", s.gid("m3"), "--body", "3", "--wait", "300ms"), 7)
    gate.open()
    code(settle("msg", "publish", name(s, "nobody"), "--body", "4", "--wait", "5s"), 0)
    code(settle("msg", "publish", name(s, "topic"), "--id", s.gid("m1"), "--body", '{"n":2}'), 4)


def test_any_bytes_come_through():
    s = shared_site()
    sub = subscribe(s, "pull", "--pull")
    code(settle("msg", "publish", name(s, "topic"), wrote(b"a\x00\xffb"), "--content-type", "application/x-thing", "-H", "X-Shop=north"), 0)
    code(settle("msg", "publish", name(s, "topic"), "-", stdin='{"from": "stdin"}'), 0)
    pulled = lines(settle("sub", "pull", sub, "-o", "jsonl", "--wait", "5s"))
    pulled += lines(settle("sub", "pull", sub, "-o", "jsonl")) if len(pulled) == 1 else []
    equal([(d.get("body_base64"), d.get("body"), d["content_type"], d["headers"]) for d in pulled],
          [("YQD/Yg==", None, "application/x-thing", {"X-Shop": "north"}), (None, {"from": "stdin"}, "application/json", {})])
    has(code(settle("msg", "publish", "t", "--body", "hello"), 2).stderr, "--content-type")


def test_half_messages_are_decided_once():
    s = shared_site()
    s.on("check", lambda call: Status(200, b'{"status":"committed"}'))
    subscribe(s, "good", "--push", s.url("good"))
    half = ("msg", "half", name(s, "topic"), "--body", "1", "--check-after", "1h")
    has(code(settle(*half, "--id", s.gid("a"), "--check-http", s.url("check")), 0).stdout, "half")
    has(code(settle("msg", "list", "--status", "half", "--topic", name(s, "topic")), 0).stdout, s.gid("a"))
    equal(s.calls("good"), [])
    code(settle("msg", "commit", s.gid("a")), 0)
    code(settle("msg", "commit", s.gid("a")), 0)
    has(code(settle("msg", "rollback", s.gid("a")), 4).stderr, "committed")
    eventually(lambda: s.calls("good"), 5)
    code(settle(*half, "--id", s.gid("b"), "--check-http", s.url("check")), 0)
    code(settle("msg", "check", s.gid("b"), "--wait", "5s"), 0)
    has(code(settle("msg", "show", s.gid("b")), 0).stdout, "check ✔ 200", "decision COMMIT")
    code(settle(*half, "--id", s.gid("c"), "--check-http", s.url("check")), 0)
    code(settle("msg", "rollback", s.gid("c"), "--reason", "card declined"), 0)
    has(code(settle("msg", "show", s.gid("c")), 0).stdout, "card declined")
    code(settle(*half, "--id", s.gid("d")), 2)
    code(settle(*half, "--check-http", s.url("check")), 2)


def test_show_draws_deliveries_as_lanes():
    s = shared_site()
    s.on("mail", Status(503, b"later"), 200)
    subscribe(s, "ledger", "--push", s.url("ledger"))
    subscribe(s, "mail", "--push", s.url("mail"), "--retry-first", "100ms")
    code(settle("msg", "publish", name(s, "topic"), "--id", s.gid("m"), "--key", "u9", "--body", "1", "--wait", "10s"), 0)
    shown = code(settle("msg", "show", s.gid("m")), 0).stdout
    has(shown, f"topic {name(s, 'topic')}", "key u9", f"{name(s, 'ledger')} ✔ acked 200", f"{name(s, 'mail')} ✔ acked 200", "2nd try",
             "1st: HTTP 503 later", "all deliveries are over")
    need("\x1b" not in shown)
    equal({d["status"] for d in json.loads(code(settle("msg", "show", s.gid("m"), "-o", "json"), 0).stdout)["deliveries"]}, {"acked"})
    events = [e["event"] for e in lines(settle("msg", "events", s.gid("m"), "-o", "jsonl"))]
    equal((events[0], events[-1]), ("msg.created", "msg.status"))
    followed = [e["event"] for e in lines(settle("msg", "events", s.gid("m"), "-o", "jsonl", "--follow"))]
    equal(followed, events, "and the stream ends by itself")


def test_consumers_pull_ack_and_nack():
    s = shared_site()
    sub = subscribe(s, "pull", "--pull", "--unordered")
    code(settle("sub", "pull", sub, "--wait", "200ms"), 7)
    code(settle("sub", "pull", sub), 0)
    for i in range(3):
        code(settle("msg", "publish", name(s, "topic"), "--id", s.gid(f"m{i}"), "--body", str(i)), 0)
    ids = [f"{s.gid(f'm{i}')}~{sub}" for i in range(3)]
    equal(sorted(code(settle("sub", "pull", sub, "-o", "gid", "--lease", "1m"), 0).stdout.split()), ids)
    has(code(settle("sub", "ack", ids[0]), 0).stdout, "acked")
    has(code(settle("sub", "nack", ids[1], "--delay", "100ms", "--reason", "busy"), 0).stdout, "retrying")
    has(code(settle("sub", "nack", ids[2], "--refuse", "--reason", "no such account"), 0).stdout, "dead")
    again = lines(settle("sub", "pull", sub, "-o", "jsonl", "--wait", "5s", "--ack"))
    equal([(d["id"], d["attempt"]) for d in again], [(ids[1], 2)])
    eventually(lambda: json.loads(settle("msg", "show", s.gid("m1"), "-o", "json").stdout)["deliveries"][0]["status"] == "acked", 5)
    code(settle("sub", "pull", "no-such"), 3)


def test_dead_letters_are_replayed_edited_discarded():
    s = shared_site()
    working = {"yes": False}
    s.on("w", lambda call: 200 if working["yes"] or call.body == b'{"sku":"A2"}' else Status(409, b"no such sku"))
    sub = subscribe(s, "w", "--push", s.url("w"))
    for i, key in enumerate("aabc"):
        code(settle("msg", "publish", name(s, "topic"), "--id", s.gid(f"m{i}"), "--key", key, "--body", str(i)), 0)
    ids = [f"{s.gid(f'm{i}')}~{sub}" for i in range(4)]
    listed = ("dlq", "list", "--subscription", sub)
    eventually(lambda: len(settle(*listed, "-o", "gid").stdout.split()) == 3, 10)
    table = code(settle(*listed), 0)
    has(table.stdout, ids[0], "HTTP 409 no such sku")
    has(code(settle("sub", "lanes", sub), 0).stdout, ids[0])
    has(code(settle("dlq", "list", "--subscription", sub, "--status", "parked"), 0).stdout, ids[1])
    has(code(settle("dlq", "show", ids[0]), 0).stdout, "no such sku")
    code(settle("dlq", "discard", ids[2]), 2)
    has(code(settle("dlq", "discard", ids[2], "--dry-run"), 0).stdout, "Nothing was changed")
    code(settle("dlq", "discard", ids[2], "--yes", "--reason", "by hand, ticket 12"), 0)
    done = code(settle("dlq", "edit", ids[3], "--body", '{"sku":"A2"}', "--yes", "--reason", "renamed"), 0)
    has(done.stdout, "replaced by msg_")
    eventually(lambda: any(c.body == b'{"sku":"A2"}' for c in s.calls("w")), 5)
    working["yes"] = True
    code(settle("dlq", "replay", ids[0]), 2)
    code(settle("dlq", "replay", "-", "--reason", "fixed in 2.1", stdin=f"{ids[0]}\n\n"), 0)
    code(settle("dlq", "replay", "-", "--reason", "fixed in 2.1", stdin=""), 0)
    eventually(lambda: settle(*listed, "-o", "gid").stdout == "", 10)
    eventually(lambda: b"1" in [c.body for c in s.calls("w")], 5, what="the parked one follows")
    audit = code(settle("audit", "list"), 0).stdout
    has(audit, "by hand, ticket 12", "renamed", "fixed in 2.1")
    code(settle("dlq", "discard", ids[2], "--yes", "--reason", "again"), 4)


def test_subscriptions_are_paused_changed_deleted():
    s = shared_site()
    sub = subscribe(s, "w", "--push", s.url("w"), "--concurrency", "4", "--retry-for", "7d", "--on-refused", "no")
    shown = json.loads(code(settle("sub", "show", sub, "-o", "json"), 0).stdout)
    equal(shown["definition"], {"topic": name(s, "topic"), "push": s.url("w"), "concurrency": 4, "retry": {"for": "7d"}, "on_refused": {"topic": "no"}})
    code(settle("sub", "pause", sub), 2)
    has(code(settle("sub", "pause", sub, "--reason", "stocktaking"), 0).stdout, "paused")
    code(settle("msg", "publish", name(s, "topic"), "--body", "1"), 0)
    has(next(x for x in code(settle("sub", "list", "--all"), 0).stdout.splitlines() if x.startswith(sub)), "paused")
    equal(s.calls("w"), [])
    code(settle("sub", "delete", sub, "--yes", "--reason", "x"), 4)
    has(code(settle("sub", "resume", sub, "--reason", "done"), 0).stdout, "running")
    eventually(lambda: s.calls("w"), 5)
    path = wrote(json.dumps({"topic": name(s, "topic"), "pull": True}).encode())
    code(settle("sub", "set", sub, path), 0)
    equal(json.loads(settle("sub", "show", sub, "-o", "json").stdout)["way"], "pull")
    code(settle("sub", "set", sub, "--topic", "t", "--pull", "--push", "http://x"), 2)
    eventually(lambda: settle("sub", "delete", sub, "--yes", "--reason", "over").returncode == 0, 5)
    code(settle("sub", "show", sub), 3)


def test_topics_are_described():
    s = shared_site()
    topic = name(s, "topic")
    subscribe(s, "w", "--pull")
    code(settle("topic", "set", topic, "--description", "paid orders"), 0)
    has(code(settle("topic", "list", "--all"), 0).stdout, topic, "paid orders")
    has(code(settle("topic", "show", topic), 0).stdout, name(s, "w"))
    code(settle("topic", "delete", topic), 2)
    code(settle("topic", "delete", topic, "--yes", "--reason", "renamed"), 0)
    code(settle("topic", "show", topic), 3)


def test_curl_is_printed_and_does_the_same():
    s = shared_site()
    done = code(settle("msg", "publish", name(s, "topic"), "--id", s.gid("m"), "--body", '{"it\'s": 1}', "--curl"), 0)
    code(settle("msg", "show", s.gid("m")), 3)
    subprocess.run(["bash", "-c", done.stdout], capture_output=True, timeout=20, check=True, env={**os.environ, "SETTLE_TOKEN": daemon().token})
    has(code(settle("msg", "show", s.gid("m"), "-o", "json"), 0).stdout, '{"it\'s": 1}')
    for verb in (("sub", "ack", "a~b"), ("sub", "pause", "w"), ("dlq", "discard", "a~b"), ("sub", "pull", "w", "--wait", "5s"), ("msg", "commit", "m")):
        has(code(settle(*verb, "--curl"), 0).stdout, "curl -sS -X POST")


def test_roles():
    s, d = shared_site(), daemon()
    sub = subscribe(s, "w", "--pull")
    tokens = {role: d.post("/v1/tokens", {"name": s.gid(role), "roles": [role]}).json["token"] for role in ("viewer", "producer", "consumer")}

    def as_role(role, *arguments):
        return run_settle(*arguments, environment={"SETTLE_SERVER": d.url, "SETTLE_TOKEN": tokens[role]}).returncode

    equal(as_role("viewer", "msg", "publish", name(s, "topic"), "--body", "1"), 5)
    equal(as_role("producer", "msg", "publish", name(s, "topic"), "--body", "1", "--id", s.gid("m")), 0)
    equal(as_role("producer", "sub", "pull", sub), 5)
    equal(as_role("consumer", "sub", "pull", sub, "--wait", "5s", "--ack"), 0)
    equal(as_role("consumer", "dlq", "discard", f"{s.gid('m')}~{sub}", "--yes", "--reason", "r"), 5)


def test_status_and_doctor_show_what_is_stuck():
    s = shared_site()
    d = shared_daemon("cli-stuck", auth=True)
    code(settle("doctor", daemon=d), 0)
    s.on("w", Status(409, b"no"))
    code(settle("sub", "set", "w", "--topic", "t", "--push", s.url("w"), daemon=d), 0)
    code(settle("msg", "publish", "t", "--body", "1", "--wait", "10s", daemon=d), 11)
    has(code(settle("status", daemon=d), 0).stdout, "1 published", "1 dead letters", "1 defined")
    done = code(settle("doctor", daemon=d), 1)
    has(done.stdout, "settle dlq list")
    has(code(settle("events", daemon=d), 0).stdout, "msg.created", "delivery.attempt")


def test_hostile_text_stays_text():
    s = shared_site()
    s.on("w", Status(409, b"\x1b[31mred\x07 <b>"))
    sub = subscribe(s, "w", "--push", s.url("w"))
    code(settle("msg", "publish", name(s, "topic"), "--id", s.gid("m"), "--body", '"\\u001b[2J"', "--key", "\u202ek", "--wait", "10s"), 11)
    for arguments in (("msg", "show", s.gid("m")), ("msg", "list"), ("msg", "events", s.gid("m")), ("dlq", "list"), ("dlq", "show", f"{s.gid('m')}~{sub}"),
                      ("sub", "lanes", sub)):
        done = code(settle(*arguments), 0)
        need("\x1b" not in done.stdout and "\x07" not in done.stdout, arguments, repr(done.stdout))
