"""Deliveries: dead letters and what becomes of them, refusals, nacks, lists, roles, audit."""

import os
import time

from kit import Daemon, Status, equal, eventually, less, need, problem, shared_daemon, shared_site


def daemon():
    return shared_daemon("deliveries")


def dead(d, s, name="m", key=None, **more):
    """A message whose delivery to s.gid('a') is dead."""
    s.on("a", Status(409, {"detail": "no such shelf"}))
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"), **more)
    d.publish(s.gid("t"), {"shelf": 9}, id=s.gid(name), **({"key": key} if key else {}))
    d.until_delivery(s.gid(name), s.gid("a"), "dead")
    return f"{s.gid(name)}~{s.gid('a')}"


def test_a_refusal_nobody_wants_is_a_dead_letter():
    d, s = daemon(), shared_site()
    delivery = dead(d, s)
    shown = d.get(f"/v1/deliveries/{delivery}").json
    equal((shown["status"], shown["http"], shown["attempts"], shown["attention"], shown["body"]), ("dead", 409, 1, True, {"shelf": 9}), shown)
    need("no such shelf" in shown["detail"], shown)
    message = d.message(s.gid("m"))
    equal((message["status"], message["finished"]), ("committed", None))
    need("refused" in message["attention"]["why"], message)
    time.sleep(0.2)
    equal(len(s.calls("a")), 1, "refused is refused")


def test_a_refusal_goes_back_as_a_message():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"), on_refused={"topic": s.gid("refused")})
    d.subscribe(s.gid("back"), s.gid("refused"), s.url("back"), on_refused={"topic": s.gid("lost")})
    d.subscribe(s.gid("last"), s.gid("lost"), s.url("last"))
    s.on("a", Status(409, b"no such shelf,\r\n\x1b[31m"))
    s.on("back", Status(409, {"detail": "not mine"}))
    d.post("/v1/messages", {"id": s.gid("m"), "topic": s.gid("t"), "key": "k", "body": {"a": 1}, "headers": {f"X-{i}": str(i) for i in range(16)}})
    equal(d.until_delivery(s.gid("m"), s.gid("a"), "refused")["http"], 409)
    eventually(lambda: s.calls("last"))
    back, last = s.calls("back")[0], s.calls("last")[0]
    equal((back.json, back.headers["settle-key"], back.headers["settle-topic"]), ({"a": 1}, "k", s.gid("refused")))
    equal((back.headers["settle-refused-message"], back.headers["settle-refused-by"]), (s.gid("m"), s.gid("a")))
    need("no such shelf" in back.headers["settle-refused-why"] and "\x1b" not in back.headers["settle-refused-why"], back)
    equal([n for n, _ in last.header_list].count("Settle-Refused-Message"), 1, "a refusal of a refusal")
    equal(last.headers["settle-refused-message"], back.headers["settle-message"])
    equal(last.headers["x-15"], "15")
    equal(d.message(back.headers["settle-message"])["origin"], f"refusal of {s.gid('m')}~{s.gid('a')}")
    sent = [e for e in d.get(f"/v1/messages/{s.gid('m')}/events").json["items"] if e["event"] == "msg.sent"]
    equal([(e["message"], e["topic"]) for e in sent], [(back.headers["settle-message"], s.gid("refused"))])
    need(d.message(s.gid("m"))["finished"] is not None, "settled")


def test_patience_ends_in_a_dead_letter():
    d, s = daemon(), shared_site()
    s.on("a", 500)
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"), retry={"first": "20ms", "max": "50ms", "for": "300ms"})
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    shown = d.until_delivery(s.gid("m"), s.gid("a"), "dead")
    less(2, shown["attempts"])
    s.on("a", 200)
    time.sleep(0.2)
    equal(d.deliveries(s.gid("m")), {s.gid("a"): "dead"}, "dead is dead until somebody acts")


def test_without_an_end_it_is_tried_on():
    d, s = daemon(), shared_site()
    s.on("a", 500)
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"), retry={"first": "10ms", "max": "20ms"})
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    eventually(lambda: len(s.calls("a")) > 12)
    shown = d.until_delivery(s.gid("m"), s.gid("a"), ("retrying", "delivering"))
    need(shown["attention"], "somebody should look", shown)
    s.on("a", 200)
    d.until_delivery(s.gid("m"), s.gid("a"), "acked")
    equal(d.message(s.gid("m"))["attention"], None)


def test_a_dead_head_parks_only_its_key():
    d, s = daemon(), shared_site()
    dead(d, s, "m0", key="bad")
    s.on("a", 200)
    for i, key in enumerate(("bad", "good", "bad", None), 1):
        d.publish(s.gid("t"), i, id=s.gid(f"m{i}"), **({"key": key} if key else {}))
    d.until_delivery(s.gid("m2"), s.gid("a"), "acked")
    d.until_delivery(s.gid("m4"), s.gid("a"), "acked")
    equal([d.deliveries(s.gid(f"m{i}"))[s.gid("a")] for i in (0, 1, 3)], ["dead", "parked", "parked"])
    d.restart()
    equal([d.deliveries(s.gid(f"m{i}"))[s.gid("a")] for i in (0, 1, 3)], ["dead", "parked", "parked"], "also after kill -9")
    equal(d.post(f"/v1/deliveries/{s.gid('m0')}~{s.gid('a')}/replay", {"reason": "shelf built"}).status, 200)
    d.until_delivery(s.gid("m3"), s.gid("a"), "acked")
    equal([c.gid for c in s.calls("a") if c.headers.get("settle-key") == "bad"], [s.gid(m) for m in ("m0", "m0", "m1", "m3")])


def test_replay_edit_and_discard_are_audited():
    d, s = daemon(), shared_site()
    delivery = dead(d, s)
    for act in ("replay", "edit", "discard"):
        problem(d.post(f"/v1/deliveries/{delivery}/{act}", {}), 422, "missing-field", "reason")
        problem(d.post(f"/v1/deliveries/{delivery}/{act}", {"reason": "  ", "body": 1} if act == "edit" else {"reason": " "}), 422, "invalid-value", "reason")
    answer = d.post(f"/v1/deliveries/{delivery}/replay", {"reason": "shelf built"})
    need(answer.json["status"] in ("retrying", "delivering", "dead"), answer)
    eventually(lambda: len(s.calls("a")) == 2)
    d.until_delivery(s.gid("m"), s.gid("a"), "dead")
    s.on("a", 200)
    problem(d.post(f"/v1/deliveries/{delivery}/edit", {"reason": "typo"}), 422, "missing-field", "body")
    answer = d.post(f"/v1/deliveries/{delivery}/edit", {"reason": "typo", "body": {"shelf": 6}})
    equal((answer.status, answer.json["status"]), (200, "discarded"), answer)
    new = answer.json["replaced_by"]
    d.until_delivery(new, s.gid("a"), "acked")
    equal(s.calls("a")[-1].json, {"shelf": 6})
    shown = d.message(new)
    equal((shown["origin"], shown["only"], shown["body"]), (f"edit of {delivery}", s.gid("a"), {"shelf": 6}))
    old = d.message(s.gid("m"))
    equal((old["body"], old["deliveries"][0]["status"], old["finished"] is not None), ({"shelf": 9}, "discarded", True), "the original stays as it was")
    for act, more in (("replay", {}), ("edit", {"body": 1}), ("discard", {})):
        problem(d.post(f"/v1/deliveries/{delivery}/{act}", {"reason": "again", **more}), 409, "conflict")
    other = dead(d, s, "m2")
    equal(d.post(f"/v1/deliveries/{other}/discard", {"reason": "the customer is gone"}).json["status"], "discarded")
    audit = [i for i in d.get("/v1/audit?limit=20").json["items"] if i["gid"] in (s.gid("m"), s.gid("m2"))]
    equal([(i["what"], i["branch"], i["reason"]) for i in audit], [("discard", s.gid("a"), "the customer is gone"), ("edit", s.gid("a"), "typo"), ("replay", s.gid("a"), "shelf built")])
    need(all(i["chained"] for i in audit), audit)
    events = [e for e in d.get(f"/v1/messages/{s.gid('m2')}/events").json["items"] if e["event"] == "delivery.op"]
    equal([(e["act"], e["detail"], e["state"]) for e in events], [("discard", "the customer is gone", "discarded")])


def test_edit_keeps_or_changes_the_type():
    d, s = daemon(), shared_site()
    s.on("a", 409)
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"))
    d.post("/v1/messages", {"id": s.gid("m"), "topic": s.gid("t"), "key": "k", "body_base64": "AAE=", "content_type": "image/png", "headers": {"X-A": "1"}})
    d.until_delivery(s.gid("m"), s.gid("a"), "dead")
    s.on("a", 200)
    d.post(f"/v1/deliveries/{s.gid('m')}~{s.gid('a')}/edit", {"reason": "x", "body_base64": "AAI="})
    eventually(lambda: len(s.calls("a")) == 2)
    call = s.calls("a")[1]
    equal((call.body, call.headers["content-type"], call.headers["x-a"], call.headers["settle-key"]), (b"\0\2", "image/png", "1", "k"))


def test_nack_says_when_or_never():
    d, s = daemon(), shared_site()
    name = s.gid("p")
    d.subscribe(name, s.gid("t"))
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    item = d.pull(name)[0]
    answer = d.post(f"/v1/deliveries/{item['id']}/nack", {"delay": "300ms", "reason": "shelf full"})
    equal((answer.status, answer.json["status"], answer.json["detail"]), (200, "retrying", "shelf full"), answer)
    began = time.monotonic()
    item = d.pull(name, wait="5s")[0]
    less(0.25, time.monotonic() - began)
    equal(item["attempt"], 2)
    answer = d.post(f"/v1/deliveries/{item['id']}/nack", {"refused": True, "reason": "never"})
    equal((answer.json["status"], answer.json["detail"]), ("dead", "never"))
    problem(d.post(f"/v1/deliveries/{item['id']}/nack", {}), 409, "conflict")
    equal(d.post(f"/v1/deliveries/{item['id']}/ack").json["status"], "acked", "it did it after all")
    problem(d.post(f"/v1/deliveries/{item['id']}/nack", {}), 409, "conflict")
    for path in (f"{s.gid('none')}~{name}", f"{s.gid('m')}~{s.gid('none')}", f"{s.gid('m')}~~check", s.gid("m")):
        answer = d.post(f"/v1/deliveries/{path}/ack")
        problem(answer, 404, "not-found")
    problem(d.post(f"/v1/deliveries/{item['id']}/nack", {"delay": "13h"}), 422, "over-limit")


def test_subscriptions_of_odd_names():
    d, s = daemon(), shared_site()
    for name in ("check", "a.b:c_d-e"):
        d.subscribe(name, s.gid("t"))
    s.on("check", Status(200, {"status": "committed"}))
    equal(d.post("/v1/messages", {"id": s.gid("m.1"), "topic": s.gid("t"), "state": "half", "check": {"http": s.url("check"), "after": "10ms"}}).status, 201)
    eventually(lambda: d.message(s.gid("m.1"))["status"] == "committed")
    equal(sorted(d.deliveries(s.gid("m.1"))), ["a.b:c_d-e", "check"])
    for name in ("check", "a.b:c_d-e"):
        equal(len(d.pull(name)), 1)
        for path in (f"{s.gid('m.1')}~{name}", f"{s.gid('m.1')}%7E{name}".replace(":", "%3A"), f"{s.gid('m.1')}%7e{name}"):
            equal(d.post(f"/v1/deliveries/{path}/ack").status, 200)
        equal(d.delete(f"/v1/subscriptions/{name}").status, 204)


def test_lists():
    d, s = Daemon().start(), shared_site()
    s.on("a", 409)
    d.subscribe("a", "t", s.url("a"))
    d.subscribe("p", "t")
    for i in range(12):
        d.publish("t", i, id=f"m{i:02}", key=f"k{i % 2}")
    d.publish("u", 1, id="u")
    d.until_delivery("m01", "a", "dead")
    d.pull("p", max=1)

    def ids(query, limit=3):
        out, path = [], f"/v1/deliveries?limit={limit}&{query}"
        while path:
            page = d.get(path).json
            need(len(page["items"]) <= limit + 1, page)
            out += [i["id"] for i in page["items"]]
            path = f"/v1/deliveries?limit={limit}&{query}&cursor={page['next']}" if page["next"] else None
        return out

    equal(sorted(ids("")), sorted(f"m{i:02}~{n}" for i in range(12) for n in "ap"))
    equal(ids("status=dead"), ["m01~a", "m00~a"])
    equal(ids("status=parked"), [f"m{i:02}~a" for i in reversed(range(2, 12))])
    equal(ids("status=parked&key=k0"), [f"m{i:02}~a" for i in reversed(range(2, 12, 2))])
    equal(ids("status=delivering&subscription=p"), ["m00~p"])
    equal(len(ids("subscription=p&status=pending&sort=created")), 11)
    equal(ids("status=acked"), [])
    equal(ids("attention=true"), ["m01~a", "m00~a"])
    equal(len(ids("attention=false")), 22)
    equal(ids("topic=u"), [])
    d.post("/v1/deliveries/m00~a/discard", {"reason": "x"})
    equal(ids("status=discarded"), ["m00~a"])
    for item in d.pull("p", max=100):
        d.post(f"/v1/deliveries/{item['id']}/ack")
    equal("m01~p" in ids("status=acked,discarded"), True)
    d.restart()
    equal(ids("status=discarded"), ["m00~a"])
    equal(problem(d.get("/v1/deliveries?status=daed"), 422, "invalid-value")["nearest"], "dead")
    problem(d.get("/v1/deliveries?message=x"), 422, "unknown-parameter")


def token_of(d, role):
    return d.post("/v1/tokens", {"name": f"{role}-{os.urandom(3).hex()}", "roles": [role]}).json["token"]


def test_roles():
    d = Daemon(auth=True).start()
    may = {
        ("PUT", "/v1/subscriptions/s", '{"topic":"t","pull":true}'): {"operator", "approver"},
        ("POST", "/v1/messages", '{"topic":"t"}'): {"producer", "operator", "approver"},
        ("GET", "/v1/messages", None): {"viewer", "producer", "operator", "approver"},
        ("GET", "/v1/deliveries", None): {"viewer", "producer", "operator", "approver"},
        ("POST", "/v1/subscriptions/s/pull", "{}"): {"consumer"},
        ("POST", "/v1/deliveries/m~s/ack", "{}"): {"consumer"},
        ("POST", "/v1/deliveries/m~s/nack", "{}"): {"consumer"},
        ("POST", "/v1/deliveries/m~s/replay", '{"reason":"x"}'): {"operator", "approver"},
        ("POST", "/v1/subscriptions/s/pause", '{"reason":"x"}'): {"operator", "approver"},
        ("POST", "/v1/deliveries/m~s/discard", '{"reason":"x"}'): {"approver"},
        ("POST", "/v1/deliveries/m~s/edit", '{"reason":"x","body":1}'): {"approver"},
        ("DELETE", "/v1/subscriptions/none", None): {"operator", "approver"},
    }
    for role in ("viewer", "producer", "consumer", "receiver", "operator", "approver"):
        token = token_of(d, role)
        for (method, path, body), roles in may.items():
            answer = d.connection.request(method, path, body.encode() if body else None, token=token)
            equal(answer.status == 403, role not in roles, f"{role}: {method} {path}", answer)


def test_the_act_says_who():
    d, s = Daemon(auth=True).start(), shared_site()
    name = d.post("/v1/tokens", {"name": "maria", "roles": ["approver"]}).json
    s.on("a", 409)
    d.subscribe("a", "t", s.url("a"))
    d.publish("t", 1, id="m")
    d.until_delivery("m", "a", "dead")
    d.post("/v1/deliveries/m~a/discard", {"reason": "x"}, token=name["token"])
    equal(d.get("/v1/audit?limit=1").json["items"][0]["who"], "maria")
    equal([e["by"] for e in d.get("/v1/messages/m/events").json["items"] if e.get("act") == "discard"], ["maria"])
