"""Topics and subscriptions: defined, changed, paused, deleted; order, concurrency, pulling."""

import socket
import struct
import threading
import time

from kit import Daemon, Delay, Gate, Status, equal, eventually, less, need, problem, quick, shared_daemon, shared_site


def daemon():
    return shared_daemon("subscriptions")


def test_definitions_come_and_go():
    d, s = daemon(), shared_site()
    name, topic = s.gid("a"), s.gid("t")
    body = {"topic": topic, "push": s.url("a"), "retry": {"first": "1s", "for": "7d"}, "description": "what is packed"}
    answer = d.put(f"/v1/subscriptions/{name}", body)
    equal((answer.status, answer.json["definition"], answer.json["way"], answer.json["to"]), (201, body, "push", s.url("a")), answer)
    equal(d.put(f"/v1/subscriptions/{name}", body).status, 200)
    equal(d.put(f"/v1/subscriptions/{name}", answer.json["definition"]).status, 200, "what is shown can be put back")
    answer = d.put(f"/v1/subscriptions/{name}", {"topic": topic, "pull": True})
    equal((answer.status, answer.json["way"]), (200, "pull"))
    equal(d.put(f"/v1/topics/{topic}", {"description": "orders to be shipped"}).status, 201)
    equal(d.get(f"/v1/topics/{topic}").json["subscriptions"], [name])
    equal(d.delete(f"/v1/topics/{topic}").status, 204)
    problem(d.get(f"/v1/topics/{topic}"), 404, "not-found", "topic")
    equal(d.delete(f"/v1/subscriptions/{name}", {"reason": "moved"}).status, 204)
    problem(d.get(f"/v1/subscriptions/{name}"), 404, "not-found", "subscription")
    problem(d.delete(f"/v1/subscriptions/{name}"), 404, "not-found")
    problem(d.post(f"/v1/subscriptions/{name}/pull", {}), 404, "not-found")
    audit = [i for i in d.get("/v1/audit?limit=50").json["items"] if i["gid"] in (name, topic)]
    equal([i["what"] for i in audit], ["delete subscription", "delete topic", "define topic", "define subscription", "define subscription"])
    equal(audit[0]["reason"], "moved")


def test_definitions_survive():
    d, s = Daemon().start(), shared_site()
    for i in range(7):
        d.subscribe(f"s{i}", "t", s.url("a"), concurrency=i + 1)
    d.post("/v1/subscriptions/s3/pause", {"reason": "maintenance"})
    before = d.get("/v1/subscriptions?limit=200").json
    d.restart()
    equal(d.get("/v1/subscriptions?limit=200").json, before)
    names, path = [], "/v1/subscriptions?limit=3"
    while path:
        page = d.get(path).json
        names += [i["name"] for i in page["items"]]
        path = f"/v1/subscriptions?limit=3&cursor={page['next']}" if page["next"] else None
    equal(names, [f"s{i}" for i in range(7)])
    equal(d.get("/v1/subscriptions/s3").json["paused"], True)


def test_bad_definitions():
    d = daemon()
    for body, kind, word in (({}, "missing-field", "topic"), ({"topic": "t"}, "missing-field", "push"), ({"topic": "t", "push": "http://192.0.2.1/"}, "egress-refused", "egress.allow"),
                             ({"topic": "t", "sink": {"stomp": {"url": "stomp://192.0.2.1", "destination": "/queue/a"}}}, "egress-refused", "egress.allow"),
                             ({"topic": "t", "sink": {"stomp": {"uri": "x"}}}, "unknown-field", "url"), ({"topic": "t", "push": "stomp://127.0.0.1/"}, "invalid-value", "push"),
                             ({"topic": "t", "pull": True, "from": "2026-01-01T00:00:00Z"}, "not-available", "now"), ({"topic": "t", "push": f"{d.url}/x"}, "egress-refused", "settled itself")):
        problem(d.put("/v1/subscriptions/bad", body), 422, kind, word)
    problem(d.put("/v1/subscriptions/" + "n" * 65, {"topic": "t", "pull": True}), 422, "over-limit", "64")
    problem(d.put("/v1/subscriptions/a~b", {"topic": "t", "pull": True}), 404)
    problem(d.get("/v1/subscriptions/bad"), 404)
    problem(d.post("/v1/subscriptions/bad", {}), 405, None, "PUT")
    equal(d.put("/v1/topics/t", {"push": "x"}).status, 422)


def test_nothing_owed_is_deleted():
    d, s = daemon(), shared_site()
    name = s.gid("a")
    d.subscribe(name, s.gid("t"))
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    problem(d.delete(f"/v1/subscriptions/{name}"), 409, "conflict", "owed")
    item = d.pull(name)[0]
    equal(d.post(f"/v1/deliveries/{item['id']}/ack").status, 200)
    equal(d.delete(f"/v1/subscriptions/{name}").status, 204)
    d.publish(s.gid("t"), 2, id=s.gid("m2"))
    equal(d.message(s.gid("m2"))["deliveries"], [])


def test_order_of_a_key():
    d, s = daemon(), shared_site()
    count = 20 if quick() else 60
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"), concurrency=50, retry={"first": "10ms", "max": "20ms"})
    s.on("a", *([200, 500, Delay(0.02), 503] * 40), 200)
    for i in range(count):
        d.publish(s.gid("t"), i, id=s.gid(f"m{i}"), key=f"k{i % 3}")
    d.get(f"/v1/messages/{s.gid(f'm{count - 1}')}?wait=20s")
    for i in range(count):
        d.until_delivery(s.gid(f"m{i}"), s.gid("a"), "acked")
    for k in range(3):
        seen = [c.json for c in s.calls("a") if c.headers["settle-key"] == f"k{k}"]
        firsts = list(dict.fromkeys(seen))
        equal(firsts, sorted(firsts))
        equal(seen, sorted(seen), "a later one never overtakes an earlier one's retry")


def test_concurrency_is_kept():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("a"), s.gid("t"), s.url("a"), concurrency=3)
    gate = s.on("a", Gate())
    for i in range(10):
        d.publish(s.gid("t"), i, id=s.gid(f"m{i}"))
    eventually(lambda: len(s.calls("a")) == 3)
    time.sleep(0.2)
    equal(len(s.calls("a")), 3)
    shown = d.get(f"/v1/subscriptions/{s.gid('a')}").json
    equal((shown["owed"], shown["out"], shown["ready"]), (10, 3, 7), shown)
    gate.open()
    eventually(lambda: d.get(f"/v1/subscriptions/{s.gid('a')}").json["acked"] == 10)


def test_a_slow_subscription_holds_up_no_other():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("slow"), s.gid("t"), s.url("slow"), concurrency=1)
    d.subscribe(s.gid("quick"), s.gid("t"), s.url("quick"))
    gate = s.on("slow", Gate())
    for i in range(30):
        d.publish(s.gid("t"), i, id=s.gid(f"m{i}"))
    eventually(lambda: len(s.calls("quick")) == 30)
    equal(len(s.calls("slow")), 1)
    gate.open()
    eventually(lambda: len(s.calls("slow")) == 30)


def test_pause_and_resume():
    d, s = daemon(), shared_site()
    name = s.gid("a")
    d.subscribe(name, s.gid("t"), s.url("a"))
    problem(d.post(f"/v1/subscriptions/{name}/pause", {}), 422, "missing-field", "reason")
    answer = d.post(f"/v1/subscriptions/{name}/pause", {"reason": "maintenance"})
    equal((answer.status, answer.json["paused"], answer.json["reason"]), (200, True, "maintenance"))
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    time.sleep(0.2)
    equal(s.calls(), [])
    d.subscribe(name, s.gid("t"), s.url("b"))
    equal(d.get(f"/v1/subscriptions/{name}").json["paused"], True, "a new definition does not resume")
    equal(d.post(f"/v1/subscriptions/{name}/resume", {"reason": "done"}).json["paused"], False)
    d.until_delivery(s.gid("m"), name, "acked")
    equal(s.paths(), ["b"])
    d.subscribe(s.gid("p"), s.gid("t"))
    d.publish(s.gid("t"), 2)
    d.post(f"/v1/subscriptions/{s.gid('p')}/pause", {"reason": "x"})
    equal(d.pull(s.gid("p")), [])
    d.post(f"/v1/subscriptions/{s.gid('p')}/resume", {"reason": "x"})
    equal(len(d.pull(s.gid("p"))), 1)


def test_pull_with_lease_and_ack():
    d, s = daemon(), shared_site()
    name = s.gid("p")
    d.subscribe(name, s.gid("t"), ack_timeout="30s")
    for i in range(5):
        d.publish(s.gid("t"), {"n": i}, id=s.gid(f"m{i}"), key=f"k{i}", headers={"X-N": str(i)})
    first = d.pull(name, max=2, lease="300ms")
    equal([(i["message"], i["body"], i["key"], i["headers"], i["attempt"]) for i in first],
          [(s.gid(f"m{i}"), {"n": i}, f"k{i}", {"X-N": str(i)}, 1) for i in range(2)])
    equal(len(d.pull(name, max=10)), 3, "what is leased is not given twice")
    equal(d.pull(name), [])
    equal(d.post(f"/v1/deliveries/{first[0]['id']}/ack").json["status"], "acked")
    d.until_delivery(s.gid("m1"), name, "retrying")
    again = d.pull(name, wait="5s")
    equal([(i["message"], i["attempt"]) for i in again], [(s.gid("m1"), 2)], "a lease that runs out")
    equal(d.post(f"/v1/deliveries/{first[1]['id']}/ack").json["status"], "acked", "a late ack counts")
    equal(d.post(f"/v1/deliveries/{first[1]['id']}/ack").json["status"], "acked", "and so does a repeat")
    shown = d.get(f"/v1/subscriptions/{name}").json
    equal((shown["owed"], shown["out"], shown["acked"]), (3, 3, 2), shown)
    for body, kind in (({"max": 0}, "over-limit"), ({"max": 1001}, "over-limit"), ({"lease": "1ms"}, "over-limit"), ({"lease": "13h"}, "over-limit"),
                       ({"wait": "2m"}, "over-limit"), ({"mxa": 1}, "unknown-field"), ({"max": "5"}, "wrong-type")):
        problem(d.post(f"/v1/subscriptions/{name}/pull", body), 422, kind)
    d.subscribe(s.gid("q"), s.gid("t"), s.url("q"))
    problem(d.post(f"/v1/subscriptions/{s.gid('q')}/pull", {}), 409, "conflict", "push")


def test_pull_waits_for_something():
    d, s = daemon(), shared_site()
    name = s.gid("p")
    d.subscribe(name, s.gid("t"))
    began = time.monotonic()
    equal(d.pull(name, wait="300ms"), [])
    less(0.29, time.monotonic() - began)
    threading.Timer(0.2, lambda: d.client().request("POST", "/v1/messages", {"topic": s.gid("t"), "body": 1})).start()
    began = time.monotonic()
    equal(len(d.pull(name, wait="20s")), 1)
    less(time.monotonic() - began, 10)
    threading.Timer(0.1, lambda: d.client().request("POST", "/v1/messages", {"topic": s.gid("t"), "body": 1, "delay": "300ms"})).start()
    equal(len(d.post(f"/v1/subscriptions/{name}/pull?wait=20s", {}).json["items"]), 1, "also when its time comes")
    got = []
    threads = [threading.Thread(target=lambda: got.extend(d.client().request("POST", f"/v1/subscriptions/{name}/pull", {"max": 1, "wait": "20s"}).json["items"])) for _ in range(5)]
    for t in threads:
        t.start()
    eventually(lambda: d.get("/v1/stats").json["messages"]["pulls_waiting"] == 5)
    for i in range(5):
        d.publish(s.gid("t"), i)
    for t in threads:
        t.join(20)
    equal(len({i["id"] for i in got}), 5, got)
    name2 = s.gid("gone")
    d.subscribe(name2, s.gid("u"))
    threading.Timer(0.1, lambda: d.client().request("DELETE", f"/v1/subscriptions/{name2}")).start()
    problem(d.post(f"/v1/subscriptions/{name2}/pull", {"wait": "20s"}), 404, "not-found")


def test_waiting_pulls_end_with_the_daemon_and_with_their_client():
    d = Daemon().start()
    d.subscribe("p", "t")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(d.client().request("POST", "/v1/subscriptions/p/pull", {"wait": "60s"})))
    thread.start()
    with socket.create_connection(("127.0.0.1", d.port)) as gone:
        gone.sendall(b'POST /v1/subscriptions/p/pull HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{"wait":"60s"}')
        eventually(lambda: d.get("/v1/stats").json["messages"]["pulls_waiting"] == 2)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: d.get("/v1/stats").json["messages"]["pulls_waiting"] == 1, what="who went away waits no more")
    equal(d.stop(), 0)
    thread.join(10)
    equal((answers[0].status, answers[0].json), (200, {"items": []}))


def test_pull_in_order():
    d, s = daemon(), shared_site()
    name = s.gid("p")
    d.subscribe(name, s.gid("t"))
    for i in range(6):
        d.publish(s.gid("t"), i, id=s.gid(f"m{i}"), key=f"k{i % 2}")
    items = d.pull(name, max=10)
    equal([i["body"] for i in items], [0, 1], "one of each key")
    d.post(f"/v1/deliveries/{items[0]['id']}/ack")
    equal([i["body"] for i in d.pull(name, max=10)], [2])
    d.post(f"/v1/deliveries/{items[1]['id']}/nack", {"delay": "1m"})
    equal(d.pull(name, max=10), [], "what comes later waits for the retry")


def test_a_pull_is_bounded_in_bytes():
    d, s = Daemon().start(), shared_site()
    d.subscribe("p", "t", ordered=False)
    for i in range(24):
        d.publish("t", "x" * 250000, id=s.gid(f"m{i}"))
    items = d.pull("p", max=1000)
    less(len(items), 24)
    less(16, len(items) + 1)
    equal(len(items) + len(d.pull("p", max=1000)), 24)


def test_a_pull_has_a_key_like_every_post():
    d, s = daemon(), shared_site()
    d.subscribe(s.gid("p"), s.gid("t"))
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    key = {"Idempotency-Key": s.gid("k")}
    first = d.post(f"/v1/subscriptions/{s.gid('p')}/pull", {}, headers=key)
    again = d.post(f"/v1/subscriptions/{s.gid('p')}/pull", {}, headers=key)
    equal((len(first.json["items"]), again.json, again.headers.get("settle-replayed")), (1, first.json, "true"))


def test_lanes_tell_what_stands_still():
    d, s = daemon(), shared_site()
    name = s.gid("a")
    d.subscribe(name, s.gid("t"), s.url("a"))
    s.on("a", 409)
    d.publish(s.gid("t"), 0, id=s.gid("m0"), key="bad")
    d.until_delivery(s.gid("m0"), name, "dead")
    s.on("a", 200)
    for i in range(1, 4):
        d.publish(s.gid("t"), i, id=s.gid(f"m{i}"), key="bad")
    d.publish(s.gid("t"), 4, id=s.gid("m4"), key="good")
    d.until_delivery(s.gid("m4"), name, "acked")
    equal(d.deliveries(s.gid("m3")), {name: "parked"})
    lanes = d.get(f"/v1/subscriptions/{name}/lanes").json
    equal((lanes["lanes"], lanes["parked_lanes"]), (1, 1))
    equal([(l["key"], l["delivery"], l["parked"]) for l in lanes["items"]], [("bad", f"{s.gid('m0')}~{name}", 3)])
    shown = d.get(f"/v1/subscriptions/{name}").json
    equal((shown["owed"], shown["dead"], shown["parked"]), (4, 1, 3), shown)
    equal(len(s.calls("a")), 2)
    problem(d.get(f"/v1/subscriptions/{s.gid('none')}/lanes"), 404)
    d.subscribe(name, s.gid("t"), s.url("a"), dead={"park_key": False})
    for i in range(1, 4):
        d.until_delivery(s.gid(f"m{i}"), name, "acked")
    equal(d.get(f"/v1/subscriptions/{name}/lanes").json["parked_lanes"], 0)


def test_ack_by_call():
    d, s = daemon(), shared_site()
    name = s.gid("a")
    d.subscribe(name, s.gid("t"), s.url("a"), ack="call", ack_timeout="400ms", retry={"first": "20ms", "max": "20ms"})
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    held = d.until_delivery(s.gid("m"), name, "delivering")
    eventually(lambda: len(s.calls("a")) == 1)
    eventually(lambda: "lease_until" in d.until_delivery(s.gid("m"), name, "delivering"))
    need(held["attempts"] == 1, held)
    eventually(lambda: len(s.calls("a")) == 2, what="no ack in time: again")
    delivery = s.calls("a")[0].headers["settle-delivery"]
    equal(d.post(f"/v1/deliveries/{delivery}/ack").json["status"], "acked")
    eventually(lambda: d.message(s.gid("m"))["finished"])
    time.sleep(0.6)
    equal(len(s.calls("a")), 2)


def test_push_answers():
    d, s = daemon(), shared_site()
    name = s.gid("a")
    d.subscribe(name, s.gid("t"), s.url("a"), retry={"first": "20ms", "max": "40ms"})
    s.on("a", Status(425, {"detail": "busy"}, Retry_After="1"), 500, Status(429, b"", Retry_After="0"), 302, 200)
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    d.until_delivery(s.gid("m"), name, "acked")
    equal([c.attempt for c in s.calls("a")], [1, 2, 3, 4, 5])
    less(0.99, s.calls("a")[1].at - s.calls("a")[0].at)
    equal({c.headers["idempotency-key"] for c in s.calls("a")}, {s.calls("a")[0].headers["idempotency-key"]})
    equal({c.body for c in s.calls("a")}, {b"1"})


def test_a_broker_that_is_not_there():
    d, s = daemon(), shared_site()
    name = s.gid("mq")
    shown = d.subscribe(name, s.gid("t"), sink={"stomp": {"url": "stomp://127.0.0.1:1", "destination": "/queue/ship"}}, retry={"first": "20ms", "max": "20ms"})
    equal((shown["way"], shown["to"]), ("sink", "stomp://127.0.0.1:1?destination=/queue/ship"))
    d.publish(s.gid("t"), 1, id=s.gid("m"))
    eventually(lambda: d.until_delivery(s.gid("m"), name, ("pending", "delivering", "retrying"))["attempts"] >= 2)
    need(d.until_delivery(s.gid("m"), name, ("retrying", "delivering"))["detail"], "says why")
    problem(d.put(f"/v1/subscriptions/{name}", {"topic": s.gid("t"), "sink": {"stomp": {"url": "stomp://127.0.0.1:1"}}}), 422, "invalid-value", "destination")
    d.subscribe(name, s.gid("t"), s.url("a"))
    d.until_delivery(s.gid("m"), name, "acked")


def test_a_million_owed_is_no_reason_to_wait():
    d = Daemon().start()
    d.subscribe("p", "t")
    count = 300 if quick() else 3000
    for i in range(count):
        d.publish("t", i, key=f"k{i % 7}")
    shown = d.get("/v1/subscriptions/p").json
    equal((shown["owed"], shown["lanes"], shown["ready"]), (count, 7, 7), shown)
    d.restart()
    shown = d.get("/v1/subscriptions/p").json
    equal((shown["owed"], shown["lanes"], shown["ready"]), (count, 7, 7), shown)


def test_a_topic_with_as_many_subscriptions_as_there_may_be():
    d, s = Daemon().start(), shared_site()
    s.on("check", Status(200, {"status": "committed"}))
    for i in range(1000):
        equal(d.put(f"/v1/subscriptions/many-{i}", {"topic": "t", "pull": True}).status, 201)
    problem(d.put("/v1/subscriptions/many-1000", {"topic": "t", "pull": True}), 429, "quota", "1000 subscriptions")
    equal(d.put("/v1/subscriptions/many-7", {"topic": "t", "pull": True, "description": "changed"}).status, 200)
    d.publish("t", 1, id="direct")
    equal(d.post("/v1/messages", {"id": "half", "topic": "t", "state": "half", "check": {"http": s.url("check"), "after": "50ms"}}).status, 201)
    eventually(lambda: d.message("half")["status"] == "committed")
    for _ in range(2):
        equal(d.get("/v1/subscriptions/many-999").json["owed"], 2)
        d.kill()
        d.start()
    equal([i["message"] for i in d.pull("many-3")], ["direct", "half"])


def test_a_keyed_pull_gets_the_same_deliveries_again():
    d, s = Daemon().start(), shared_site()
    d.subscribe("p", "t", ordered=False)
    for i in range(6):
        d.publish("t", "x" * 200000, id=f"m{i}")
    key = {"Idempotency-Key": s.gid("key")}
    first = d.post("/v1/subscriptions/p/pull", {"max": 4, "lease": "1m"}, headers=key)
    equal(len(first.json["items"]), 4)
    again = d.post("/v1/subscriptions/p/pull", {"max": 4, "lease": "1m"}, headers=key)
    equal((again.headers.get("settle-replayed"), again.json), ("true", first.json))
    d.post(f"/v1/deliveries/{first.json['items'][0]['id']}/ack", {})
    left = d.post("/v1/subscriptions/p/pull", {"max": 4, "lease": "1m"}, headers=key).json["items"]
    equal([i["id"] for i in left], [i["id"] for i in first.json["items"][1:]])
    problem(d.post("/v1/subscriptions/p/pull", {"max": 5}, headers=key), 422, "key-reused")
    equal(len(d.pull("p", max=10)), 2)
    d.kill()
    d.start()
    after = d.post("/v1/subscriptions/p/pull", {"max": 4, "lease": "1m"}, headers=key)
    equal((after.headers.get("settle-replayed"), after.json["items"]), ("true", []), "a restart ends leases")
    eventually(lambda: len(d.pull("p", max=10)) > 0)


def test_a_keyed_pull_never_gets_what_somebody_else_holds():
    d, s = Daemon().start(), shared_site()
    d.subscribe("p", "t", retry={"first": "20ms", "max": "20ms"})
    d.publish("t", 1, id="m")
    key = {"Idempotency-Key": s.gid("key")}
    first = d.post("/v1/subscriptions/p/pull", {"max": 1, "lease": "200ms"}, headers=key)
    equal([i["id"] for i in first.json["items"]], ["m~p"])
    held = []
    eventually(lambda: held or held.extend(d.pull("p", max=1, lease="1m")) or held)
    equal([i["id"] for i in held], ["m~p"], "the lease was over, and another consumer has it")
    again = d.post("/v1/subscriptions/p/pull", {"max": 1, "lease": "200ms"}, headers=key)
    equal((again.headers.get("settle-replayed"), again.json["items"]), ("true", []))
    equal(d.post(f"/v1/deliveries/{held[0]['id']}/ack", {}).status, 200)
