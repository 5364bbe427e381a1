"""Best-effort notifications: tried as their schedule says and never once more, then honestly given up (G9, I-N1)."""

import base64
import json
import threading
import time
import urllib.request

from kit import Cut, Daemon, Delay, Gate, Silence, Status, equal, eventually, less, need, problem, quick, shared_daemon, shared_site


SOON = ["0s"] + ["20ms"] * 9


def daemon():
    return shared_daemon("notifications")


def endpoint(d, name, url, **more):
    answer = d.put(f"/v1/endpoints/{name}", {"url": url, **more})
    need(answer.status in (200, 201), answer)
    return answer.json


def notify(d, s, name="n", wait=None, **more):
    """Send to the endpoint crm of this test."""
    answer = d.post("/v1/notifications" + (f"?wait={wait}" if wait else ""), {"id": s.gid(name), "endpoint": s.gid("crm"), "event": "order.paid", **more})
    need(answer.status in (200, 201, 202), answer)
    return answer.json


def shown(d, name):
    answer = d.get(f"/v1/notifications/{name}")
    equal(answer.status, 200, answer)
    return answer.json


def until(d, name, status, seconds=15.0):
    eventually(lambda: shown(d, name)["status"] == status, seconds, 0.02, f"{name} is {status}")
    return shown(d, name)


def told(d, name):
    """Its timeline in few words."""
    return [(e["event"], e.get("status") or e.get("state") or e.get("decision")) for e in d.get(f"/v1/notifications/{name}/events").json["items"]]


def test_what_the_receiver_gets():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    answer = d.post("/v1/notifications?wait=5s", {"id": s.gid("n"), "endpoint": s.gid("crm"), "event": "order.paid", "ref": "4711", "body": {"a": [1, 2.5, "ü"]},
                                                  "headers": {"X-Shop": "7"}, "labels": {"order": "4711"}})
    equal((answer.status, answer.json["status"], answer.json["attempts"]), (200, "delivered", 1), answer)
    call, = s.calls("crm")
    equal((call.method, call.body), ("POST", '{"a": [1, 2.5, "ü"]}'.encode()), "byte for byte")
    for name, value in (("settle-notification", s.gid("n")), ("settle-endpoint", s.gid("crm")), ("settle-event", "order.paid"), ("settle-ref", "4711"),
                        ("settle-attempt", "1"), ("settle-op", "notify"), ("content-type", "application/json"), ("x-shop", "7")):
        equal(call.headers.get(name), value, name)
    need("settle-message" not in call.headers and "settle-topic" not in call.headers, call)
    n = shown(d, s.gid("n"))
    equal((n["status"], n["event"], n["ref"], n["endpoint"], n["body"], n["labels"], n["reason"]), ("delivered", "order.paid", "4711", s.gid("crm"), {"a": [1, 2.5, "ü"]}, {"order": "4711"}, None))
    need(n["finished"] is not None, n)


def test_bodies_are_opaque():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    for i, (raw, kind) in enumerate(((bytes(range(256)), "image/png"), (b"", "text/plain"), (b"{not json", "application/json"))):
        notify(d, s, f"n{i}", wait="5s", body_base64=base64.b64encode(raw).decode(), content_type=kind)
        equal((s.calls("crm")[-1].body, s.calls("crm")[-1].headers["content-type"]), (raw, kind))
        equal(base64.b64decode(shown(d, s.gid(f"n{i}"))["body_base64"]), raw)


def test_as_often_as_the_schedule_says_and_never_once_more():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", Status(500, {"detail": "no"}), 409, 503, 302)
    made = notify(d, s, schedule=["0s", "100ms", "300ms", "200ms"])
    equal((made["of"], made["attempts"] <= 1), (4, True), made)
    need(made["gives_up_at"] is not None, made)
    n = until(d, s.gid("n"), "gave_up")
    equal((n["attempts"], n["of"], n["http"], n["reason"]["why"]), (4, 4, 302, "exhausted"), n)
    need("next_try" not in n and "gives_up_at" not in n, n)
    time.sleep(0.5)
    calls = s.calls("crm")
    equal([c.attempt for c in calls], [1, 2, 3, 4])
    equal(len({c.headers["idempotency-key"] for c in calls}), 1, "one key for all attempts")
    for wait, first, second in zip((0.1, 0.3, 0.2), calls, calls[1:]):
        less(wait - 0.005, second.at - first.at, "never early")


def test_every_failure_is_tried_again_and_a_success_ends_it():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"), timeout="200ms")
    s.on("crm", 404, Cut(), Silence(), 200)
    notify(d, s, schedule=["0s"] + ["10ms"] * 9)
    n = until(d, s.gid("n"), "delivered")
    equal((n["attempts"], [c.attempt for c in s.calls("crm")]), (4, [1, 2, 3, 4]), n)


def test_an_attempt_takes_as_long_as_its_endpoint_or_the_sender_says():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"), timeout="200ms")
    s.on("crm", Delay(0.8, 200))
    equal(notify(d, s, "short", wait="5s", schedule=["0s"])["status"], "gave_up")
    equal("timeout" in shown(d, s.gid("short")), False)
    equal(notify(d, s, "long", wait="5s", schedule=["0s"], timeout="3s")["status"], "delivered")
    equal(shown(d, s.gid("long"))["timeout"], "3s")


def test_the_words_on_the_way():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    equal(notify(d, s, "later", schedule=["1h"])["status"], "scheduled")
    gate = Gate(500)
    s.on("crm", gate, 200)
    notify(d, s, schedule=["0s", "1h"])
    until(d, s.gid("n"), "delivering")
    gate.open()
    n = until(d, s.gid("n"), "retrying")
    need(n["next_try"] is not None and n["attempts"] == 1, n)
    for status, name in (("scheduled", "later"), ("retrying", "n")):
        items = d.get(f"/v1/notifications?status={status}&endpoint={s.gid('crm')}").json["items"]
        equal([i["id"] for i in items], [s.gid(name)], status)


def test_success_is_what_the_sender_calls_one():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", Status(200, b"success"), Status(202, b"failed"), Status(202, b" success\n"))
    notify(d, s, schedule=["0s", "10ms", "10ms", "10ms"], success={"status": 202, "body": "success"})
    equal(until(d, s.gid("n"), "delivered")["attempts"], 3)
    equal(shown(d, s.gid("n"))["success"], {"status": 202, "body": "success"})


def test_a_repeat_is_the_same_notification():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    body = {"id": s.gid("n"), "endpoint": s.gid("crm"), "event": "e", "body": {"a": 1}}
    equal(d.post("/v1/notifications", body).status, 201)
    equal(d.post("/v1/notifications", dict(reversed(body.items()))).status, 200)
    for other in ({"body": {"a": 2}}, {"event": "f"}, {"ref": "1"}, {"schedule": ["0s"]}):
        problem(d.post("/v1/notifications", {**body, **other}), 409, "gid-taken")
    until(d, s.gid("n"), "delivered")
    equal(d.post("/v1/notifications?wait=5s", body).json["status"], "delivered")
    equal(len(s.calls("crm")), 1, "sent once")
    key = {"Idempotency-Key": s.gid("key")}
    first = d.post("/v1/notifications", {"endpoint": s.gid("crm"), "event": "e"}, headers=key)
    equal(first.status, 201, first)
    need(first.json["id"].startswith("ntf_"), first)
    again = d.post("/v1/notifications", {"endpoint": s.gid("crm"), "event": "e"}, headers=key)
    equal((again.status, again.json["id"], again.headers.get("settle-replayed")), (200, first.json["id"], "true"))
    problem(d.post("/v1/notifications", {"endpoint": s.gid("crm"), "event": "f"}, headers=key), 422, "key-reused")
    problem(d.post("/v1/messages", {"topic": s.gid("t")}, headers=key), 422, "key-reused")


def test_names_of_different_things_do_not_meet():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    notify(d, s, wait="5s")
    for path in ("messages", "transactions"):
        problem(d.get(f"/v1/{path}/{s.gid('n')}"), 404, "not-found")
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    problem(d.get(f"/v1/notifications/{s.gid('m')}"), 404, "not-found", "notification")
    for act in ("retry", "cancel"):
        problem(d.post(f"/v1/notifications/{s.gid('m')}/{act}"), 404, "not-found")


def test_bad_requests_are_named():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    good = {"endpoint": s.gid("crm"), "event": "e"}
    for change, kind, field in (({"endpoint": "nobody"}, "invalid-value", "endpoint"), ({"event": None}, None, "event"), ({"schedule": []}, "over-limit", "schedule"),
                                ({"schedule": ["1s"] * 65}, "over-limit", "schedule"), ({"schedule": ["0s", "31d"]}, "over-limit", "schedule[1]"), ({"schedule": [5]}, "invalid-value", "schedule[0]"),
                                ({"success": {"status": 404}}, "invalid-value", "success.status"), ({"then": "retry"}, "invalid-value", "then"), ({"state": "half"}, "unknown-field", "state"),
                                ({"timeout": "1h"}, "over-limit", "timeout"), ({"headers": {"Settle-Event": "x"}}, None, None)):
        answer = d.post("/v1/notifications", {**good, **change})
        problem(answer, 422, kind)
        if field is not None:
            equal(answer.json["field"], field, answer)
    equal(s.calls(), [])


def test_retry_of_one_that_waits_is_the_next_attempt_now():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", 500, 500, 200)
    notify(d, s, schedule=["0s", "1h", "1h"])
    until(d, s.gid("n"), "retrying")
    answer = d.post(f"/v1/notifications/{s.gid('n')}/retry", {"reason": "they say it works again"})
    equal((answer.status, answer.json["id"]), (200, s.gid("n")), answer)
    eventually(lambda: shown(d, s.gid("n"))["attempts"] == 2)
    answer = d.post(f"/v1/notifications/{s.gid('n')}/retry?wait=5s")
    equal((answer.status, answer.json["id"], answer.json["status"], answer.json["attempts"]), (200, s.gid("n"), "delivered", 3), answer)
    equal([c.attempt for c in s.calls("crm")], [1, 2, 3])


def test_retry_never_adds_an_attempt():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", 500)
    notify(d, s, schedule=["0s", "1h"])
    until(d, s.gid("n"), "retrying")
    d.post(f"/v1/notifications/{s.gid('n')}/retry")
    equal(until(d, s.gid("n"), "gave_up")["attempts"], 2)
    equal(len(s.calls("crm")), 2)


def test_retry_of_one_that_is_over_is_a_new_one():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", 500)
    notify(d, s, schedule=["0s"], body={"a": 1}, ref="4711")
    before = until(d, s.gid("n"), "gave_up")
    s.on("crm", 200)
    key = {"Idempotency-Key": s.gid("retry")}
    answer = d.post(f"/v1/notifications/{s.gid('n')}/retry", {"reason": "repaired"}, headers=key)
    equal(answer.status, 200, answer)
    name = answer.json["id"]
    need(name != s.gid("n") and name.startswith("ntf_"), answer)
    n = until(d, name, "delivered")
    equal((n["origin"], n["body"], n["ref"], n["attempts"]), (f"retry of {s.gid('n')}", {"a": 1}, "4711", 1))
    equal(shown(d, s.gid("n")), before, "what gave up stays as it was")
    equal([c.headers["settle-notification"] for c in s.calls("crm")], [s.gid("n"), name])
    need(len({c.headers["idempotency-key"] for c in s.calls("crm")}) == 2, "another notification has another key")
    d.post(f"/v1/notifications/{s.gid('n')}/retry", {"reason": "repaired"}, headers=key)
    time.sleep(0.2)
    equal(len(s.calls("crm")), 2, "the repeat of a keyed retry sends nothing")
    audit = [i for i in d.get("/v1/audit?limit=20").json["items"] if i["gid"] == s.gid("n")]
    equal([(i["what"], i["reason"]) for i in audit], [("retry", "repaired")])


def test_cancel_means_no_further_attempt():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", 500)
    notify(d, s, schedule=["0s", "300ms"])
    until(d, s.gid("n"), "retrying")
    answer = d.post(f"/v1/notifications/{s.gid('n')}/cancel", {"reason": "the order is void"})
    equal((answer.status, answer.json["status"], answer.json["reason"]["why"]), (200, "cancelled", "cancelled"), answer)
    equal(d.post(f"/v1/notifications/{s.gid('n')}/cancel").status, 200, "a repeat agrees")
    time.sleep(0.6)
    equal(len(s.calls("crm")), 1)
    equal(shown(d, s.gid("n"))["attempts"], 1)
    s.on("crm", 200)
    notify(d, s, "done", wait="5s")
    problem(d.post(f"/v1/notifications/{s.gid('done')}/cancel"), 409, "already-decided")


def test_cancel_while_an_attempt_is_out():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    gate = s.on("crm", Gate(500))
    notify(d, s, schedule=["0s", "10ms"])
    eventually(lambda: s.calls("crm"))
    equal(d.post(f"/v1/notifications/{s.gid('n')}/cancel").json["status"], "cancelled")
    gate.open()
    eventually(lambda: shown(d, s.gid("n"))["finished"])
    equal((shown(d, s.gid("n"))["status"], len(s.calls("crm"))), ("cancelled", 1))


def test_missed_is_what_gave_up():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    endpoint(d, s.gid("other"), s.url("other"))
    s.on("crm", 500)
    for i in range(3):
        notify(d, s, f"n{i}", schedule=["0s"], body={"n": i})
        until(d, s.gid(f"n{i}"), "gave_up")
    s.on("crm", 200)
    notify(d, s, "fine", wait="5s")
    notify(d, s, "void", schedule=["1h"])
    d.post(f"/v1/notifications/{s.gid('void')}/cancel")
    path = f"/v1/endpoints/{s.gid('crm')}/missed"
    page = d.get(path).json
    equal([(i["id"], i["body"], i["status"]) for i in page["items"]], [(s.gid(f"n{i}"), {"n": i}, "gave_up") for i in (2, 1, 0)], page)
    equal(d.get(f"/v1/endpoints/{s.gid('other')}/missed").json["items"], [])
    page = d.get(path + "?limit=2").json
    equal([i["id"] for i in page["items"]], [s.gid("n2"), s.gid("n1")])
    equal([i["id"] for i in d.get(f"{path}?limit=2&cursor={page['next']}").json["items"]], [s.gid("n0")])
    since = shown(d, s.gid("n1"))["created"]
    equal([i["id"] for i in d.get(f"{path}?since={since}").json["items"]], [s.gid("n2"), s.gid("n1")])


def test_missed_is_for_its_receiver_alone():
    d, s = Daemon(auth=True).start(), shared_site()
    for name in ("crm", "billing"):
        endpoint(d, name, s.url(name))
    s.on("crm", 500)
    equal(d.post("/v1/notifications", {"id": "n", "endpoint": "crm", "event": "e", "schedule": ["0s"]}).status, 201)
    until(d, "n", "gave_up")
    tokens = {name: d.post("/v1/tokens", {"name": name, "roles": ["receiver"]}).json["token"] for name in ("crm", "billing")}
    equal([i["id"] for i in d.get("/v1/endpoints/crm/missed", token=tokens["crm"]).json["items"]], ["n"])
    problem(d.get("/v1/endpoints/crm/missed", token=tokens["billing"]), 403, "forbidden", "crm")
    equal(d.get("/v1/endpoints/billing/missed", token=tokens["billing"]).json["items"], [])
    for path in ("/v1/endpoints/crm", "/v1/endpoints", "/v1/notifications", "/v1/notifications/n", "/v1/notifications/n/events"):
        problem(d.get(path, token=tokens["crm"]), 403, "forbidden")
    problem(d.get("/v1/endpoints/crm/missed", token="nonsense"), 401)
    equal(d.get("/v1/endpoints/crm/missed").status, 200, "an admin sees every list")


def sends(s, **more):
    return {"on_commit": [{"topic": s.gid("t"), "key": "1", "body": {"order": 1}}, {"notify": s.gid("crm"), "event": "order.paid", "body": {"paid": 1}, "schedule": SOON}],
            "on_rollback": [{"topic": s.gid("u"), "body": {"order": 0}}, {"notify": s.gid("crm"), "event": "order.failed", "ref": "4711", "schedule": SOON}], **more}


def prepared(d, s):
    for topic in ("t", "u"):
        d.subscribe(s.gid(f"sub-{topic}"), s.gid(topic), s.url(topic))
    endpoint(d, s.gid("crm"), s.url("crm"))


def sent_by(d, name):
    return [(e.get("topic") or e.get("endpoint"), e.get("message") or e.get("notification")) for e in d.get(f"/v1/transactions/{name}/events").json["items"] if e["event"] == "tx.sent"]


def test_what_a_commit_sends():
    d, s = daemon(), shared_site()
    for mode in ("saga", "tcc"):
        s = shared_site()
        prepared(d, s)
        d.run(s.saga(s.step("a"), **sends(s)) if mode == "saga" else s.tcc(s.part("a"), **sends(s)))
        eventually(lambda s=s: len(s.calls("t")) == 1 and len(s.calls("crm")) == 1)
        equal((s.calls("t")[0].json, s.calls("crm")[0].json), ({"order": 1}, {"paid": 1}))
        equal(s.calls("crm")[0].headers["settle-event"], "order.paid")
        time.sleep(0.2)
        equal(s.calls("u"), [])
        (topic, message), (name, notification) = sent_by(d, s.gid())
        equal((topic, name), (s.gid("t"), s.gid("crm")))
        equal(d.message(message)["origin"], shown(d, notification)["origin"], "both say where they come from")
        need(s.gid() in d.message(message)["origin"], d.message(message))
        equal(until(d, notification, "delivered")["attempts"], 1)
        d.run(s.saga(s.step("a"), **sends(s)) if mode == "saga" else s.tcc(s.part("a"), **sends(s)))
        time.sleep(0.2)
        equal((len(s.calls("t")), len(s.calls("crm"))), (1, 1), "the repeat of a submit sends nothing")


def test_what_a_rollback_sends():
    d = daemon()
    for mode in ("saga", "tcc"):
        s = shared_site()
        prepared(d, s)
        s.on("b/do", 409)
        s.on("b/try", 409)
        d.run(s.saga(s.step("a"), s.step("b"), **sends(s)) if mode == "saga" else s.tcc(s.part("a"), s.part("b"), **sends(s)), status="rolled_back")
        eventually(lambda s=s: len(s.calls("u")) == 1 and len(s.calls("crm")) == 1)
        equal((s.calls("crm")[0].headers["settle-event"], s.calls("crm")[0].headers["settle-ref"], s.calls("crm")[0].body), ("order.failed", "4711", b""))
        time.sleep(0.2)
        equal((s.calls("t"), len(s.calls("u")), len(s.calls("crm"))), ([], 1, 1))


def test_nothing_is_sent_before_the_decision():
    d, s = daemon(), shared_site()
    prepared(d, s)
    gate = s.on("a/try", Gate(200))
    d.submit(s.tcc(s.part("a"), **sends(s)))
    eventually(lambda: s.calls("a/try"))
    time.sleep(0.3)
    equal((s.calls("t"), s.calls("u"), s.calls("crm")), ([], [], []))
    gate.open()
    eventually(lambda: s.calls("t") and s.calls("crm"))
    equal(s.calls("u"), [])
    equal(d.show(s.gid())["decision"] is not None, True)


def test_a_client_that_drives_sends_with_its_decision():
    d = daemon()
    for act, there, absent in (("commit", "t", "u"), ("rollback", "u", "t")):
        s = shared_site()
        prepared(d, s)
        body = {"gid": s.gid(), "mode": "tcc", "drive": "client", **sends(s)}
        need(d.post("/v1/transactions", body).status in (201, 202), body)
        equal(d.post(f"/v1/transactions/{s.gid()}/{act}?wait=5s").status, 200)
        eventually(lambda s=s, there=there: len(s.calls(there)) == 1 and len(s.calls("crm")) == 1)
        equal(s.calls(absent), [])


def test_killed_between_decision_and_delivery():
    for outcome, there, absent, event in (("committed", "t", "u", "order.paid"), ("rolled_back", "u", "t", "order.failed")):
        d, s = Daemon().start(), shared_site()
        prepared(d, s)
        s.on("a/try", 200 if outcome == "committed" else 409)
        gates = [Gate(200), Gate(200)]
        s.on(there, gates[0], 200)
        s.on("crm", gates[1], 200)
        d.run(s.tcc(s.part("a"), **sends(s)), status=outcome)
        eventually(lambda s=s, there=there: s.calls(there) and s.calls("crm"), what="both are out")
        d.restart()
        for gate in gates:
            gate.open()
        sent = sent_by(d, s.gid())
        equal(len(sent), 2, "neither lost nor made twice")
        eventually(lambda d=d, sent=sent: d.message(sent[0][1])["finished"])
        n = until(d, sent[1][1], "delivered", 30)
        equal((n["event"], s.calls(absent)), (event, []))
        equal([c.attempt for c in s.calls("crm")], [1, 2], "the attempt that was out counts")
        equal({c.headers["settle-notification"] for c in s.calls("crm")}, {sent[1][1]})


def test_killed_at_every_step_of_a_commit_with_notification():
    rounds = 4 if quick() else 12
    d, s = Daemon().start(), shared_site()
    prepared(d, s)
    for i in range(rounds):
        names = [s.gid(f"{i}-{k}") for k in range(5)]
        client = d.client()
        for name in names:
            client.request("POST", "/v1/transactions", {**s.tcc(s.part("a"), **sends(s)), "gid": name})
        time.sleep(0.002 * i)
        d.restart()
        for name in names:
            d.until(name, "committed")
    made = {}
    for i in range(rounds):
        for k in range(5):
            name = s.gid(f"{i}-{k}")
            sent = sent_by(d, name)
            equal([where for where, _ in sent], [s.gid("t"), s.gid("crm")], name)
            made[sent[1][1]] = name
            until(d, sent[1][1], "delivered", 40)
            eventually(lambda sent=sent: d.message(sent[0][1])["finished"])
    equal({c.headers["settle-notification"] for c in s.calls("crm")}, set(made))
    equal(s.calls("u"), [])


def test_never_more_sends_than_recorded_attempts():
    d, s = Daemon().start(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"), concurrency=20)
    s.on("crm", 500)
    count, tries = 8, 3
    for i in range(count):
        notify(d, s, f"n{i}", schedule=["0s", "50ms", "50ms"])
    for i in range(4 if quick() else 10):
        time.sleep(0.03 * (i % 3))
        d.restart()
    for i in range(count):
        d.post(f"/v1/endpoints/{s.gid('crm')}/disable", {"reason": "x"})
        d.post(f"/v1/endpoints/{s.gid('crm')}/enable", {"reason": "a probe need not be waited for"})
        n = until(d, s.gid(f"n{i}"), "gave_up", 40)
        calls = [c for c in s.calls("crm") if c.headers["settle-notification"] == s.gid(f"n{i}")]
        equal((n["attempts"], n["reason"]["why"]), (tries, "exhausted"), n)
        need(len(calls) <= tries, n, len(calls))
        equal(len({c.attempt for c in calls}), len(calls), "no number twice")


def test_the_timeline_speaks_of_notifications():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", 500, 200)
    notify(d, s, schedule=["0s", "20ms"])
    until(d, s.gid("n"), "delivered")
    events = told(d, s.gid("n"))
    equal(events, [("ntf.created", "scheduled"), ("ntf.op", "scheduled"), ("ntf.op", "delivering"), ("ntf.attempt", "retrying"), ("ntf.op", "delivering"),
                   ("ntf.attempt", "delivered"), ("ntf.status", "delivered")], events)
    s.on("crm", 500)
    notify(d, s, "lost", schedule=["0s"])
    until(d, s.gid("lost"), "gave_up")
    events = told(d, s.gid("lost"))
    equal(events, [("ntf.created", "scheduled"), ("ntf.op", "scheduled"), ("ntf.op", "delivering"), ("ntf.attempt", "gave_up"), ("ntf.status", "gave_up")], events)
    notify(d, s, "void", schedule=["1h"])
    d.post(f"/v1/notifications/{s.gid('void')}/cancel", {"reason": "not needed"})
    events = told(d, s.gid("void"))
    equal(events, [("ntf.created", "scheduled"), ("ntf.op", "scheduled"), ("ntf.op", "cancelled"), ("ntf.status", "cancelled")], events)
    pages = [d.get(f"/v1/notifications/{s.gid(name)}/events").json for name in ("n", "lost", "void")]
    for name, page in zip(("n", "lost", "void"), pages):
        equal((page["id"], {e["id"] for e in page["items"]}), (s.gid(name), {s.gid(name)}))
        equal(sse(d, f"/v1/notifications/{s.gid(name)}/events"), page["items"], "the stream says the same, and ends")
    equal([(page["items"][-1].get("why"), page["items"][-1]["finished"]) for page in pages], [(None, True), ("exhausted", True), ("cancelled", True)])
    cancel = pages[2]["items"][2]
    equal((cancel["act"], cancel["detail"]), ("cancel", "not needed"), cancel)
    problem(d.get(f"/v1/notifications/{s.gid('nobody')}/events"), 404, "not-found", "notification")


def sse(d, path):
    """Every event of a stream that ends by itself."""
    with urllib.request.urlopen(urllib.request.Request(d.url + path, headers={"Accept": "text/event-stream"}), timeout=10) as stream:
        return [json.loads(line[5:]) for line in stream.read().decode().splitlines() if line.startswith("data:")]


def test_a_live_stream_ends_with_the_notification():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    for name, answers, cancel in (("n", (500, 200), False), ("lost", (500,), False), ("void", (500,), True)):
        gate = Gate(answers[0])
        s.on("crm", gate, *answers[1:] or (500,))
        notify(d, s, name, schedule=["0s", "1h" if cancel else "50ms"])
        seen = []
        reader = threading.Thread(target=lambda name=name, seen=seen: seen.extend(sse(d, f"/v1/notifications/{s.gid(name)}/events")))
        reader.start()
        time.sleep(0.1)
        gate.open()
        if cancel:
            until(d, s.gid(name), "retrying")
            d.post(f"/v1/notifications/{s.gid(name)}/cancel")
        reader.join(10)
        equal(reader.is_alive(), False, name)
        equal(seen, d.get(f"/v1/notifications/{s.gid(name)}/events").json["items"], "live or later, the words are the same")


def test_retry_of_what_only_the_history_knows():
    d, s = Daemon(settings={"limits": {"unfinished": 2}}).start(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    s.on("crm", 500)
    notify(d, s, schedule=["0s"], wait="5s")
    d.restart()
    s.on("crm", Silence())
    again = d.post(f"/v1/notifications/{s.gid('n')}/retry?wait=300ms", {"reason": "repaired"})
    need(again.status == 202 and again.json["id"].startswith("ntf_") and again.json["status"] == "delivering", again)
    equal(d.post(f"/v1/notifications/{s.gid('n')}/retry", {"reason": "once more"}).status, 200)
    problem(d.post(f"/v1/notifications/{s.gid('n')}/retry", {"reason": "too many"}), 503, "busy", "2 ")
    for i in d.get(f"/v1/notifications?endpoint={s.gid('crm')}&status=delivering,scheduled,retrying").json["items"]:
        equal(d.post(f"/v1/notifications/{i['id']}/cancel", {"reason": "over"}).status, 200)
    eventually(lambda: d.delete(f"/v1/endpoints/{s.gid('crm')}").status == 204)
    problem(d.post(f"/v1/notifications/{s.gid('n')}/retry", {"reason": "whereto"}), 409, "conflict", "endpoint")


def test_no_schedule_is_longer_than_it_can_be_kept():
    d, s = daemon(), shared_site()
    endpoint(d, s.gid("crm"), s.url("crm"))
    body = {"endpoint": s.gid("crm"), "event": "e"}
    problem(d.post("/v1/notifications", {**body, "schedule": ["7d"] * 7}), 422, "over-limit", "45 days")
    equal(d.post("/v1/notifications", {**body, "schedule": ["7d"] * 6}).status, 201)
