"""Bad requests get an answer that helps (issue's "Bad input")."""

import json

from kit import equal, need, problem, shared_daemon, shared_site


def test_malformed_json_is_400_with_line_and_column():
    d = shared_daemon()
    for text, line, column in (('{"gid": "x",\n  "mode": saga}', 2, 11), ('{', 1, 2), ('{"a":1,}', 1, 8), ("[1,2", 1, 5), ('{"a" 1}', 1, 6),
                               ('{"a":1}\n{"b":2}', 2, 1), ("{'a':1}", 1, 2), ('{"a":01}', 1, 7), ('{"a":\n\n  +1}', 3, 3)):
        p = problem(d.submit(text.encode()), 400)
        where = json.dumps(p)
        need(f"line {line}" in where or f'"line": {line}' in where, f"line {line}", text, p)
        need(f"column {column}" in where or f'"column": {column}' in where, f"column {column}", text, p)


def test_columns_count_characters():
    p = problem(shared_daemon().submit('{"üü":x}'.encode()), 400)
    need("column 7" in json.dumps(p) or '"column": 7' in json.dumps(p), p)


def test_json_that_is_not_json():
    d = shared_daemon()
    for text in (b"", b" ", b"\x00", b"\xff\xfe", b'\xef\xbb\xbf{"a":1}', b'{"a":"\xc3"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\\ud800x"}',
                 b'{"a":"\n"}', b"NaN", b'{"a":NaN}', b'{"a":Infinity}', b"<xml/>", b"mode=saga", b"{" * 100000, b'{"a":' * 5000,
                 b"[" * 33 + b"]" * 33, b'{"a":1, "a":2}', b'{"a":1} x', b"/*c*/{}"):
        answer = d.submit(text)
        equal(answer.status, 400, text[:40].decode("latin-1"), answer)
        need(answer.json["detail"], answer)


def test_json_of_the_wrong_kind():
    d = shared_daemon()
    for text in (b"null", b"true", b"5", b'"x"', b"[]", b"[{}]"):
        answer = d.submit(text)
        need(answer.status in (400, 422), text.decode(), answer)


def test_unknown_members_name_the_nearest():
    d, s = shared_daemon(), shared_site()
    for body, wrong, nearest in (
        (s.saga(s.step("a"), dedline="5s"), "dedline", "deadline"),
        (s.saga(s.step("a"), lables={}), "lables", "labels"),
        (s.saga(s.step("a", compensat="x")), "compensat", "compensate"),
        (s.saga(s.step("a", retry={"frist": "1s"})), "frist", "first"),
        (s.saga(s.step("a", pivott=True)), "pivott", "pivot"),
        (s.saga({"id": "a", "action": {"url": s.url("a"), "timeuot": "5s"}}), "timeuot", "timeout"),
    ):
        problem(d.submit(body), 422, None, wrong, nearest)
    equal(s.calls(), [])


def test_wrong_types_and_values_are_named():
    d, s = shared_daemon(), shared_site()
    step = s.step("a")
    for change, word in (
        ({"gid": 5}, "gid"), ({"gid": ""}, "gid"), ({"gid": "a b"}, "gid"), ({"gid": "x" * 129}, "gid"), ({"gid": "ü"}, "gid"),
        ({"gid": "a/b"}, "gid"), ({"gid": None}, "gid"),
        ({"mode": "sega"}, "mode"), ({"mode": 1}, "mode"), ({"mode": None}, "mode"), ({"mode": "xa"}, "mode"),
        ({"branches": {}}, "branches"), ({"branches": "x"}, "branches"), ({"branches": [5]}, "branches"), ({"branches": []}, "branches"),
        ({"deadline": 5}, "deadline"), ({"deadline": "5"}, "deadline"), ({"deadline": "-5s"}, "deadline"), ({"deadline": "5 s"}, "deadline"),
        ({"deadline": "0s"}, "deadline"), ({"deadline": "1e3s"}, "deadline"), ({"deadline": "99999999d"}, "deadline"),
        ({"labels": []}, "labels"), ({"labels": {"a": 5}}, "labels"), ({"labels": {"": "x"}}, "label"),
        ({"name": 5}, "name"), ({"drive": "self"}, "drive"),
        ({"branches": [{**step, "id": ""}]}, "id"), ({"branches": [{**step, "id": "a b"}]}, "id"), ({"branches": [{**step, "id": "x" * 65}]}, "id"),
        ({"branches": [{k: v for k, v in step.items() if k != "id"}]}, "id"),
        ({"branches": [{**step, "action": 5}]}, "action"), ({"branches": [{**step, "action": {}}]}, "url"),
        ({"branches": [{k: v for k, v in step.items() if k != "action"}]}, "action"),
        ({"branches": [{**step, "after": "a"}]}, "after"), ({"branches": [{**step, "after": [5]}]}, "after"),
        ({"branches": [{**step, "pivot": "yes"}]}, "pivot"), ({"branches": [{**step, "cancel": "never"}]}, "cancel"),
        ({"branches": [{**step, "retry": {"first": "1ms"}}]}, "first"), ({"branches": [{**step, "retry": {"factor": 0.5}}]}, "factor"),
        ({"branches": [{**step, "retry": {"first": "10s", "max": "5s"}}]}, "max"), ({"branches": [{**step, "retry": {"then": "explode"}}]}, "then"),
        ({"branches": [{**step, "retry": 5}]}, "retry"),
        ({"branches": [{**step, "action": {"url": step["action"], "timeout": "9ms"}}]}, "timeout"),
        ({"branches": [{**step, "action": {"url": step["action"], "timeout": "301s"}}]}, "timeout"),
    ):
        answer = d.submit({**s.saga(step), **change})
        need(answer.status in (400, 422), change, answer)
        need(word in json.dumps({k: answer.json.get(k) for k in ("detail", "field")}), f"{word} is not named", change, answer)
    equal(s.calls(), [])
    for required in ("mode", "branches"):
        body = s.saga(step)
        del body[required]
        problem(d.submit(body), 422, None, required)


def test_limits_of_timeouts_are_inclusive():
    d, s = shared_daemon(), shared_site()
    for i, timeout in enumerate(("10ms", "300s", "5m")):
        answer = d.submit(s.saga({"id": "a", "action": {"url": s.url("a"), "timeout": timeout}}, name=f"{i}"))
        need(answer.status < 300, timeout, answer)


def test_durations_of_every_unit():
    d, s = shared_daemon(), shared_site()
    for i, text in enumerate(("500ms", "30s", "5m", "24h", "7d")):
        answer = d.submit(s.saga({"id": "a", "action": s.url("a")}, name=f"{i}", deadline=text))
        need(answer.status < 300, text, answer)


def test_content_types():
    d, s = shared_daemon(), shared_site()
    body = json.dumps(s.saga(s.step("a"))).encode()
    for kind, good in (("application/json", True), ("application/json; charset=utf-8", True), ("APPLICATION/JSON", True),
                       ("Application/Json ; Charset=UTF-8", True), ("application/x-www-form-urlencoded", True), ("application/xml", False),
                       ("multipart/form-data; boundary=x", False)):
        answer = d.submit(body, headers={"Content-Type": kind})
        need((answer.status < 300) == good, kind, answer)


def test_wrong_methods_and_paths():
    d, s = shared_daemon(), shared_site()
    for method, path, status in (("PUT", "/v1/transactions", 405), ("DELETE", "/v1/transactions/x", 405), ("POST", "/v1/info", 405),
                                 ("GET", "/v1/transactions/x/commit", 405), ("GET", "/v2/transactions", 404), ("GET", "/v1/nothing", 404),
                                 ("GET", "/v1/transactions/x/nothing", 404), ("POST", "/v1/transactions/a/b/c/d", 404), ("PATCH", "/v1/info", 405)):
        answer = d.connection.request(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None)
        equal(answer.status, status, method + " " + path, answer)
        if status == 405:
            need(answer.headers.get("allow"), answer)
        problem(answer, status)


def test_head_answers_like_get_without_a_body():
    d = shared_daemon()
    answer = d.connection.request("HEAD", "/healthz")
    equal((answer.status, answer.body), (200, b""), answer)


def test_other_namespaces_are_404():
    d, s = shared_daemon(), shared_site()
    problem(d.submit(s.saga(s.step("a")), headers={"Settle-Namespace": "other"}), 404)
    equal(d.submit(s.saga(s.step("a")), headers={"Settle-Namespace": "default"}, wait="5s").status, 200)


def test_errors_carry_a_trace_and_an_instance():
    p = problem(shared_daemon().get("/v1/transactions/nobody-here"), 404)
    need(p.get("instance") == "/v1/transactions/nobody-here", p)
    need(p.get("trace_id"), p)


def test_every_error_is_explained_by_the_daemon():
    d = shared_daemon()
    for answer in (d.get("/v1/transactions/nobody"), d.submit(b"{"), d.submit({"x": 1}), d.get("/nothing"), d.connection.request("PUT", "/v1/info", b"{}")):
        page = d.get(answer.json["type"], token=None)
        equal(page.status, 200, answer)
        need(len(page.body) > 100, page)


def test_percent_encoded_gids_are_decoded_once():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a"), name="a.b:c_d-e"))
    gid = s.gid("a.b:c_d-e")
    equal(d.get("/v1/transactions/" + gid.replace(":", "%3A")).status, 200)
    equal(d.get("/v1/transactions/" + gid.replace(":", "%253A")).status in (400, 404), True)


def test_hostile_text_comes_back_as_text():
    d, s = shared_daemon(), shared_site()
    for i, text in enumerate(("<script>alert(1)</script>", "'; DROP TABLE transactions; --", "\u202egnp.exe", "%n%s%x", "$(id)", "`id`", "=cmd|' /C calc'!A0")):
        d.run(s.saga(s.step("a"), name=f"{i}", labels={"k": text}))
        equal(d.show(s.gid(str(i)))["labels"]["k"], text)
    for i, text in enumerate(("a\r\nSet-Cookie: x=1", "\x1b[31mred", "nul\x00", "\u0085", "\x7f")):
        answer = d.submit(s.saga(s.step("a"), name=f"c{i}", labels={"k": text}))
        need(answer.status in (200, 202, 422), repr(text), answer)
    need("\x1b" not in d.log(), "escape sequences do not reach the log")
