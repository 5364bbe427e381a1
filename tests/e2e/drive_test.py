"""Transactions that the client drives: begin, register, commit or rollback (I-T4, G1)."""

import json
import threading
import time

from kit import Gate, equal, eventually, need, problem, shared_daemon, shared_site


def begin(d, s, mode="tcc", **more):
    answer = d.submit({"gid": s.gid(), "mode": mode, "drive": "client", **more})
    need(answer.status in (200, 201, 202), answer)
    return answer


def register(d, s, branch):
    return d.post(f"/v1/transactions/{s.gid()}/branches", branch)


def decide(d, s, word, **more):
    return d.post(f"/v1/transactions/{s.gid()}/{word}" + ("?wait=10s" if more.pop("wait", True) else ""), more.get("body"))


def test_tcc_commit_confirms_what_was_registered():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    for name in ("a", "b"):
        need(register(d, s, s.part(name)).status in (200, 201, 202))
    equal(s.calls(), [], "the client calls try itself")
    answer = decide(d, s, "commit")
    equal((answer.status, answer.json["status"]), (200, "committed"), answer)
    equal(sorted(s.paths()), ["a/confirm", "b/confirm"])


def test_tcc_rollback_cancels_what_was_registered():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    register(d, s, s.part("a"))
    register(d, s, s.part("b"))
    answer = decide(d, s, "rollback")
    equal((answer.status, answer.json["status"]), (200, "rolled_back"), answer)
    equal(sorted(s.paths()), ["a/cancel", "b/cancel"])


def test_saga_rollback_compensates_in_reverse():
    d, s = shared_daemon(), shared_site()
    begin(d, s, "saga")
    for name in ("a", "b", "c"):
        register(d, s, s.step(name))
    decide(d, s, "rollback")
    d.until(s.gid(), "rolled_back")
    equal(s.paths(), ["c/undo", "b/undo", "a/undo"])


def test_saga_commit_calls_nobody():
    d, s = shared_daemon(), shared_site()
    begin(d, s, "saga")
    register(d, s, s.step("a"))
    answer = decide(d, s, "commit")
    equal(answer.json["status"], "committed", answer)
    equal(s.calls(), [])


def test_undecided_at_the_deadline_is_rolled_back():
    d, s = shared_daemon(), shared_site()
    begin(d, s, deadline="400ms")
    register(d, s, s.part("a"))
    t = d.until(s.gid(), "rolled_back", 10)
    equal(s.paths(), ["a/cancel"])
    need("deadline" in json.dumps(t["reason"]), t)


def test_an_empty_one_commits():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    equal(decide(d, s, "commit").json["status"], "committed")


def test_commit_and_rollback_are_final_and_repeatable():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    register(d, s, s.part("a"))
    equal(decide(d, s, "commit").status, 200)
    equal(decide(d, s, "commit").status, 200, "the same decision again")
    p = problem(decide(d, s, "rollback"), 409, "already-decided")
    equal(p.get("decision"), "committed", p)
    equal(p.get("retry"), False, p)
    equal(len(s.calls("a/confirm")), 1)


def test_rollback_wins_over_a_later_commit():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    decide(d, s, "rollback")
    equal(problem(decide(d, s, "commit"), 409, "already-decided").get("decision"), "rolled_back")


def test_registering_after_the_decision_is_refused():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    decide(d, s, "rollback")
    problem(register(d, s, s.part("late")), 409)
    equal(s.calls(), [])


def test_registering_the_same_branch_again_is_a_repeat():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    first = register(d, s, s.part("a"))
    again = register(d, s, s.part("a"))
    need(first.status in (200, 201, 202) and again.status in (200, 201, 202), first, again)
    problem(register(d, s, s.part("a", body={"other": 1})), 409)
    equal(len(d.show(s.gid())["branches"]), 1)


def test_deciding_for_nobody_is_404():
    d, s = shared_daemon(), shared_site()
    for word in ("commit", "rollback"):
        problem(d.post(f"/v1/transactions/{s.gid('ghost')}/{word}"), 404)
    problem(d.post(f"/v1/transactions/{s.gid('ghost')}/branches", s.part("a")), 404)


def test_commit_of_a_server_driven_transaction_is_refused():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a")))
    eventually(s.calls)
    answer = decide(d, s, "commit", wait=False)
    need(answer.status in (409, 422), answer)
    gate.open()
    d.until(s.gid(), "committed")


def test_racing_decisions_have_one_winner():
    d = shared_daemon()
    for _ in range(20):
        s = shared_site()
        begin(d, s)
        register(d, s, s.part("a"))
        answers, ready = {}, threading.Barrier(6)

        def race(i, s=s, answers=answers, ready=ready):
            client = d.client()
            word = "commit" if i % 2 else "rollback"
            ready.wait()
            answers[i] = (word, client.request("POST", f"/v1/transactions/{s.gid()}/{word}"))
            client.close()

        threads = [threading.Thread(target=race, args=(i,)) for i in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        winners = {word for word, answer in answers.values() if answer.status < 300}
        equal(len(winners), 1, {str(i): a.describe() for i, (_, a) in answers.items()})
        word = winners.pop()
        for other, answer in answers.values():
            if other != word:
                equal(problem(answer, 409, "already-decided").get("decision"), "committed" if word == "commit" else "rolled_back")
        d.until(s.gid(), "committed" if word == "commit" else "rolled_back")
        equal(s.paths(), ["a/confirm" if word == "commit" else "a/cancel"])


def test_commit_survives_a_restart_of_the_client_only():
    d, s = shared_daemon(), shared_site()
    begin(d, s, deadline="20s")
    register(d, s, s.part("a"))
    d.drop_connection()
    time.sleep(0.1)
    equal(d.status(s.gid()), "active")
    equal(decide(d, s, "commit").json["status"], "committed")


def test_commit_while_suspended_confirms_after_resume():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    register(d, s, s.part("a"))
    equal(d.post(f"/v1/transactions/{s.gid()}/suspend", {"reason": "look"}).status, 200)
    need(decide(d, s, "commit", wait=False).status in (200, 202))
    time.sleep(0.3)
    equal(s.calls(), [])
    d.post(f"/v1/transactions/{s.gid()}/resume", {"reason": "go"})
    d.until(s.gid(), "committed")
    equal(s.paths(), ["a/confirm"])


def test_every_branch_that_was_accepted_is_confirmed():
    d = shared_daemon()
    for _ in range(10):
        s = shared_site()
        begin(d, s)
        accepted, stop = [], threading.Event()

        def add(number, s=s, accepted=accepted, stop=stop):
            client = d.client()
            for i in range(200):
                if stop.is_set():
                    break
                name = f"b{number}-{i}"
                answer = client.request("POST", f"/v1/transactions/{s.gid()}/branches", s.part(name))
                if answer.status == 200:
                    accepted.append(name)
                else:
                    problem(answer, 409)
                    break
            client.close()

        threads = [threading.Thread(target=add, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        time.sleep(0.05)
        answer = decide(d, s, "commit")
        stop.set()
        for t in threads:
            t.join()
        equal(answer.json["status"], "committed", answer)
        equal(sorted(s.paths()), sorted(f"{n}/confirm" for n in accepted))


def test_the_thousand_and_first_branch_is_refused():
    d, s = shared_daemon(), shared_site()
    begin(d, s)
    for i in range(1000):
        equal(register(d, s, {"id": f"{i}", "base": s.url("x")}).status, 200)
    answer = register(d, s, {"id": "1000", "base": s.url("x")})
    need(answer.status in (409, 422) and ("1000" in answer.body.decode() or "1,000" in answer.body.decode()), answer)
    equal(decide(d, s, "rollback", wait=False).status in (200, 202), True)
    d.until(s.gid(), "rolled_back", 30)


def test_rollback_of_a_running_tcc_cancels():
    d, s = shared_daemon(), shared_site()
    gate = s.on("b/try", Gate())
    d.submit(s.tcc(s.part("a"), s.part("b")))
    eventually(lambda: len(s.calls()) == 2)
    need(decide(d, s, "rollback", wait=False).status in (200, 202))
    time.sleep(0.2)
    equal(s.calls("b/cancel"), [], "its try is still open")
    gate.open()
    d.until(s.gid(), "rolled_back")
    equal(sorted(s.paths()), ["a/cancel", "a/try", "b/cancel", "b/try"])


def test_rollback_of_a_decided_one_is_409():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/confirm", Gate())
    d.submit(s.tcc(s.part("a")))
    eventually(lambda: s.calls("a/confirm"))
    equal(problem(decide(d, s, "rollback", wait=False), 409, "already-decided")["decision"], "committed")
    gate.open()
    d.until(s.gid(), "committed")
