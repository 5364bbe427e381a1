"""Other people's text is text: in answers, pages, logs, headers and on the terminal (H10)."""

import json
import re
from urllib.parse import quote

from kit import Daemon, Raw, Status, equal, eventually, exchange, need, run_settle, shared_daemon, shared_site, split_answers

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|note|debug) +[a-z-]+: ")
HOSTILE = ("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "a\r\nSet-Cookie: x=1", "a\nb", "\x1b[2J\x1b[31mred", "\u009b31m", "\u202egpj.exe", "\u2066x\u2069", "\u2028line",
           "nul\x00", "\x7f", "%n%s%x%00", "${jndi:ldap://x}", "=cmd|' /C calc'!A0", "'; DROP TABLE transactions; --", "\\x0a", "\ufeff", "x" * 300)
NEVER = re.compile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def daemon(**more):
    return shared_daemon("hostile" + json.dumps(more), settings={"observe": {"log_level": "debug", **more}})


def tame(answer):
    """Whatever came back is data: declared as such, and no browser guesses otherwise."""
    equal(answer.headers.get("x-content-type-options"), "nosniff", answer)
    kind = answer.headers.get("content-type", "")
    need("html" not in kind, answer)
    if "json" in kind:
        need(isinstance(answer.json, dict), answer)
        need(not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", answer.body), answer)
    need("set-cookie" not in answer.headers, answer)


def tame_log(d):
    for line in d.log().splitlines():
        if line.startswith("settled "):
            continue
        need(LINE.match(line), f"a line that settled did not write: {line!r}")
        need(not NEVER.search(line), f"{line!r}")


def test_text_in_paths_and_queries():
    d = daemon()
    for text in HOSTILE:
        odd = quote(text, safe="")
        for path in (f"/v1/transactions/{odd}", f"/v1/transactions?name={odd}", f"/v1/transactions?{odd}=1", f"/v1/transactions?cursor={odd}",
                     f"/problems/{odd}", f"/{odd}", f"/v1/transactions/x/branches/{odd}/retry"):
            answer = d.get(path)
            need(400 <= answer.status < 500 or path.startswith("/v1/transactions?name="), path, answer)
            tame(answer)
    tame_log(d)


def test_text_in_raw_request_lines():
    d = daemon()
    for raw in (b"GET /<script> HTTP/1.1", b"GET /\x1b[2J HTTP/1.1", b"GET /\xe2\x80\xae HTTP/1.1", b"<script> / HTTP/1.1", b"GET / HTTP/1.1\x1b[31m", b"\x1b]0;x\x07"):
        data = exchange(d.port, raw + b"\r\nHost: x\r\n\r\n", seconds=1.0, shut=True)
        if data:
            status, headers, body = split_answers(data)[0]
            need(400 <= status < 600 and "html" not in headers.get("content-type", ""), data.decode("latin-1"))
            need(b"\x1b" not in data, data.decode("latin-1"))
            json.loads(body)
    tame_log(d)


def test_text_in_headers():
    d, s = daemon(), shared_site()
    for i, text in enumerate(HOSTILE):
        value = re.sub("[\r\n\x00]", "", text).encode("utf-8")
        for name in (b"User-Agent", b"Idempotency-Key", b"traceparent", b"X-Forwarded-For", b"Authorization", b"Referer", b"Origin"):
            body = json.dumps(s.saga(s.step("a"), name=f"h{i}-{name.decode()}")).encode()
            data = exchange(d.port, b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n" + name + b": " + value
                            + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body, seconds=3.0)
            status, headers, _ = split_answers(data)[0]
            need(status < 500, name.decode(), value.decode(), data.decode("latin-1"))
            need("set-cookie" not in headers, data.decode("latin-1"))
    tame_log(d)


def test_text_in_bodies_comes_back_as_json_text():
    d, s = daemon(), shared_site()
    for i, text in enumerate(HOSTILE):
        for j, more in enumerate(({"name": text}, {"labels": {"k": text}}, {"labels": {text: "v"}}, {text: 1}, {"mode": text}, {"deadline": text})):
            answer = d.submit({**s.saga(s.step("a"), name=f"b{i}-{j}"), **more})
            need(answer.status in (200, 202, 409, 422), answer)
            tame(answer)
        answer = d.submit({"gid": text, "mode": "saga", "branches": [s.step("a")]})
        need(answer.status in (202, 400, 422), answer)
        tame(answer)
        tame(d.submit(s.saga({**s.step("a"), "id": text}, name=f"i{i}")))
        tame(d.submit(s.saga({**s.step("a"), "action": text}, name=f"u{i}")))
    tame_log(d)


def answers_with(text):
    yield Status(409, {"type": text, "title": text, "detail": text})
    yield Status(409, text.encode(), content_type="text/html")
    one_line = re.sub("[\r\n\x00]", "", text).encode()
    yield Raw(b"HTTP/1.1 409 " + one_line + b"\r\nContent-Length: 0\r\nRetry-After: " + one_line + b"\r\nX-A: " + one_line + b"\r\n\r\n")
    yield Raw(one_line + b"\r\n\r\n")


def test_text_of_participants():
    d, s = daemon(), shared_site()
    number = 0
    for text in HOSTILE:
        for answer in answers_with(text):
            number += 1
            s.on(f"p{number}/do", answer, Status(409, {}))
            d.submit(s.saga(s.step(f"p{number}"), name=f"p{number}", deadline="20s"))
    for i in range(1, number + 1):
        gid = s.gid(f"p{i}")
        d.until(gid, "rolled_back")
        for path in (f"/v1/transactions/{gid}", f"/v1/transactions/{gid}/events"):
            tame(d.get(path, headers={"Accept": "application/json"}))
        if i % 4 == 1:
            on_terminal(d, "tx", "show", gid)
            on_terminal(d, "tx", "events", gid)
    need(not re.search("[\x00-\x08\x0b-\x1f\x7f]", d.get("/metrics").body.decode()), "metrics are plain")
    tame_log(d)


def on_terminal(d, *words):
    done = run_settle(*words, daemon=d)
    equal(done.returncode, 0, done.stdout, done.stderr)
    for line in (done.stdout + done.stderr).splitlines():
        need(not NEVER.search(line), " ".join(words), repr(line))
    return done.stdout


def test_text_of_operators():
    d, s = daemon(), shared_site()
    s.on("a/do", 500)
    d.submit(s.saga(s.step("a"), deadline="1h"))
    for i, text in enumerate(HOSTILE):
        answer = d.post(f"/v1/transactions/{s.gid()}/{'resume' if i % 2 else 'suspend'}", {"reason": text})
        need(answer.status in (200, 400, 409, 422), answer)
        tame(answer)
    for path in ("/v1/audit?limit=200", f"/v1/transactions/{s.gid()}", "/v1/events?limit=50"):
        tame(d.get(path, headers={"Accept": "application/json"}))
    on_terminal(d, "audit", "list")
    on_terminal(d, "tx", "list")
    tame_log(d)


def test_json_logs_hold_one_document_a_line():
    d, s = daemon(log="json"), shared_site()
    for i, text in enumerate(HOSTILE):
        d.get(f"/v1/transactions/{quote(text, safe='')}")
        d.submit(s.saga(s.step("a"), name=f"j{i}", labels={"k": text}))
    eventually(lambda: "request" in d.log())
    for line in d.log().splitlines():
        if not line.startswith("settled "):
            need(isinstance(json.loads(line), dict), line)
            need(not NEVER.search(line), repr(line))


def test_problem_pages_are_ours_alone():
    d = daemon()
    answer = d.get("/problems/not-found", token=None)
    equal(answer.headers["content-type"], "text/html; charset=utf-8")
    need("default-src 'none'" in answer.headers["content-security-policy"], answer)
    equal(answer.headers["x-content-type-options"], "nosniff")
    for word in (b"<script", b"http://", b"https://", b"style="):
        need(word not in answer.body, answer)
    for text in HOSTILE:
        answer = d.get(f"/problems/not-found?{quote(text, safe='')}")
        need(text.encode() not in answer.body or "html" not in answer.headers["content-type"], answer)


def test_a_hostile_gid_never_becomes_one():
    d, s = Daemon().start(), shared_site()
    for text in HOSTILE:
        if d.submit({"gid": text, "mode": "saga", "branches": [s.step("a")]}).status < 300:
            need(re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", text), f"{text!r} was taken as a gid")
