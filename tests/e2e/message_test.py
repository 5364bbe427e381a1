"""Reliable messages: direct and half, the one decision, check-backs, repeats, what consumers get."""

import base64
import json
import threading
import time

from kit import Cut, Daemon, Delay, Silence, Status, equal, eventually, less, need, problem, quick, shared_daemon, shared_site


def daemon():
    return shared_daemon("messages")


def half(d, s, name, **check):
    answer = d.post("/v1/messages", {"id": s.gid(name), "topic": s.gid("t"), "body": {"n": name}, "state": "half",
                                     "check": {"http": s.url("check"), "after": "1h", **check}})
    equal(answer.status, 201, answer)
    return answer.json


def test_a_direct_message_reaches_every_subscription():
    d, s = daemon(), shared_site()
    topic = s.gid("t")
    for name in ("a", "b"):
        d.subscribe(s.gid(name), topic, s.url(name))
    d.subscribe(s.gid("other"), s.gid("u"), s.url("other"))
    answer = d.post("/v1/messages?wait=5s", {"id": s.gid("m"), "topic": topic, "key": "u9", "body": {"a": [1, 2.5, "ü"]}, "headers": {"X-Shop": "7", "x-trace": "t"}})
    equal(answer.status, 200, answer)
    equal(answer.json["status"], "committed")
    equal(answer.json["deliveries"], 2)
    equal(sorted(s.paths()), ["a", "b"])
    call = s.calls("a")[0]
    equal(call.body, '{"a": [1, 2.5, "ü"]}'.encode(), "byte for byte")
    for name, value in (("settle-message", s.gid("m")), ("settle-topic", topic), ("settle-key", "u9"), ("settle-subscription", s.gid("a")),
                        ("settle-delivery", f"{s.gid('m')}~{s.gid('a')}"), ("settle-attempt", "1"), ("settle-gid", s.gid("m")), ("settle-op", "deliver"),
                        ("content-type", "application/json"), ("x-shop", "7"), ("x-trace", "t")):
        equal(call.headers.get(name), value, name)
    need(call.headers["webhook-signature"].startswith("v1,"), call)
    need(call.headers["idempotency-key"] != s.calls("b")[0].headers["idempotency-key"], "a delivery has its own")
    shown = d.message(s.gid("m"))
    equal({x["status"] for x in shown["deliveries"]}, {"acked"})
    equal((shown["body"], shown["headers"]), ({"a": [1, 2.5, "ü"]}, {"X-Shop": "7", "x-trace": "t"}))
    need(shown["finished"] is not None, shown)


def test_bodies_are_opaque():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    for i, (raw, kind) in enumerate(((bytes(range(256)), "image/png"), (b"", "text/plain"), (b"plain text\r\n", "text/plain; charset=utf-8"), (b"{not json", "application/json"))):
        answer = d.post("/v1/messages?wait=5s", {"id": s.gid(f"m{i}"), "topic": s.gid("t"), "body_base64": base64.b64encode(raw).decode(), "content_type": kind})
        equal(answer.status, 200, answer)
        call = s.calls("a")[-1]
        equal((call.body, call.headers["content-type"]), (raw, kind))
        equal(base64.b64decode(d.message(s.gid(f"m{i}"))["body_base64"]), raw)
    for i, raw in enumerate((b'"text"', b"null", b" 1e3", b'{"a":1,"b":{"c":[]}}', b"[1,2]")):
        body = b'{"id":"%s","topic":"%s","body":%s}' % (s.gid(f"j{i}").encode(), s.gid("t").encode(), raw)
        equal(d.post("/v1/messages?wait=5s", body).status, 200)
        equal(s.calls("a")[-1].body, raw.strip())
        equal(d.message(s.gid(f"j{i}"))["body"], json.loads(raw))


def test_nobody_subscribes():
    d, s = daemon(), shared_site()
    answer = d.post("/v1/messages", {"topic": s.gid("t"), "body": 1})
    equal(answer.status, 201, answer)
    equal((answer.json["status"], answer.json["deliveries"]), ("committed", 0))
    need(answer.json["id"].startswith("msg_"), answer)


def test_a_repeat_is_the_same_message():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    body = {"id": s.gid("m"), "topic": s.gid("t"), "key": "k", "body": {"a": 1}}
    equal(d.post("/v1/messages", body).status, 201)
    equal(d.post("/v1/messages", body).status, 200)
    equal(d.post("/v1/messages", dict(reversed(body.items()))).status, 200, "the order of members means nothing")
    problem(d.post("/v1/messages", {**body, "body": {"a": 2}}), 409, "gid-taken")
    problem(d.post("/v1/messages", {**body, "key": "l"}), 409, "gid-taken")
    d.until_delivery(s.gid("m"), s.gid("a"), "acked")
    equal(d.post("/v1/messages?wait=5s", body).status, 200)
    equal(len(s.calls("a")), 1, "delivered once")


def test_a_key_makes_the_id():
    d, s = daemon(), shared_site()
    key = {"Idempotency-Key": s.gid("key")}
    first = d.post("/v1/messages", {"topic": s.gid("t"), "body": 1}, headers=key)
    equal(first.status, 201, first)
    again = d.post("/v1/messages", {"topic": s.gid("t"), "body": 1}, headers=key)
    equal((again.status, again.json["id"], again.headers.get("settle-replayed")), (200, first.json["id"], "true"))
    problem(d.post("/v1/messages", {"topic": s.gid("t"), "body": 2}, headers=key), 422, "key-reused")
    problem(d.post("/v1/transactions", s.saga(s.step("a")), headers=key), 422, "key-reused")
    problem(d.post(f"/v1/messages/{first.json['id']}/rollback", {}, headers=key), 422, "key-reused")
    key = {"Idempotency-Key": s.gid("saga")}
    body = s.saga(s.step("a"))
    del body["gid"]
    equal(d.post("/v1/transactions", body, headers=key).status, 202)
    problem(d.post("/v1/messages", {"topic": s.gid("t"), "body": 1}, headers=key), 422, "key-reused")


def test_half_is_never_delivered_before_its_commit():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    made = half(d, s, "m")
    equal(made["status"], "half")
    need(made["next_check"] is not None, made)
    time.sleep(0.3)
    equal(s.calls(), [])
    answer = d.post(f"/v1/messages/{s.gid('m')}/commit")
    equal((answer.status, answer.json["status"], answer.json["deliveries"]), (200, "committed", 1), answer)
    d.until_delivery(s.gid("m"), s.gid("a"), "acked")
    equal(d.post(f"/v1/messages/{s.gid('m')}/commit?wait=5s").status, 200, "a repeat agrees")
    body = problem(d.post(f"/v1/messages/{s.gid('m')}/rollback"), 409, "already-decided", "committed")
    equal(body["decision"], "committed")
    equal(len(s.calls("a")), 1)
    equal(s.calls("check"), [])


def test_rolled_back_is_delivered_to_nobody():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    half(d, s, "m")
    answer = d.post(f"/v1/messages/{s.gid('m')}/rollback", {"reason": "no money"})
    equal((answer.status, answer.json["status"], answer.json["deliveries"]), (200, "rolled_back", 0), answer)
    equal(d.post(f"/v1/messages/{s.gid('m')}/rollback").status, 200)
    equal(problem(d.post(f"/v1/messages/{s.gid('m')}/commit"), 409, "already-decided")["decision"], "rolled_back")
    problem(d.post(f"/v1/messages/{s.gid('m')}/check"), 409, "already-decided")
    equal(s.calls(), [])
    for act in ("commit", "rollback", "check"):
        problem(d.post(f"/v1/messages/{s.gid('nobody')}/{act}"), 404, "not-found")


def test_a_direct_message_cannot_be_taken_back():
    d, s = daemon(), shared_site()
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    problem(d.post(f"/v1/messages/{s.gid('m')}/rollback"), 409, "already-decided")
    equal(d.post(f"/v1/messages/{s.gid('m')}/commit").status, 200)


def test_the_check_back_decides():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    s.on("check", Status(200, {"status": "committed"}))
    half(d, s, "yes", after="50ms")
    d.until_delivery(s.gid("yes"), s.gid("a"), "acked")
    call = s.calls("check")[0]
    equal((call.headers["settle-message"], call.gid, call.op, call.attempt), (s.gid("yes"), s.gid("yes"), "check", 1))
    equal(d.message(s.gid("yes"))["decision"]["by"], "check")
    s.on("check", Status(200, {"status": "rolled_back"}))
    half(d, s, "no", after="50ms")
    eventually(lambda: d.message(s.gid("no"))["status"] == "rolled_back")
    equal(len(s.calls("a")), 1)
    problem(d.post(f"/v1/messages/{s.gid('no')}/commit"), 409, "already-decided", "check-back")


def test_what_is_no_answer_decides_nothing():
    d, s = Daemon(settings={"attention": {"after_tries": 1000}}).start(), shared_site()
    answers = (Status(200, {"status": "unknown"}), Status(200, {"status": "comitted"}), Status(200, {}), Status(200, b"committed"), Status(204), Status(404), Status(409),
               Status(404, {"status": "rolled_back"}), Status(500, {"status": "committed"}))
    for i, answer in enumerate((*answers, Status(500), Status(302, Location="/x"), Status(425), Status(503), Status(401), Cut(), Silence())):
        s.on(f"check{i}", answer)
        made = d.post("/v1/messages", {"id": s.gid(f"m{i}"), "topic": s.gid("t"), "state": "half",
                                       "check": {"http": s.url(f"check{i}"), "after": "20ms", "every": "50ms", "max": "100ms", "timeout": "100ms"}})
        equal(made.status, 201, made)
    count = i + 1
    for i in range(count):
        eventually(lambda i=i: len(s.calls(f"check{i}")) >= 3, what=f"asked on: check{i}")
        equal(d.message(s.gid(f"m{i}"))["status"], "half")
        need(d.message(s.gid(f"m{i}"))["check"]["attempts"] >= 2, i)
    for i in range(count):
        s.on(f"check{i}", Status(200, {"status": "rolled_back", "more": [1]}))
        eventually(lambda i=i: d.message(s.gid(f"m{i}"))["status"] == "rolled_back", what=f"m{i}")


def test_exhausted_patience_is_attention_and_asking_goes_on():
    d, s = Daemon().start(), shared_site()
    s.on("check", 500)
    half(d, s, "m", after="20ms", every="30ms", max="60ms", tries=2)
    eventually(lambda: d.message(s.gid("m"))["attention"] is not None)
    shown = d.message(s.gid("m"))
    need("check-back" in shown["attention"]["why"] and shown["attention"]["attempts"] >= 2, shown)
    equal([m["id"] for m in d.get("/v1/messages?attention=true").json["items"]], [s.gid("m")])
    before = len(s.calls("check"))
    eventually(lambda: len(s.calls("check")) > before + 1, what="asking goes on")
    equal(d.post(f"/v1/messages/{s.gid('m')}/commit").status, 200)
    equal(d.message(s.gid("m"))["attention"], None, "closed by itself")


def test_ask_now():
    d, s = daemon(), shared_site()
    s.on("check", Status(200, {"status": "committed"}))
    half(d, s, "m", after="1h")
    answer = d.post(f"/v1/messages/{s.gid('m')}/check?wait=5s", {"reason": "the producer crashed"})
    equal((answer.status, answer.json["status"]), (200, "committed"), answer)
    equal(len(s.calls("check")), 1)


def test_a_late_check_answer_changes_nothing():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    s.on("check", Delay(0.5, Status(200, {"status": "rolled_back"})))
    half(d, s, "m", after="20ms")
    eventually(lambda: s.calls("check"))
    equal(d.post(f"/v1/messages/{s.gid('m')}/commit?wait=5s").json["status"], "committed")
    eventually(lambda: d.message(s.gid("m"))["finished"])
    equal(d.message(s.gid("m"))["status"], "committed")
    equal(d.deliveries(s.gid("m")), {s.gid("a"): "acked"})


def test_one_decision_in_every_race():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    s.on("check", Status(200, {"status": "rolled_back"}))
    count = 10 if quick() else 40
    for i in range(count):
        half(d, s, f"m{i}", after="10ms", every="10ms")
    answers = {}

    def race(act):
        client = d.client()
        for i in range(count):
            answers[act, i] = client.request("POST", f"/v1/messages/{s.gid(f'm{i}')}/{act}")

    threads = [threading.Thread(target=race, args=(act,)) for act in ("commit", "rollback")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(count):
        eventually(lambda i=i: d.message(s.gid(f"m{i}"))["finished"])
        status = d.message(s.gid(f"m{i}"))["status"]
        for act, means in (("commit", "committed"), ("rollback", "rolled_back")):
            answer = answers[act, i]
            need(answer.status == 200 and answer.json["status"] == means == status or answer.status == 409 and answer.json["decision"] == status != means, i, status, answer)
        equal(len([c for c in s.calls("a") if c.gid == s.gid(f"m{i}")]), 1 if status == "committed" else 0)


def test_a_delay_is_kept():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    began = time.monotonic()
    d.publish(s.gid("t"), 1, id=s.gid("m"), delay="700ms")
    equal(d.until_delivery(s.gid("m"), s.gid("a"), "pending")["attempts"], 0)
    equal(d.message(s.gid("m"))["delay"], "700ms")
    d.until_delivery(s.gid("m"), s.gid("a"), "acked")
    less(0.69, s.calls("a")[0].at - began)


def test_wait_is_until_every_delivery_is_over():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    s.on("a", Delay(0.4))
    began = time.monotonic()
    equal(d.post("/v1/messages?wait=100ms", {"id": s.gid("m"), "topic": s.gid("t"), "body": 1}).status, 202)
    answer = d.get(f"/v1/messages/{s.gid('m')}?wait=5s")
    equal((answer.status, answer.json["deliveries"][0]["status"]), (200, "acked"), answer)
    less(0.39, time.monotonic() - began)
    equal(d.get(f"/v1/messages/{s.gid('m')}").status, 200)


def test_lists_filters_and_cursors():
    d, s = Daemon(settings={"store": {"retain_finished": "1h"}}).start(), shared_site()
    d.subscribe("sub", "t", s.url("a"))
    for i in range(25):
        d.publish("t" if i % 2 == 0 else "u", i, id=f"m{i:02}", key=f"k{i % 3}", labels={"parity": str(i % 2)})
    half(d, s, "half")
    eventually(lambda: all(d.message(f"m{i:02}")["finished"] for i in range(25)))

    def ids(query):
        out, path = [], f"/v1/messages?limit=4&{query}"
        while path:
            page = d.get(path).json
            need(len(page["items"]) <= 4, page)
            out += [m["id"] for m in page["items"]]
            path = f"/v1/messages?limit=4&{query}&cursor={page['next']}" if page["next"] else None
        return out

    everything = [s.gid("half")] + [f"m{i:02}" for i in reversed(range(25))]
    equal(ids(""), everything)
    equal(ids("sort=created"), everything[::-1])
    equal(ids("topic=u"), [m for m in everything[1:] if int(m[1:]) % 2])
    equal(ids("key=k1&topic=t"), [m for m in everything[1:] if int(m[1:]) % 3 == 1 and int(m[1:]) % 2 == 0])
    equal(ids("label.parity=1"), [m for m in everything[1:] if int(m[1:]) % 2])
    equal(ids("status=half"), [s.gid("half")])
    equal(ids("status=committed"), everything[1:])
    equal(ids("status=rolled_back"), [])
    equal(ids("created_before=2020-01-01T00:00:00Z"), [])
    equal(ids("attention=true"), [])
    equal(len(d.get("/v1/deliveries?limit=200").json["items"]), 13)
    d.restart()
    equal(ids(""), everything, "over a restart")
    problem(d.get("/v1/messages?status=active"), 422, "invalid-value")
    equal(problem(d.get("/v1/messages?status=comitted"), 422, "invalid-value")["nearest"], "committed")
    equal(problem(d.get("/v1/messages?tpoic=t"), 422, "unknown-parameter")["nearest"], "topic")
    equal([t["gid"] for t in d.get("/v1/transactions").json["items"]], [], "messages are no transactions")


def test_the_timeline_tells_everything():
    d, s = Daemon().start(), shared_site()
    d.subscribe("sub", "t", s.url("a"))
    s.on("a", 500, 200)
    s.on("check", 500, Status(200, {"status": "committed"}))
    half_id = s.gid("m")
    d.post("/v1/messages", {"id": half_id, "topic": "t", "body": 1, "state": "half", "check": {"http": s.url("check"), "after": "20ms", "every": "20ms"}})
    d.until_delivery(half_id, "sub", "acked")
    events = d.get(f"/v1/messages/{half_id}/events").json
    equal(events["id"], half_id)
    names = [e["event"] for e in events["items"]]
    equal(names, ["msg.created", "msg.op", "msg.attempt", "msg.attempt", "msg.decision", "msg.status", "delivery.created", "delivery.attempt", "delivery.attempt", "msg.status"])
    tries = [e for e in events["items"] if e["event"] == "delivery.attempt"]
    equal([(t["attempt"], t["state"], t["http"]) for t in tries], [(1, "retrying", 500), (2, "acked", 200)])
    equal((tries[0]["id"], tries[0]["message"], tries[0]["subscription"]), (f"{half_id}~sub", half_id, "sub"))
    equal(events["items"][0]["status"], "half")
    answer = d.get(f"/v1/messages/{half_id}/events", headers={"Accept": "text/event-stream"})
    equal(answer.headers["content-type"], "text/event-stream")
    equal([line[7:] for line in answer.body.decode().splitlines() if line.startswith("event: ")], names)
    everything = [e["event"] for e in d.get("/v1/events?limit=200").json["items"]]
    equal(everything, names)
    problem(d.get("/v1/messages/nobody/events"), 404, "not-found", "message")
    d.restart()
    equal([e["event"] for e in d.get("/v1/events?limit=200").json["items"]], names, "the stream goes on over a restart")
    equal(d.get(f"/v1/messages/{half_id}/events").json, events)


def test_figures():
    d, s = Daemon().start(), shared_site()
    d.subscribe("sub", "t", s.url("a"))
    s.on("a", 409)
    d.publish("t", 1, id="m1")
    half(d, s, "m2")
    d.until_delivery("m1", "sub", "dead")
    stats = d.get("/v1/stats").json
    equal({k: stats["messages"][k] for k in ("published", "unfinished", "half", "dead_deliveries", "subscriptions", "paused")},
          {"published": 2, "unfinished": 2, "half": 1, "dead_deliveries": 1, "subscriptions": 1, "paused": 0})
    equal((stats["transactions"]["submitted"], stats["transactions"]["unfinished"]), (0, 0))
    metrics = d.get("/metrics").body.decode()
    for line in ("settled_messages_published_total 2", "settled_messages_half 1", "settled_deliveries_dead 1", 'settled_subscription_owed{subscription="sub"} 1'):
        need(line in metrics.splitlines(), line, metrics)
    limits = d.get("/v1/info").json
    need("message" in limits["schemes"] and limits["limits"]["pull"] == 1000, limits)
    eventually(lambda: " attention: " in d.log(), what="the log tells")


def test_egress_is_asked():
    d, s = daemon(), shared_site()
    problem(d.post("/v1/messages", {"topic": "t", "state": "half", "check": {"http": "http://192.0.2.1/x"}}), 422, "egress-refused", "check.http")
    problem(d.post("/v1/messages", {"topic": "t", "state": "half", "check": {"pg": {"datasource": s.gid("none"), "xid": "77", "system": "7/1/9"}}}), 422, "invalid-value", s.gid("none"))


HOSTILE = ("<script>alert(1)</script>", "\x1b[2Jred", "\u202egpj.exe", "${jndi:ldap://x}", "'; DROP TABLE x; --", "%n%s", "\ufeff", "key with blanks ", "ключ", "鍵")


def test_hostile_text_stays_text():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    for i, text in enumerate(HOSTILE):
        answer = d.post("/v1/messages?wait=5s", {"id": s.gid(f"m{i}"), "topic": s.gid("t"), "key": text, "body": text, "headers": {"X-Text": text}, "labels": {"k": text}})
        if "\x1b" in text:
            problem(answer, 422, "invalid-value")
            continue
        equal(answer.status, 200, answer)
        call = s.calls("a")[-1]
        equal(json.loads(call.body), text)
        equal(call.headers["settle-key"].encode("latin-1").decode(), text.strip())
        shown = d.message(s.gid(f"m{i}"))
        equal((shown["key"], shown["body"], shown["headers"]["X-Text"]), (text, text, text))
        equal(len(d.get(f"/v1/messages?key={__import__('urllib.parse').parse.quote(text)}&topic={s.gid('t')}").json["items"]), 1)
    for text in ("a~b", "a b", "../x", "x" * 129, "", "ü"):
        problem(d.post("/v1/messages", {"id": text, "topic": s.gid("t")}), 400, "invalid-gid")
        problem(d.post("/v1/messages", {"topic": text}), 422, ("invalid-value", "over-limit"), "topic")


def test_kill_in_the_middle_of_everything():
    d, s = Daemon().start(), shared_site()
    rounds = 2 if quick() else 4
    d.subscribe("push", "t", s.url("push"), retry={"first": "20ms", "max": "100ms"})
    d.subscribe("pull", "t", ack_timeout="1s")
    s.on("push", 503, 200, 500, Cut(), 200)
    s.on("check", Status(200, {"status": "committed"}))
    accepted, number = [], 0
    for _ in range(rounds):
        end = time.monotonic() + 0.5
        killer = threading.Timer(0.4, d.process.kill)
        killer.start()
        while time.monotonic() < end:
            number += 1
            body = {"id": f"m{number}", "topic": "t", "key": f"k{number % 20}", "body": {"n": number}}
            if number % 3 == 0:
                body.update(state="half", check={"http": s.url("check"), "after": "100ms", "every": "100ms"})
            try:
                if d.post("/v1/messages", body).status == 201:
                    accepted.append(f"m{number}")
            except OSError:
                break
            time.sleep(0.004)
        killer.join()
        d.process.wait()
        d.restart()
    need(len(accepted) > 20, accepted)

    def drained():
        for item in d.pull("pull", max=100, lease="5s", wait="100ms"):
            equal(d.post(f"/v1/deliveries/{item['id']}/ack").status, 200)
        return d.get("/v1/stats").json["messages"]["unfinished"] == 0

    eventually(drained, 40)
    for name in accepted:
        shown = d.message(name)
        equal((shown["status"], {x["status"] for x in shown["deliveries"]}, len(shown["deliveries"])), ("committed", {"acked"}, 2), shown)
    pushed = {c.gid for c in s.calls("push")}
    equal([m for m in accepted if m not in pushed], [], "delivered at least once")
