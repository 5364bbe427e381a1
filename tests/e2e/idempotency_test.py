"""Saying the same thing twice (G3, G10; design.md 4 (8), (17))."""

import threading
import uuid

from kit import Delay, Gate, Status, equal, eventually, need, problem, shared_daemon, shared_site


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
    from kit import Daemon
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
