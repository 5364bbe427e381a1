"""Sagas over real HTTP (I-S1 to I-S6, G5, G7; design.md 4 (9)-(15))."""

import json
import time

from kit import Delay, Gate, Reset, Silence, Status, Cut, equal, eventually, less, limit, need, problem, shared_daemon, shared_site


def ops(transaction, name):
    return next(b for b in transaction["branches"] if b["id"] == name)


def test_all_steps_done_commits_in_order():
    d, s = shared_daemon(), shared_site()
    t = d.run(s.saga(s.step("car"), s.step("hotel"), s.step("charge")))
    equal(t["gid"], s.gid())
    equal(t["mode"], "saga")
    equal([(b["id"], b["action"]) for b in t["branches"]], [("car", "done"), ("hotel", "done"), ("charge", "done")])
    equal(s.paths(), ["car/do", "hotel/do", "charge/do"])
    need(not t.get("reason"), "a committed saga has no reason", t)
    need(t.get("attention") is None, t)


def test_a_step_starts_only_after_the_one_before_it_answered():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(0.2))
    d.run(s.saga(s.step("a"), s.step("b")))
    a, b = s.calls()
    less(a.answered_at, b.at + 0.005)


def test_refusal_compensates_done_steps_in_reverse_order():
    d, s = shared_daemon(), shared_site()
    s.on("c/do", Status(409, b"no rooms"))
    t = d.run(s.saga(s.step("a"), s.step("b"), s.step("c"), s.step("d")), "rolled_back")
    equal(s.paths(), ["a/do", "b/do", "c/do", "b/undo", "a/undo"])
    reason = t["reason"]
    equal((reason["branch"], reason["op"], reason["attempt"], reason["http"], reason["detail"]), ("c", "action", 1, 409, "no rooms"), t)
    equal([ops(t, x)["action"] for x in "abcd"], ["done", "done", "refused", "pending"], t)
    equal([ops(t, x)["compensate"] for x in "ab"], ["done", "done"], t)


def test_refusal_detail_from_a_json_answer_is_shown():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(409, {"error": "sold out"}))
    t = d.run(s.saga(s.step("a")), "rolled_back")
    need("sold out" in json.dumps(t["reason"]), t)


def test_a_long_answer_is_bounded():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(409, b"x" * 200_000))
    t = d.run(s.saga(s.step("a")), "rolled_back")
    need(0 < len(t["reason"]["detail"]) <= 512, t)


def test_a_cleanly_refused_step_is_not_compensated():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 409)
    d.run(s.saga(s.step("a")), "rolled_back")
    equal(s.paths(), ["a/do"])


def test_a_refusal_after_an_unknown_attempt_is_compensated():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500, 409)
    d.run(s.saga(s.step("a")), "rolled_back")
    equal(s.paths(), ["a/do", "a/do", "a/undo"])


def test_a_refusal_after_a_cut_connection_is_compensated():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Reset(), 409)
    d.run(s.saga(s.step("a")), "rolled_back")
    equal(s.paths()[-1], "a/undo")


def test_cancel_always_compensates_a_cleanly_refused_step():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 409)
    d.run(s.saga(s.step("a", cancel="always")), "rolled_back")
    equal(s.paths(), ["a/do", "a/undo"])


def test_a_step_without_compensation_is_skipped_on_the_way_back():
    d, s = shared_daemon(), shared_site()
    s.on("c/do", 409)
    log = {"id": "log", "action": s.url("log/do")}
    t = d.run(s.saga(s.step("a"), log, s.step("c")), "rolled_back")
    equal(s.paths(), ["a/do", "log/do", "c/do", "a/undo"], t)


def test_unknown_is_retried_until_it_is_done():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500, 502, Reset(), Cut(), 404, 301, 200)
    d.run(s.saga(s.step("a")))
    equal([c.attempt for c in s.calls("a/do")], [1, 2, 3, 4, 5, 6, 7])


def test_retries_wait_longer_each_time():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500, 500, 500, 200)
    d.run(s.saga(s.step("a", retry={"first": "100ms", "factor": 3, "max": "10s"})))
    at = [c.at for c in s.calls("a/do")]
    for i, wanted in enumerate((0.1, 0.3, 0.9)):
        gap = at[i + 1] - at[i]
        need(wanted * 0.8 - 0.01 <= gap <= wanted * 1.2 + 0.25, f"gap {i} is {gap:.3f}, wanted {wanted} ± 20 %")


def test_retries_stop_growing_at_max():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 500, 500, 500, 500, 500, 200)
    d.run(s.saga(s.step("a", retry={"first": "50ms", "factor": 10, "max": "100ms"})))
    at = [c.at for c in s.calls("a/do")]
    less(at[-1] - at[0], 1.2)


def test_patience_at_its_end_rolls_back():
    d, s = shared_daemon(), shared_site()
    s.on("b/do", 500)
    t = d.run(s.saga(s.step("a"), s.step("b", retry={"first": "50ms", "max": "100ms", "for": "400ms", "then": "rollback"})), "rolled_back")
    equal(s.paths()[0], "a/do")
    equal(s.paths()[-2:], ["b/undo", "a/undo"], "the unknown step is undone too", t)
    equal(t["reason"]["branch"], "b", t)


def test_patience_then_attention_goes_on_trying():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("a/do", lambda call: 200 if gate["open"] else 500)
    d.submit(s.saga(s.step("a", retry={"first": "50ms", "max": "100ms", "for": "300ms", "then": "attention"}), deadline="1m"))
    eventually(lambda: d.show(s.gid())["attention"], 10)
    equal(d.status(s.gid()), "active")
    gate["open"] = True
    t = d.until(s.gid(), "committed")
    need(t["attention"] is None, t)


def test_retry_after_is_kept():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(503, {}, Retry_After=1), Status(429, {}, Retry_After=1), 200)
    d.run(s.saga(s.step("a")))
    at = [c.at for c in s.calls("a/do")]
    less(0.95, at[1] - at[0])
    less(0.95, at[2] - at[1])
    less(at[2] - at[0], 4.5)


def test_a_hostile_retry_after_does_not_park_the_step_for_ever():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(503, {}, Retry_After="99999999999999999999"), 200)
    d.submit(s.saga(s.step("a"), deadline="1m"))
    eventually(lambda: s.calls("a/do"))
    time.sleep(0.1)
    equal(d.post(f"/v1/transactions/{s.gid()}/retry", {"reason": "it is up"}).status, 200)
    d.until(s.gid(), "committed")


def test_still_working_is_asked_again_and_is_no_trouble():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 425, 425, 425, 425, 425, 200)
    t = d.run(s.saga(s.step("a")))
    equal([c.attempt for c in s.calls("a/do")], [1, 2, 3, 4, 5, 6])
    need(t["attention"] is None, "425 does not count toward attention", t)


def test_still_working_shows_as_waiting():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(425, {}, Retry_After=1), 200)
    d.submit(s.saga(s.step("a")))
    eventually(lambda: ops(d.show(s.gid()), "a")["action"] == "waiting", 5)
    d.until(s.gid(), "committed")
    at = [c.at for c in s.calls("a/do")]
    less(0.95, at[1] - at[0])


def test_deadline_rolls_back():
    d, s = shared_daemon(), shared_site()
    s.on("b/do", 500)
    begin = time.monotonic()
    t = d.run(s.saga(s.step("a"), s.step("b"), deadline="700ms"), "rolled_back")
    less(0.65, time.monotonic() - begin)
    less(time.monotonic() - begin, 4)
    equal(s.paths()[-2:], ["b/undo", "a/undo"])
    need("deadline" in json.dumps(t["reason"]), t)


def test_deadline_waits_for_the_open_call_before_it_compensates():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(1.2))
    d.run(s.saga(s.step("a"), deadline="300ms"), "rolled_back")
    do, undo = s.calls()
    less(do.answered_at - 0.01, undo.at)


def test_deadline_passing_while_still_working_compensates():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", 425)
    d.run(s.saga(s.step("a"), deadline="500ms"), "rolled_back")
    equal(s.paths()[-1], "a/undo")


def test_call_timeout_is_unknown():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Silence(3), 200)
    step = s.step("a")
    step["action"] = {"url": step["action"], "timeout": "200ms"}
    begin = time.monotonic()
    d.run(s.saga(step))
    equal([c.attempt for c in s.calls("a/do")], [1, 2])
    less(time.monotonic() - begin, 2.5)


def test_after_empty_list_starts_at_once():
    d, s = shared_daemon(), shared_site()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a"), s.step("b", after=[])))
    eventually(lambda: len(s.calls("b/do")) == 1, 5)
    equal(s.calls("a/do")[0].answered_at, None)
    gate.open()
    d.until(s.gid(), "committed")


def test_graph_joins_wait_for_all_their_predecessors():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(0.3))
    s.on("b/do", Delay(0.1))
    d.run(s.saga(s.step("a", after=[]), s.step("b", after=[]), s.step("c", after=["a", "b"])))
    a, b, c = (s.calls(f"{x}/do")[0] for x in "abc")
    less(abs(a.at - b.at), 0.25)
    less(max(a.answered_at, b.answered_at), c.at + 0.005)


def test_graph_compensates_in_reverse_dependency_order():
    d, s = shared_daemon(), shared_site()
    s.on("d/do", 409)
    s.on("b/undo", Delay(0.2))
    d.run(s.saga(s.step("a"), s.step("b", after=["a"]), s.step("c", after=["a"]), s.step("d", after=["b", "c"])), "rolled_back")
    undo = {x: s.calls(f"{x}/undo")[0] for x in "abc"}
    less(undo["b"].answered_at, undo["a"].at + 0.005)
    less(undo["c"].answered_at, undo["a"].at + 0.005)


def test_refusal_lets_parallel_steps_end_first():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Delay(0.5))
    s.on("b/do", Delay(0.1, 409))
    d.run(s.saga(s.step("a", after=[]), s.step("b", after=[])), "rolled_back")
    less(s.calls("a/do")[0].answered_at - 0.01, s.calls("a/undo")[0].at)


def test_references_take_values_of_any_kind():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, b'{"ref": "C-17", "n": 12345678901234567890, "deep": {"list": [1, {"x": null}]}, "t": true, "f": 1.50}'))
    body = {"whole": "${a#/ref}", "number": "${a#/n}", "object": "${a#/deep}", "item": "${a#/deep/list/1/x}", "bool": "${a#/t}",
            "inside": "car ${a#/ref} n=${a#/n}!", "literal": "$${a#/ref}", "plain": "$5", "keep": [1, 2, {"k": "${a#/ref}"}]}
    d.run(s.saga(s.step("a"), s.step("b", body=body)))
    got = s.calls("b/do")[0]
    equal(got.json, {"whole": "C-17", "number": 12345678901234567890, "object": {"list": [1, {"x": None}]}, "item": None, "bool": True,
                     "inside": "car C-17 n=12345678901234567890!", "literal": "${a#/ref}", "plain": "$5", "keep": [1, 2, {"k": "C-17"}]})
    need(b"12345678901234567890" in got.body and b"1.50" not in got.body, "numbers keep their spelling", got)


def test_the_whole_answer_can_be_taken():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, b'{"x": 1.500, "y": [ ]}'))
    d.run(s.saga(s.step("a"), s.step("b", body={"all": "${a#}"})))
    equal(s.calls("b/do")[0].json, {"all": {"x": 1.5, "y": []}})


def test_a_referenced_value_with_quotes_stays_one_string():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, {"v": 'he said "${a#/v}" \\ \n\u0001 ü 🚗'}))
    d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/v}", "in": "<${a#/v}>"})))
    value = 'he said "${a#/v}" \\ \n\u0001 ü 🚗'
    equal(s.calls("b/do")[0].json, {"v": value, "in": f"<{value}>"})


def test_pointers_know_escapes():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, {"a/b": {"~": 7}}))
    d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/a~1b/~0}"})))
    equal(s.calls("b/do")[0].json, {"v": 7})


def test_filled_references_are_the_same_bytes_in_every_attempt():
    d, s = shared_daemon(), shared_site()
    answers = iter(range(1000))
    s.on("a/do", lambda call: Status(200, {"v": next(answers)}))
    s.on("b/do", 500, 500, 200)
    d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/v}"})))
    equal(len({c.body for c in s.calls("b/do")}), 1)


def test_compensation_carries_the_filled_body():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, {"v": 5}))
    s.on("c/do", 409)
    d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/v}"}), s.step("c")), "rolled_back")
    equal(s.calls("b/undo")[0].body, s.calls("b/do")[0].body)


def test_a_missing_pointer_refuses_the_step():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, {"x": 1}))
    t = d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/nothing/here}"})), "rolled_back")
    equal(s.paths(), ["a/do", "a/undo"])
    equal(t["reason"]["branch"], "b", t)
    need("/nothing/here" in json.dumps(t["reason"]), "the reason names the pointer", t)


def test_an_answer_that_is_not_json_refuses_the_step_that_refers_to_it():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, b"<html>ok</html>"))
    d.run(s.saga(s.step("a"), s.step("b", body={"v": "${a#/x}"})), "rolled_back")
    equal(s.paths(), ["a/do", "a/undo"])


def test_a_missing_pointer_after_the_pivot_is_attention():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(200, {"x": 1}))
    d.submit(s.saga(s.step("a", pivot=True), s.step("b", body={"v": "${a#/nothing}"})))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 10)
    equal(t["status"], "committing", t)
    equal(s.paths(), ["a/do"])


def test_references_must_name_an_ancestor():
    d, s = shared_daemon(), shared_site()
    for name, branches in {
        "later": [s.step("a", body={"v": "${b#/x}"}), s.step("b")],
        "self": [s.step("a", body={"v": "${a#/x}"})],
        "beside": [s.step("a", after=[]), s.step("b", after=[], body={"v": "${a#/x}"})],
        "nobody": [s.step("a", body={"v": "${ghost#/x}"})],
    }.items():
        answer = d.submit(s.saga(*branches, name=name))
        problem(answer, 422)
    equal(s.calls(), [])


def test_cycles_and_strangers_in_after_are_refused():
    d, s = shared_daemon(), shared_site()
    for name, branches in {
        "cycle": [s.step("a", after=["b"]), s.step("b", after=["a"])],
        "self": [s.step("a", after=["a"])],
        "stranger": [s.step("a", after=["ghost"])],
        "long": [s.step("a", after=["c"]), s.step("b", after=["a"]), s.step("c", after=["b"])],
        "twice": [s.step("a"), s.step("a")],
    }.items():
        problem(d.submit(s.saga(*branches, name=name)), 422)
    equal(s.calls(), [])


def test_the_pivot_is_the_decision():
    d, s = shared_daemon(), shared_site()
    s.on("c/do", 500, 500, 500, 409, 500, 200)
    d.submit(s.saga(s.step("a"), s.step("b", pivot=True), s.step("c"), deadline="300ms"))
    t = d.until(s.gid(), "committed", 20)
    equal([p for p in s.paths() if p.endswith("undo")], [], t)


def test_a_refusal_after_the_pivot_raises_attention_and_goes_on():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("b/do", lambda call: 200 if gate["open"] else Status(409, b"account closed"))
    d.submit(s.saga(s.step("a", pivot=True), s.step("b")))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 10)
    equal(t["status"], "committing", t)
    need("account closed" in json.dumps(t), t)
    for member in ("why", "since", "next_try"):
        need(t["attention"].get(member), member, t)
    gate["open"] = True
    t = d.until(s.gid(), "committed")
    need(t["attention"] is None, t)


def test_a_refused_pivot_rolls_back():
    d, s = shared_daemon(), shared_site()
    s.on("b/do", 409)
    d.run(s.saga(s.step("a"), s.step("b", pivot=True), s.step("c")), "rolled_back")
    equal(s.paths(), ["a/do", "b/do", "a/undo"])


def test_a_pivot_must_split_the_saga():
    d, s = shared_daemon(), shared_site()
    problem(d.submit(s.saga(s.step("a", after=[]), s.step("b", after=[], pivot=True))), 422)
    problem(d.submit(s.saga(s.step("a", pivot=True), s.step("b", pivot=True), name="two")), 422)


def test_rollback_by_request_waits_for_the_open_call_then_compensates():
    d, s = shared_daemon(), shared_site()
    gate = s.on("b/do", Gate())
    d.submit(s.saga(s.step("a"), s.step("b"), s.step("c")))
    eventually(lambda: s.calls("b/do"))
    answer = d.post(f"/v1/transactions/{s.gid()}/rollback", {"reason": "changed my mind"})
    equal(answer.status in (200, 202), True, answer)
    time.sleep(0.2)
    equal(s.calls("a/undo"), [])
    gate.open()
    d.until(s.gid(), "rolled_back")
    equal(s.paths(), ["a/do", "b/do", "b/undo", "a/undo"])


def test_a_refused_compensation_raises_attention_and_is_retried():
    d, s = shared_daemon(), shared_site()
    gate = {"open": False}
    s.on("b/do", 409)
    s.on("a/undo", lambda call: 200 if gate["open"] else Status(409, b"already shipped"))
    d.submit(s.saga(s.step("a"), s.step("b")))
    t = eventually(lambda: (lambda t: t if t["attention"] else None)(d.show(s.gid())), 10)
    equal(t["status"], "rolling_back", t)
    need("already shipped" in json.dumps(t["attention"]), t)
    gate["open"] = True
    t = d.until(s.gid(), "rolled_back")
    need(t["attention"] is None, t)


def test_a_participant_that_comes_late_is_reached():
    from kit import Participants, Site
    d, server = shared_daemon(), Participants()
    s = Site(server)
    server.down()
    d.submit(s.saga(s.step("a")))
    eventually(lambda: ops(d.show(s.gid()), "a")["action"] == "retrying", 5)
    server.up()
    d.until(s.gid(), "committed", 10)


def test_redirects_are_not_followed():
    d, s = shared_daemon(), shared_site()
    s.on("a/do", Status(302, b"", Location=s.url("elsewhere")), 200)
    d.run(s.saga(s.step("a")))
    equal(s.paths(), ["a/do", "a/do"])


def test_bodies_arrive_byte_for_byte():
    d, s = shared_daemon(), shared_site()
    raw = b'{"z":1,  "a" : [ 1.0, 1e5, 12345678901234567890123 ], "u":"\\u00fc \xc3\xbc", "z2":{}}'
    whole = b'{"gid":"%s","mode":"saga","branches":[{"id":"a","action":"%s","body":%s}]}' % (
        s.gid().encode(), s.url("a/do").encode(), raw)
    equal(d.submit(whole, wait="10s").status, 200)
    equal(s.calls("a/do")[0].body, raw)


def test_a_branch_without_a_body_is_called_without_one():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga({"id": "a", "action": s.url("a/do")}))
    equal(s.calls("a/do")[0].body, b"")


def test_an_empty_saga_is_refused():
    d, s = shared_daemon(), shared_site()
    problem(d.submit(s.saga()), 422)


@limit(90)
def test_a_thousand_steps():
    d, s = shared_daemon(), shared_site()
    t = d.run(s.saga(*[{"id": f"b{i}", "action": s.url(f"{i}/do")} for i in range(1000)], deadline="80s"), wait="60s")
    equal(len(t["branches"]), 1000)
    equal(s.paths(), [f"{i}/do" for i in range(1000)])


def test_a_wide_saga_runs_in_parallel():
    d, s = shared_daemon(), shared_site()
    for i in range(20):
        s.on(f"{i}/do", Delay(0.3))
    begin = time.monotonic()
    d.run(s.saga(*[{"id": f"b{i}", "action": s.url(f"{i}/do"), "after": []} for i in range(20)]))
    less(time.monotonic() - begin, 2.0)
