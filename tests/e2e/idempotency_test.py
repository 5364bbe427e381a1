"""Saying the same thing twice (G3, G10; design.md 4 (8), (17)). Any POST takes Idempotency-Key (ux.md (b))."""

import glob
import http.client
import json
import os
import socket
import struct
import threading
import uuid

from kit import Daemon, Delay, Gate, Status, equal, eventually, need, problem, shared_daemon, shared_site

BROKEN = (OSError, http.client.HTTPException)


def test_a_repeat_of_a_final_one_answers_200_and_calls_nobody():
    d, s = shared_daemon(), shared_site()
    body = s.saga(s.step("a"))
    d.run(body)
    again = d.submit(body)
    equal((again.status, again.json["status"]), (200, "committed"), again)
    equal(len(s.calls()), 1)


def test_a_repeat_of_a_running_one_answers_202():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    body = s.saga(s.step("a"))
    equal(d.submit(body).status, 202)
    again = d.submit(body)
    equal((again.status, again.json["gid"]), (202, s.gid()), again)
    gate.open()
    d.until(s.gid(), "committed")
    equal(len(s.calls()), 1)


def test_a_repeat_under_a_key_says_so_though_it_names_its_gid():
    d, s = shared_daemon(), shared_site()
    body, key = s.saga(s.step("a")), {"Idempotency-Key": s.gid("key")}
    first = d.submit(body, headers=key)
    again = d.submit(body, headers=key)
    equal((first.headers.get("settle-replayed"), again.headers.get("settle-replayed")), (None, "true"), again)
    equal(d.submit(body).headers.get("settle-replayed"), None)
    d.until(s.gid(), "committed")
    for other in ({**body, "gid": s.gid("other")}, {**body, "name": "other"}, {"mode": "saga", "branches": [s.step("a")]}):
        equal(problem(d.submit(other, headers=key), 422)["type"], "/problems/key-reused", other)
    equal(problem(d.post(f"/v1/transactions/{s.gid()}/suspend", {"reason": "x"}, headers=key), 422)["type"], "/problems/key-reused")
    equal(d.get(f"/v1/transactions/{s.gid('other')}").status, 404)


def test_a_repeat_can_wait():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(0.5))
    body = s.saga(s.step("a"))
    d.submit(body)
    again = d.submit(body, wait="10s")
    equal((again.status, again.json["status"]), (200, "committed"), again)


def test_the_same_gid_with_another_body_is_409_and_changes_nothing():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a")))
    for other in (s.saga(s.step("b")), s.saga(s.step("a", body={"step": "a", "more": 1})), s.saga(s.step("a"), deadline="9s"),
                  s.saga(s.step("a"), labels={"x": "y"}), s.tcc(s.part("a"))):
        p = problem(d.submit(other), 409)
        equal(p["retry"], False)
    equal(s.paths(), ["a/do"])


def test_whitespace_and_member_order_do_not_make_another_request():
    d, s = shared_daemon(), shared_site()
    url = s.url("a/do")
    one = '{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s","body":{"k":1}}]}' % (s.gid(), url)
    two = '{ "branches" : [ {"body":{"k":1}, "action" : "%s","id":"a"} ],\n "mode":"saga", "gid":"%s" }' % (url, s.gid())
    equal(d.submit(one.encode(), wait="10s").status, 200)
    equal(d.submit(two.encode()).status, 200)


def test_body_bytes_do_make_another_request():
    d, s = shared_daemon(), shared_site()
    url = s.url("a/do")
    text = '{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s","body":%s}]}'
    equal(d.submit((text % (s.gid(), url, '{"k":1}')).encode(), wait="10s").status, 200)
    problem(d.submit((text % (s.gid(), url, '{"k": 1}')).encode()), 409)


def test_wait_is_not_part_of_the_request():
    d, s = shared_daemon(), shared_site()
    body = s.saga(s.step("a"))
    equal(d.submit(body, wait="5s").status, 200)
    equal(d.submit(body, wait="6s").status, 200)
    equal(d.submit(body).status, 200)


def test_without_a_gid_the_server_makes_one():
    d, s = shared_daemon(), shared_site()
    a = d.submit({"mode": "saga", "branches": [s.step("a")]}, wait="5s")
    b = d.submit({"mode": "saga", "branches": [s.step("a")]}, wait="5s")
    need(a.json["gid"].startswith("tx_") and b.json["gid"].startswith("tx_"), a, b)
    need(a.json["gid"] != b.json["gid"], a, b)


def test_an_idempotency_key_makes_the_gid():
    d, s = shared_daemon(), shared_site()
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"mode": "saga", "branches": [s.step("a")]}
    first = d.submit(body, wait="5s", headers=key)
    again = d.submit(body, wait="5s", headers=key)
    equal(first.status, 200, first)
    equal(first.json["gid"], again.json["gid"], first, again)
    equal(again.headers.get("settle-replayed"), "true", again)
    equal(first.headers.get("settle-replayed"), None, first)
    equal(len(s.calls()), 1)


def test_an_idempotency_key_with_another_body_is_refused():
    d, s = shared_daemon(), shared_site()
    key = {"Idempotency-Key": str(uuid.uuid4())}
    d.submit({"mode": "saga", "branches": [s.step("a")]}, wait="5s", headers=key)
    problem(d.submit({"mode": "saga", "branches": [s.step("b")]}, headers=key), (422, 409)[0])
    equal(s.paths(), ["a/do"])


def test_an_idempotency_key_remembers_other_posts():
    d, s = shared_daemon(), shared_site()
    d.submit({"gid": s.gid(), "mode": "tcc", "drive": "client"})
    path = f"/v1/transactions/{s.gid()}/rollback"
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = d.post(path, {"reason": "x"}, headers=key)
    need(first.status in (200, 202), first)
    d.until(s.gid(), "rolled_back")
    again = d.post(path, {"reason": "x"}, headers=key)
    equal((again.status, again.headers.get("settle-replayed")), (first.status, "true"), again)
    problem(d.post(path, {"reason": "y"}, headers=key), 422)


def test_malformed_idempotency_keys_are_refused():
    d, s = shared_daemon(), shared_site()
    body = {"mode": "saga", "branches": [s.step("a")]}
    for key in ("", "k" * 256):
        answer = d.submit(body, headers={"Idempotency-Key": key})
        need(400 <= answer.status < 500, f"{key!r}", answer)
    equal(d.submit(body, headers={"Idempotency-Key": "k" * 255}, wait="5s").status, 200)


def test_twenty_at_once_are_one_transaction():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(0.1))
    body = s.saga(s.step("a"), s.step("b"))
    answers, ready = [], threading.Barrier(20)

    def one():
        client = d.client()
        ready.wait()
        answers.append(client.request("POST", "/v1/transactions?wait=10s", body))
        client.close()

    threads = [threading.Thread(target=one) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal({(a.status, a.json["status"]) for a in answers}, {(200, "committed")})
    equal(s.paths(), ["a/do", "b/do"])


def test_wait_ends_with_202_when_it_is_not_final():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    answer = d.submit(s.saga(s.step("a")), wait="300ms")
    equal((answer.status, answer.json["status"]), (202, "active"), answer)
    need(answer.json.get("links", {}).get("self", "").endswith(s.gid()), answer)
    gate.open()
    d.until(s.gid(), "committed")


def test_without_wait_the_answer_does_not_wait():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    answer = d.submit(s.saga(s.step("a")))
    equal(answer.status, 202, answer)
    gate.open()
    d.until(s.gid(), "committed")


def test_get_can_wait_too():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(0.4))
    d.submit(s.saga(s.step("a")))
    answer = d.get(f"/v1/transactions/{s.gid()}?wait=10s")
    equal((answer.status, answer.json["status"]), (200, "committed"), answer)


def test_odd_waits_are_refused():
    d, s = shared_daemon(), shared_site()
    for wait in ("5", "-1s", "1y", "abc", "1.5s", "61s", "99999999999999999999s", "5s5s"):
        answer = d.submit(s.saga(s.step("a")), **{}) if wait is None else d.post(f"/v1/transactions?wait={wait}", s.saga(s.step("a")))
        need(answer.status in (400, 422), f"wait={wait!r}", answer)
    equal(s.calls(), [])


def test_the_first_decision_stands_in_the_repeat():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(409, b"no"))
    body = s.saga(s.step("a"))
    d.run(body, "rolled_back")
    again = d.submit(body)
    equal((again.status, again.json["status"], again.json["reason"]["detail"]), (200, "rolled_back", "no"), again)
    eventually(lambda: d.submit(body).json["status"] == "rolled_back")


def test_keys_and_answers_survive_a_kill():
    d, s = Daemon().start(), shared_site()
    key, other = {"Idempotency-Key": str(uuid.uuid4())}, {"Idempotency-Key": str(uuid.uuid4())}
    body = {"mode": "saga", "branches": [s.step("a")]}
    first = d.submit(body, wait="5s", headers=key)
    d.submit({"gid": s.gid("own"), "mode": "tcc", "drive": "client"})
    path = f"/v1/transactions/{s.gid('own')}/rollback"
    done = d.post(path, {"reason": "x"}, headers=other)
    d.restart()
    again = d.submit(body, headers=key)
    equal((again.status, again.json["gid"]), (200, first.json["gid"]), again)
    replay = d.post(path, {"reason": "x"}, headers=other)
    equal((replay.status, replay.body, replay.headers.get("settle-replayed")), (done.status, done.body, "true"), done, replay)
    problem(d.post(path, {"reason": "y"}, headers=other), 422)
    equal(len(s.calls("a/do")), 1)


def test_one_key_at_many_doors_at_once_is_one_act():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/confirm", Gate())
    d.submit(s.tcc(s.part("a")))
    eventually(lambda: s.calls("a/confirm"))
    key, answers, ready = {"Idempotency-Key": str(uuid.uuid4())}, [], threading.Barrier(8)

    def one():
        client = d.client()
        ready.wait()
        answers.append(client.request("POST", f"/v1/transactions/{s.gid()}/suspend", {"reason": "x"}, headers=key))
        client.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    need(all(a.status in (200, 409) for a in answers), [a.describe() for a in answers])
    need(sum(a.status == 200 and "settle-replayed" not in a.headers for a in answers) == 1, [a.describe() for a in answers])
    gate.open()
    d.post(f"/v1/transactions/{s.gid()}/resume", {"reason": "x"})
    d.until(s.gid(), "committed")


def fresh_key():
    return {"Idempotency-Key": str(uuid.uuid4())}


def stuck(d, s, name):
    """A TCC that is committing and waits an hour for its next attempt."""
    s.on("a/confirm", 500)
    d.submit(s.tcc(s.part("a", retry={"first": "1h", "max": "1h"}), name=name))
    eventually(lambda: [c for c in s.calls("a/confirm") if c.gid == s.gid(name)])
    d.until(s.gid(name), "committing")


def held(d, s, name):
    stuck(d, s, name)
    equal(d.post(f"/v1/transactions/{s.gid(name)}/suspend", {"reason": "held"}).status, 200)


def own(d, s, name, *parts):
    """A TCC that its client drives."""
    equal(d.submit({"gid": s.gid(name), "mode": "tcc", "drive": "client"}).status, 202)
    for part in parts:
        equal(d.post(f"/v1/transactions/{s.gid(name)}/branches", s.part(part)).status, 200)


def announced(d, s, name):
    check = {"http": s.url("check"), "after": "1h"}
    equal(d.post("/v1/messages", {"id": s.gid(name), "topic": s.gid(name), "state": "half", "check": check}).status, 201)


def subscribed(d, s, name):
    d.subscribe(s.gid(name), s.gid(name))


def leased(d, s, name):
    subscribed(d, s, name)
    d.publish(s.gid(name), 1, id=s.gid(name))
    equal(len(d.pull(s.gid(name))), 1)


def dead(d, s, name):
    s.on("refuses", 409)
    d.subscribe(s.gid(name), s.gid(name), s.url("refuses"))
    d.publish(s.gid(name), 1, id=s.gid(name))
    d.until_delivery(s.gid(name), s.gid(name), "dead")


def endpoint(d, s, name):
    equal(d.put(f"/v1/endpoints/{s.gid(name)}", {"url": s.url("told")}).status, 201)


def notified(d, s, name):
    endpoint(d, s, name)
    made = d.post("/v1/notifications", {"id": s.gid(name), "endpoint": s.gid(name), "event": "paid", "schedule": ["1h"]})
    equal(made.status, 201, made)


def database(d, _s, _name):
    equal(d.put("/v1/datasources/nowhere", {"url": "postgresql://settle@127.0.0.1:1/shop"}).status, 201)


def why(route, more=None):
    return {"reason": f"because of {route}", **(more or {})}


# For every POST there is: what transaction has to be there before, and what to send.
POSTS = {
    "/v1/transactions": (None, lambda s: {"mode": "saga", "branches": [s.step("b")]}),
    "/v1/transactions/{gid}/branches": (own, lambda s: s.part("b", body={"list": [1, 2]})),
    "/v1/transactions/{gid}/commit": (own, lambda s: why("commit")),
    "/v1/transactions/{gid}/rollback": (own, lambda s: why("rollback")),
    "/v1/transactions/{gid}/retry": (stuck, lambda s: why("retry")),
    "/v1/transactions/{gid}/suspend": (stuck, lambda s: why("suspend")),
    "/v1/transactions/{gid}/resume": (held, lambda s: why("resume")),
    "/v1/transactions/{gid}/force": (stuck, lambda s: why("force", {"decision": "commit"})),
    "/v1/transactions/{gid}/branches/{branch}/retry": (stuck, lambda s: why("one")),
    "/v1/transactions/{gid}/branches/{branch}/resolve": (stuck, lambda s: why("resolve", {"as": "done"})),
    "/v1/messages": (None, lambda s: {"topic": s.gid("t"), "body": {"list": [1, 2]}}),
    "/v1/messages/{message}/commit": (announced, lambda s: why("message commit")),
    "/v1/messages/{message}/rollback": (announced, lambda s: why("message rollback")),
    "/v1/messages/{message}/check": (announced, lambda s: why("message check")),
    "/v1/subscriptions/{subscription}/pull": (subscribed, lambda s: {"max": 5}),
    "/v1/subscriptions/{subscription}/pause": (subscribed, lambda s: why("pause")),
    "/v1/subscriptions/{subscription}/resume": (subscribed, lambda s: why("unpause")),
    "/v1/deliveries/{delivery}/ack": (leased, lambda s: {}),
    "/v1/deliveries/{delivery}/nack": (leased, lambda s: why("nack", {"delay": "1h"})),
    "/v1/deliveries/{delivery}/replay": (dead, lambda s: why("replay")),
    "/v1/deliveries/{delivery}/edit": (dead, lambda s: why("edit", {"body": {"list": [1, 2]}})),
    "/v1/deliveries/{delivery}/discard": (dead, lambda s: why("discard")),
    "/v1/endpoints/{endpoint}/disable": (endpoint, lambda s: why("disable")),
    "/v1/endpoints/{endpoint}/enable": (endpoint, lambda s: why("enable")),
    "/v1/endpoints/{endpoint}/rotate-secret": (endpoint, lambda s: {"overlap": "1h"}),
    "/v1/notifications": (endpoint, lambda s: {"endpoint": s.gid("v1.notifications"), "event": "paid", "body": {"list": [1, 2]}}),
    "/v1/notifications/{notification}/retry": (notified, lambda s: why("notification retry")),
    "/v1/notifications/{notification}/cancel": (notified, lambda s: why("notification cancel")),
    "/v1/datasources/{datasource}/check": (database, lambda s: {}),
    "/v1/config/reload": (None, lambda s: {}),
    "/v1/tokens": (None, lambda s: {"name": "made-" + s.name, "roles": ["viewer"], "expires": "1h"}),
    "/v1/signing-secret/rotate": (None, lambda s: {"overlap": "1h"}),
}
SECRET = {"/v1/tokens": "token", "/v1/signing-secret/rotate": "secret", "/v1/endpoints/{endpoint}/rotate-secret": "secret"}
# Routes whose repeat shows what was made, and a member that makes another request.
MAKERS = {"/v1/transactions": ("gid", {"name": "other"}), "/v1/messages": ("id", {"topic": "other"}), "/v1/notifications": ("id", {"event": "other"})}


def respelled(body):
    """The same object: other order, other blanks; what lies deeper stays byte for byte."""
    members = [f" {json.dumps(k)} :\n{json.dumps(v)} " for k, v in reversed(body.items())]
    return ("\t{" + ",".join(members) + "}").encode()


def judge_repeat(route, first, again):
    equal((again.status, again.headers.get("settle-replayed")), (first.status, "true"), route, first, again)
    if route in MAKERS:
        equal(again.json[MAKERS[route][0]], first.json[MAKERS[route][0]], again)
    elif route in SECRET:
        member, said = SECRET[route], dict(again.json)
        need(first.json[member], first)
        need(said.pop("shown_once"), again)
        equal(said, {**first.json, member: None}, again)
    else:
        equal(again.body, first.body, route)


def test_every_post_there_is_takes_a_key():
    d, s = Daemon(auth=True).start(), shared_site()
    said = []
    paths = d.get("/openapi.json").json["paths"]
    equal({p for p, methods in paths.items() if "post" in methods}, set(POSTS), "every POST is walked here: add the new one to POSTS")
    for route, (before, body_of) in POSTS.items():
        parameters = {q["name"] for q in paths[route]["post"]["parameters"]}
        need("Idempotency-Key" in parameters, route)
        name = route.strip("/").replace("/", ".").translate({ord("{"): None, ord("}"): None})
        if before:
            before(d, s, name)
        names = dict.fromkeys(("gid", "message", "subscription", "endpoint", "notification"), s.gid(name))
        names.update(delivery=f"{s.gid(name)}~{s.gid(name)}", branch="a", datasource="nowhere")
        path, body, key = route.format(**names), body_of(s), fresh_key()
        first = d.post(path, json.dumps(body).encode(), headers=key)
        need(first.status // 100 == 2 and "settle-replayed" not in first.headers, route, first)
        if route == "/v1/transactions":
            d.until(first.json["gid"], "committed")
        if route in MAKERS:
            first.status = 200
        judge_repeat(route, first, d.post(path, respelled(body), headers=key))
        other = {**body, **(MAKERS[route][1] if route in MAKERS else {"more": "x"})}
        elsewhere = "/v1/signing-secret/rotate" if route == "/v1/config/reload" else "/v1/config/reload"
        for where, what in ((path, other), (elsewhere, body)):
            equal(problem(d.post(where, what, headers=key), 422)["type"], "/problems/key-reused", route, where)
        said.append((route, path + ("?wait=1s" if "wait" in parameters else ""), body, key, first))
    d.restart()
    for route, path, body, key, first in said:
        judge_repeat(route, first, d.post(path.split("?")[0], body, headers=key))
        judge_repeat(route, first, d.post(path, body, headers=key))
    audit = json.dumps(d.get("/v1/audit?limit=200").json["items"])
    for act in ("because of retry", "because of suspend", "because of resume", "because of force", "because of one", "because of resolve",
                "because of message check", "because of pause", "because of replay", "because of edit", "because of discard", "config reload", "token create", "signing secret rotate"):
        equal(audit.count(act), 1, act, audit)
    equal([t["name"] for t in d.get("/v1/tokens").json["items"]].count("made-" + s.name), 1)
    secrets = [first.json[SECRET[route]] for route, _, _, _, first in said if route in SECRET]
    d.stop()
    for name in glob.glob(d.data + "/*.db*"):
        with open(name, "rb") as f:
            content = f.read()
        need(all(secret.encode() not in content for secret in secrets), name, "holds a secret (H11)")


def test_a_key_that_made_a_gid_stands_for_nothing_else():
    d, s = shared_daemon(), shared_site()
    own(d, s, "x")
    key = fresh_key()
    made = d.submit({"mode": "saga", "branches": [s.step("a")]}, wait="5s", headers=key)
    for path, body in ((f"/v1/transactions/{s.gid()}/rollback", {"reason": "x"}), ("/v1/config/reload", {})):
        equal(problem(d.post(path, body, headers=key), 422)["type"], "/problems/key-reused", path)
    equal(d.status(s.gid()), "active")
    equal(d.submit({"mode": "saga", "branches": [s.step("a")]}, headers=key).json["gid"], made.json["gid"])


def test_while_the_first_waits_its_repeat_is_409():
    d, s = shared_daemon(), shared_site()
    own(d, s, "x", "a")
    gate, key, answers = s.on("a/confirm", Gate()), fresh_key(), []
    path = f"/v1/transactions/{s.gid()}/commit"

    def first():
        client = d.client()
        answers.append(client.request("POST", path + "?wait=20s", {"reason": "x"}, headers=key))
        client.close()

    thread = threading.Thread(target=first)
    thread.start()
    eventually(lambda: s.calls("a/confirm"))
    equal(problem(d.post(path, {"reason": "x"}, headers=key), 409)["type"], "/problems/still-running")
    equal(problem(d.post(path, {"reason": "y"}, headers=key), 422)["type"], "/problems/key-reused")
    gate.open()
    thread.join()
    equal((answers[0].status, answers[0].json["status"]), (200, "committed"), answers[0])
    again = d.post(path, {"reason": "x"}, headers=key)
    equal((again.status, again.body, again.headers.get("settle-replayed")), (200, answers[0].body, "true"), again)


def leave_while_waiting(d, path, body, key):
    """Ask with a long wait, and be torn away (a client that only says it has no more to send still gets its answer)."""
    text = json.dumps(body)
    with socket.create_connection(("127.0.0.1", d.port)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(f"POST {path}?wait=30s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key['Idempotency-Key']}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        d.until(path.split("/")[3], "committing")


def test_a_key_is_known_though_nobody_waited_for_its_answer():
    d, s = Daemon().start(), shared_site()
    gate = s.on("a/confirm", Gate())
    for name in ("gone", "killed"):
        own(d, s, name, "a")
        path, key = f"/v1/transactions/{s.gid(name)}/commit", fresh_key()
        leave_while_waiting(d, path, {"reason": name}, key)
        if name == "killed":
            d.restart()
        said = []
        # That it went away is noticed a moment later; until then its request is still running.
        eventually(lambda: said.append(d.post(path + "?wait=100ms", {"reason": name}, headers=key)) or said[-1].status != 409)
        again = said[-1]
        equal((again.status, again.json["status"], again.headers.get("settle-replayed")), (202, "committing", "true"), again)
        equal(problem(d.post(path, {"reason": "other"}, headers=key), 422)["type"], "/problems/key-reused")
    gate.open()
    for name in ("gone", "killed"):
        d.until(s.gid(name), "committed")


def post_and_die(point, path, body, key):
    """A daemon that dies at this crash point under this request, started again."""
    d = Daemon(auth=True).start()
    with open(os.path.join(d.data, "signing-secret"), encoding="ascii") as f:
        d.first_secret = f.read().split()[0]
    d.stop()
    d.environment["SETTLE_CRASH"] = point
    d.start()
    try:
        need(False, d.post(path, body, headers=key))
    except BROKEN:
        d.wait_exit()
    d.environment.pop("SETTLE_CRASH")
    return d.start()


def test_a_token_is_made_once_whenever_settled_dies():
    body = {"name": "ci", "roles": ["viewer"]}
    for point, made_before in (("batch-durable", False), ("token-saved", True), ("answer-saved", True)):
        key = fresh_key()
        d = post_and_die(point, "/v1/tokens", body, key)
        first, again = d.post("/v1/tokens", body, headers=key), d.post("/v1/tokens", body, headers=key)
        equal((first.status, first.headers.get("settle-replayed")), (201, "true" if made_before else None), point, first)
        if made_before:
            equal(first.json["token"], None, point)
            need("revoke" in first.json["shown_once"], first)
        else:
            equal(d.get("/v1/info", token=first.json["token"]).status, 200, point)
        equal((again.status, again.json["id"], again.json["token"], again.headers.get("settle-replayed")), (201, first.json["id"], None, "true"), point, again)
        equal([t["id"] for t in d.get("/v1/tokens").json["items"] if t["name"] == "ci"], [first.json["id"]], point)
        problem(d.post("/v1/tokens", {**body, "name": "other"}, headers=key), 422)
        d.kill()


def test_the_signing_secret_is_rotated_once_whenever_settled_dies():
    for point, made_before in (("batch-durable", False), ("secret-saved", True), ("answer-saved", True)):
        key = fresh_key()
        d = post_and_die(point, "/v1/signing-secret/rotate", {}, key)
        first, again = d.post("/v1/signing-secret/rotate", {}, headers=key), d.post("/v1/signing-secret/rotate", {}, headers=key)
        equal((first.status, first.headers.get("settle-replayed")), (200, "true" if made_before else None), point, first)
        equal((again.status, again.json["secret"], again.headers.get("settle-replayed")), (200, None, "true"), point, again)
        with open(os.path.join(d.data, "signing-secret"), encoding="ascii") as f:
            current, before = [line.split()[0] for line in f.read().splitlines()]
        equal(before, d.first_secret, point, "rotated more than once")
        need(first.json["secret"] == (None if made_before else current), point)
        d.kill()
