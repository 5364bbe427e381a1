"""What an operator does: retry, suspend, resume, force, resolve; all with a reason, all in the audit (H4, H12, G2)."""

import json
import time

from kit import Daemon, Gate, Silence, Status, equal, eventually, less, need, problem, shared_daemon, shared_site


def act(d, s, verb, body=None, gid=None):
    return d.post(f"/v1/transactions/{gid or s.gid()}/{verb}", body)


def audit_of(d, gid):
    return [i for i in d.get("/v1/audit?limit=200").json["items"] if gid in json.dumps(i)]


def stuck(d, s, **retry):
    """A TCC whose confirm fails until gate["open"]."""
    gate = {"open": False}
    s.on("a/confirm", lambda call: 200 if gate["open"] else 500)
    d.submit(s.tcc(s.part("a", retry=retry or {"first": "1h", "max": "1h"}), s.part("b")))
    eventually(lambda: s.calls("a/confirm"))
    d.until(s.gid(), "committing")
    return gate


def test_retry_brings_the_next_attempt_at_once():
    d, s = shared_daemon(), shared_site()
    gate = stuck(d, s)
    time.sleep(0.2)
    equal(len(s.calls("a/confirm")), 1)
    gate["open"] = True
    answer = act(d, s, "retry", {"reason": "it is up again"})
    equal(answer.status, 200, answer)
    d.until(s.gid(), "committed")
    equal([c.attempt for c in s.calls("a/confirm")], [1, 2])
    need(audit_of(d, s.gid()), "retry is in the audit")


def test_retry_of_one_branch():
    d, s = shared_daemon(), shared_site()
    gate = stuck(d, s)
    gate["open"] = True
    equal(act(d, s, "branches/a/retry", {"reason": "up"}).status, 200)
    d.until(s.gid(), "committed")


def test_retry_of_a_strange_branch_is_404():
    d, s = shared_daemon(), shared_site()
    gate = stuck(d, s)
    problem(act(d, s, "branches/ghost/retry", {"reason": "up"}), 404)
    gate["open"] = True
    act(d, s, "retry", {"reason": "up"})
    d.until(s.gid(), "committed")


def test_retry_of_a_finished_one_is_409():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a")))
    for verb in ("retry", "suspend", "force", "branches/a/resolve"):
        body = {"reason": "x", "decision": "commit"} if verb == "force" else {"reason": "x", "as": "done"} if verb.endswith("resolve") else {"reason": "x"}
        answer = act(d, s, verb, body)
        need(answer.status == 409, verb, answer)


def test_suspend_stops_calls_and_resume_goes_on():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a"), s.step("b")))
    eventually(s.calls)
    answer = act(d, s, "suspend", {"reason": "maintenance"})
    equal(answer.status, 200, answer)
    equal(d.show(s.gid())["suspended"], True)
    gate.open()
    time.sleep(0.4)
    equal(s.paths(), ["a/do"])
    equal(act(d, s, "resume", {"reason": "done"}).status, 200)
    t = d.until(s.gid(), "committed")
    equal(t["suspended"], False)
    need(len(audit_of(d, s.gid())) >= 2, "both are in the audit")


def test_a_suspended_deadline_rolls_back_after_resume():
    d, s = shared_daemon(), shared_site()
    s.on("b/do", 500)
    d.submit(s.saga(s.step("a"), s.step("b"), deadline="600ms"))
    eventually(lambda: s.calls("b/do"))
    equal(act(d, s, "suspend", {"reason": "look"}).status, 200)
    time.sleep(1.0)
    equal([p for p in s.paths() if p.endswith("undo")], [])
    act(d, s, "resume", {"reason": "go"})
    d.until(s.gid(), "rolled_back")
    equal(s.paths()[-2:], ["b/undo", "a/undo"])


def test_suspension_survives_a_restart():
    d, s = Daemon().start(), shared_site()
    s.on("a/do", 500)
    d.submit(s.saga(s.step("a"), deadline="1h"))
    eventually(s.calls)
    act(d, s, "suspend", {"reason": "look"})
    d.restart()
    count = len(s.calls())
    time.sleep(0.5)
    equal(len(s.calls()), count)
    equal(d.show(s.gid())["suspended"], True)
    s.on("a/do", 200)
    act(d, s, "resume", {"reason": "go"})
    d.until(s.gid(), "committed")


def test_force_commit_ends_it_by_hand():
    d, s = shared_daemon(), shared_site()
    stuck(d, s)
    answer = act(d, s, "force", {"decision": "commit", "reason": "user closed, ticket 881"})
    equal(answer.status, 200, answer)
    t = d.until(s.gid(), "heuristic_commit")
    count = len(s.calls())
    time.sleep(0.3)
    equal(len(s.calls()), count, "nothing is called any more")
    line = audit_of(d, s.gid())
    need("ticket 881" in json.dumps(line), "the audit has the reason", line)
    need("ticket 881" in json.dumps(d.get(f"/v1/transactions/{s.gid()}/events").json), "so has the timeline", t)


def test_force_rollback_ends_an_undecided_one_by_hand():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", 500)
    d.submit(s.tcc(s.part("a", retry={"first": "1h", "max": "1h"})))
    eventually(s.calls)
    equal(act(d, s, "force", {"decision": "rollback", "reason": "waived"}).status, 200)
    d.until(s.gid(), "heuristic_rollback")


def test_force_does_not_turn_a_decision_round():
    d, s = shared_daemon(), shared_site()
    gate = stuck(d, s)
    equal(problem(act(d, s, "force", {"decision": "rollback", "reason": "waived"}), 409, "already-decided")["decision"], "committed")
    gate["open"] = True
    act(d, s, "retry", {"reason": "up"})
    d.until(s.gid(), "committed")


def test_dangerous_acts_need_a_reason():
    d, s = shared_daemon(), shared_site()
    gate = stuck(d, s)
    for body in ({"decision": "commit"}, {"decision": "commit", "reason": ""}, {"decision": "commit", "reason": "   "}, {}, None,
                 {"decision": "maybe", "reason": "x"}, {"reason": "x"}, {"decision": "commit", "reason": "x" * 1025},
                 {"decision": "commit", "reason": "x", "oops": 1}):
        answer = act(d, s, "force", body)
        need(answer.status in (400, 422), body, answer)
    for body in ({}, None, {"reason": ""}, {"as": "done"}, {"as": "perhaps", "reason": "x"}, {"as": "done", "reason": "x", "operation": "fly"}):
        answer = act(d, s, "branches/a/resolve", body)
        need(answer.status in (400, 422), body, answer)
    equal(d.status(s.gid()), "committing")
    gate["open"] = True
    act(d, s, "retry", {"reason": "up"})
    d.until(s.gid(), "committed")


def test_resolve_settles_one_operation():
    d, s = shared_daemon(), shared_site()
    stuck(d, s)
    answer = act(d, s, "branches/a/resolve", {"reason": "booked by hand"})  # as "done", when it does not say
    equal(answer.status, 200, answer)
    t = d.until(s.gid(), ("committed", "heuristic_commit"))
    equal(next(b for b in t["branches"] if b["id"] == "a")["confirm"], "resolved", t)
    need("booked by hand" in json.dumps(audit_of(d, s.gid())), t)


def test_an_open_call_of_a_forced_one_ends_quietly():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/confirm", Gate())
    d.submit(s.tcc(s.part("a")))
    eventually(lambda: s.calls("a/confirm"))
    act(d, s, "force", {"decision": "commit", "reason": "x"})
    gate.open()
    time.sleep(0.3)
    equal(d.status(s.gid()), "heuristic_commit")


def test_attention_appears_and_clears_in_lists():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("a/confirm", lambda call: 200 if gate["open"] else Status(409, b"closed"))
    d.submit(s.tcc(s.part("a"), labels={"att": s.name}))

    def listed():
        return [i["gid"] for i in d.get(f"/v1/transactions?attention=true&label.att={s.name}").json["items"]]

    eventually(lambda: listed() == [s.gid()], 10)
    gate["open"] = True
    d.until(s.gid(), "committed")
    eventually(lambda: listed() == [], 5)


def test_attention_never_gives_up():
    d, s = shared_daemon(), shared_site()
    s.on("a/confirm", *([500] * 25), 200)
    d.submit(s.tcc(s.part("a", retry={"first": "10ms", "max": "20ms"})))
    d.until(s.gid(), "committed", 20)
    equal(len(s.calls("a/confirm")), 26)


def test_acts_on_nobody_are_404():
    d, s = shared_daemon(), shared_site()
    for verb in ("retry", "suspend", "resume", "force", "branches/a/retry", "branches/a/resolve"):
        problem(act(d, s, verb, {"reason": "x", "decision": "commit"} if verb == "force" else {"reason": "x", "as": "done"} if verb.endswith("resolve") else {"reason": "x"}), 404)


def test_suspend_during_a_hanging_call():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Silence(5), 200)
    step = s.step("a")
    step["action"] = {"url": s.url("a/do"), "timeout": "500ms"}
    d.submit(s.saga(step))
    eventually(s.calls)
    act(d, s, "suspend", {"reason": "x"})
    time.sleep(1.0)
    equal(len(s.calls()), 1)
    act(d, s, "resume", {"reason": "x"})
    d.until(s.gid(), "committed")


def test_the_audit_is_a_chain_that_says_who_and_why():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500)
    d.submit(s.saga(s.step("a"), deadline="1m"))
    act(d, s, "suspend", {"reason": "why-" + s.name})
    item = audit_of(d, s.gid())[0]
    text = json.dumps(item)
    for word in ("suspend", "why-" + s.name):
        need(word in text, word, item)
    act(d, s, "resume", {"reason": "x"})
    s.on("a/do", 200)
    act(d, s, "retry", {"reason": "x"})
    d.until(s.gid(), "committed")


def test_next_try_is_shown():
    d, s = shared_daemon(), shared_site()
    stuck(d, s)
    text = eventually(lambda: (lambda t: t if "next" in t else None)(json.dumps(d.show(s.gid()))), 5)
    need("next" in text, text)
    act(d, s, "force", {"decision": "commit", "reason": "x"})


def test_retry_does_not_make_a_second_call_while_one_is_open():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a")))
    eventually(s.calls)
    begin = time.monotonic()
    act(d, s, "retry", {"reason": "hurry"})
    time.sleep(0.3)
    equal(len(s.calls("a/do")), 1, "one attempt in flight")
    gate.open()
    d.until(s.gid(), "committed")
    less(time.monotonic() - begin, 5)
