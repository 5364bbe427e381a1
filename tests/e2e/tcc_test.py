"""TCC over real HTTP (I-T1 to I-T4, G2, G7)."""

import json
import time

from kit import Delay, Gate, Reset, Silence, Status, equal, eventually, less, need, problem, shared_daemon, shared_site


def ops(transaction, name):
    return next(b for b in transaction["branches"] if b["id"] == name)


def test_all_tries_done_confirms_all():
    d, s = shared_daemon(), shared_site()
    t = d.run(s.tcc(s.part("order"), s.part("stock"), s.part("points")))
    equal(sorted(s.paths()[:3]), ["order/try", "points/try", "stock/try"])
    equal(sorted(s.paths()[3:]), ["order/confirm", "points/confirm", "stock/confirm"])
    for name in ("order", "stock", "points"):
        equal((ops(t, name)["try"], ops(t, name)["confirm"]), ("done", "done"), t)


def test_tries_run_in_parallel():
    d, s = shared_daemon(), shared_site()
    for name in "abc":
        s.on(f"{name}/try", Delay(0.4))
    begin = time.monotonic()
    d.run(s.tcc(s.part("a"), s.part("b"), s.part("c")))
    less(time.monotonic() - begin, 1.1)


def test_after_orders_tries():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", Delay(0.2))
    d.run(s.tcc(s.part("a"), s.part("b", after=["a"])))
    less(s.calls("a/try")[0].answered_at, s.calls("b/try")[0].at + 0.005)


def test_confirm_starts_after_every_try_is_done():
    d, s = shared_daemon(), shared_site()
    gate = s.on("b/try", Gate())
    d.submit(s.tcc(s.part("a"), s.part("b")))
    eventually(lambda: len(s.calls()) == 2)
    time.sleep(0.2)
    equal(s.calls("a/confirm"), [])
    equal(d.status(s.gid()), "active")
    gate.open()
    d.until(s.gid(), "committed")


def test_a_refused_try_cancels_the_others():
    d, s = shared_daemon(), shared_site()
    s.on("b/try", Delay(0.2, Status(409, b"no stock")))
    t = d.run(s.tcc(s.part("a"), s.part("b"), s.part("c")), "rolled_back")
    equal(sorted(s.paths()[3:]), ["a/cancel", "c/cancel"])
    equal((t["reason"]["branch"], t["reason"]["op"], t["reason"]["http"], t["reason"]["detail"]), ("b", "try", 409, "no stock"), t)
    equal(ops(t, "b")["try"], "refused", t)


def test_cancel_always_cancels_a_refused_try():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", 409)
    d.run(s.tcc(s.part("a", cancel="always")), "rolled_back")
    equal(s.paths(), ["a/try", "a/cancel"])


def test_an_unknown_try_that_is_then_refused_is_cancelled():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", Reset(), 409)
    d.run(s.tcc(s.part("a")), "rolled_back")
    equal(s.paths(), ["a/try", "a/try", "a/cancel"])


def test_an_open_try_is_awaited_before_it_is_cancelled():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", Delay(0.8))
    s.on("b/try", 409)
    d.run(s.tcc(s.part("a"), s.part("b")), "rolled_back")
    less(s.calls("a/try")[0].answered_at - 0.01, s.calls("a/cancel")[0].at)


def test_a_try_that_never_ran_is_not_cancelled():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", 409)
    d.run(s.tcc(s.part("a"), s.part("b", after=["a"])), "rolled_back")
    equal(s.paths(), ["a/try"])


def test_confirm_is_retried_for_ever_and_commits():
    d, s = shared_daemon(), shared_site()
    s.on("a/confirm", 500, Reset(), Status(409, b"user closed"), 503, 425, 500, 200)
    t = d.run(s.tcc(s.part("a"), s.part("b")), "committed")
    equal([c.attempt for c in s.calls("a/confirm")], [1, 2, 3, 4, 5, 6, 7])
    equal([p for p in s.paths() if "cancel" in p], [], t)


def test_a_refused_confirm_is_attention_not_rollback():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("a/confirm", lambda call: 200 if gate["open"] else Status(409, b"user closed"))
    d.submit(s.tcc(s.part("a"), s.part("b")))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 10)
    equal(t["status"], "committing", t)
    need("user closed" in json.dumps(t["attention"]), t)
    for member in ("why", "since", "next_try"):
        need(t["attention"].get(member), member, t)
    gate["open"] = True
    need(d.until(s.gid(), "committed")["attention"] is None)


def test_a_refused_cancel_is_attention_and_retried():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("b/try", 409)
    s.on("a/cancel", lambda call: 200 if gate["open"] else 409)
    d.submit(s.tcc(s.part("a"), s.part("b")))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 10)
    equal(t["status"], "rolling_back", t)
    gate["open"] = True
    d.until(s.gid(), "rolled_back")


def test_many_failures_raise_attention_and_success_clears_it():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("a/confirm", lambda call: 200 if gate["open"] else 500)
    d.submit(s.tcc(s.part("a")))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 15)
    need(len(s.calls("a/confirm")) >= 3, t)
    gate["open"] = True
    need(d.until(s.gid(), "committed")["attention"] is None)


def test_deadline_cancels():
    d, s = shared_daemon(), shared_site()
    s.on("b/try", 500)
    d.run(s.tcc(s.part("a"), s.part("b"), deadline="500ms"), "rolled_back")
    equal(len(s.calls("a/cancel")), 1)
    equal(len(s.calls("b/cancel")), 1, "what was unknown is cancelled too")
    equal(s.calls("a/confirm"), [])


def test_deadline_does_not_touch_a_decided_transaction():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("a/confirm", lambda call: 200 if gate["open"] else 500)
    d.submit(s.tcc(s.part("a"), deadline="300ms"))
    time.sleep(1.0)
    equal(d.status(s.gid()), "committing")
    gate["open"] = True
    d.until(s.gid(), "committed")
    equal(s.calls("a/cancel"), [])


def test_operations_may_be_given_one_by_one():
    d, s = shared_daemon(), shared_site()
    d.run(s.tcc({"id": "a", "try": s.url("reserve"), "confirm": {"url": s.url("book"), "timeout": "2s"}, "cancel": s.url("free")}))
    equal(s.paths(), ["reserve", "book"])


def test_base_can_be_overridden_in_part():
    d, s = shared_daemon(), shared_site()
    s.on("b/try", 409)
    branch = s.part("a")
    branch["cancel"] = s.url("special")
    d.run(s.tcc(branch, s.part("b", after=["a"])), "rolled_back")
    equal(s.paths(), ["a/try", "b/try", "special"])


def test_every_operation_carries_the_same_body():
    d, s = shared_daemon(), shared_site()
    d.run(s.tcc(s.part("a", body={"n": [1, 2, 3]})))
    equal(len({c.body for c in s.calls()}), 1)


def test_references_work_between_tries():
    d, s = shared_daemon(), shared_site()
    s.on("a/try", Status(200, {"hold": "H1"}))
    d.run(s.tcc(s.part("a"), s.part("b", after=["a"], body={"hold": "${a#/hold}"})))
    equal(s.calls("b/try")[0].json, {"hold": "H1"})
    equal(s.calls("b/confirm")[0].json, {"hold": "H1"})


def test_references_without_after_are_refused():
    d, s = shared_daemon(), shared_site()
    problem(d.submit(s.tcc(s.part("a"), s.part("b", body={"v": "${a#/x}"}))), 422)


def test_pivot_is_a_saga_word():
    d, s = shared_daemon(), shared_site()
    problem(d.submit(s.tcc(s.part("a", pivot=True))), 422)


def test_saga_words_in_a_tcc_are_refused():
    d, s = shared_daemon(), shared_site()
    problem(d.submit(s.tcc(s.step("a"))), 422)
    problem(d.submit(s.saga({"id": "a", "try": s.url("a"), "confirm": s.url("b")}, name="y")), 422)


def test_a_hanging_confirm_is_tried_again_after_its_timeout():
    d, s = shared_daemon(), shared_site()
    s.on("confirm", Silence(5), 200)
    d.run(s.tcc({"id": "a", "try": s.url("try"), "confirm": {"url": s.url("confirm"), "timeout": "200ms"}, "cancel": s.url("cancel")}))
    equal([c.attempt for c in s.calls("confirm")], [1, 2])


def test_what_is_sent_on_an_outcome_is_checked_at_submit():
    d, s = shared_daemon(), shared_site()
    for member, one, field in (("on_commit", {"key": "1", "body": {}}, "on_commit[0].topic"), ("on_rollback", {"notify": "nobody", "event": "x"}, "on_rollback[0].notify"),
                               ("on_commit", {"topic": "t", "state": "half"}, "on_commit[0].state"), ("on_commit", "t", "on_commit[0]")):
        answer = d.submit(s.tcc(s.part("a"), **{member: [one]}))
        problem(answer, 422)
        equal(answer.json["field"], field, answer)
    problem(d.submit(s.tcc(s.part("a"), on_commit=[{"topic": "t", "body": 1}] * 65)), 422, "over-limit", "64")
    equal(s.calls(), [])
