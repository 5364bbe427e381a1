"""Tokens, roles, paths: nothing is open that should be closed (H1, H2)."""

import json
import os

from kit import Daemon, equal, exchange, need, problem, shared_daemon, shared_site, split_answers

OPEN = ("/healthz", "/readyz")


def daemon():
    return shared_daemon("auth", auth=True)


def routes(d):
    """(method, path) of every operation that the daemon itself lists."""
    document = d.get("/openapi.json").json
    for path, methods in document["paths"].items():
        for method in methods:
            if method in ("get", "post", "put", "delete", "patch"):
                yield method.upper(), path


def concrete(path):
    out = path
    while "{" in out:
        out = out[:out.index("{")] + "x" + out[out.index("}") + 1:]
    return out


def token_of(d, role, **more):
    answer = d.post("/v1/tokens", {"name": f"{role}-{os.urandom(3).hex()}", "roles": [role], **more})
    need(answer.status in (200, 201), answer)
    return answer.json


def test_the_first_token_is_made_at_first_start_and_kept():
    d = Daemon(auth=True).start()
    first = d.token
    need(len(first) >= 32, first)
    equal(d.get("/v1/info").status, 200)
    d.restart()
    with open(os.path.join(d.data, "token"), encoding="ascii") as f:
        equal(f.read(), first + "\n")
    equal(d.get("/v1/info").status, 200)


def test_no_bad_and_expired_credentials_are_401_everywhere():
    d = daemon()
    bodies = set()
    count = 0
    for method, path in routes(d):
        if path in OPEN or path.startswith("/problems"):
            continue
        for token in (None, "", "x", d.token[:-1], d.token + "x", d.token.swapcase(), "stl_" + "A" * 43, d.token[:-1] + chr(ord(d.token[-1]) ^ 1)):
            count += 1
            headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
            answer = d.connection.request(method, concrete(path), b"{}" if method in ("POST", "PUT") else None, headers=headers, token=None)
            equal(answer.status, 401, f"{method} {path} with {token!r}", answer)
            need("bearer" in answer.headers.get("www-authenticate", "").lower(), answer)
            document = json.loads(answer.body)
            for varying in ("instance", "trace_id"):
                document.pop(varying, None)
            bodies.add(json.dumps(document, sort_keys=True))
    need(count > 100, f"only {count} cases")
    equal(len(bodies), 1, "every 401 has the same body", sorted(bodies)[:3])


def test_other_schemes_are_401():
    d = daemon()
    for value in (f"Basic {d.token}", d.token, f"bearer{d.token}", f"Bearer  ", f"Token {d.token}", f"Bearer {d.token} x", f"Bearer {d.token},{d.token}"):
        equal(d.get("/v1/info", token=None, headers={"Authorization": value}).status, 401, value.replace(d.token, "TOKEN"))
    for query in (f"/v1/info?token={d.token}", f"/v1/info?access_token={d.token}"):
        need(d.get(query, token=None).status in (400, 401, 422), "no tokens in queries")


def test_two_authorization_headers_are_refused():
    d = daemon()
    for a, b in ((d.token, "x"), ("x", d.token), (d.token, d.token)):
        data = exchange(d.port, f"GET /v1/info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {a}\r\nAuthorization: Bearer {b}\r\n\r\n".encode(), seconds=2, shut=True)
        need(split_answers(data)[0][0] in (400, 401), data.decode())


def test_what_is_open_is_open():
    d = daemon()
    for path in OPEN:
        equal(d.get(path, token=None).status, 200)
    equal(d.get("/problems/not-found", token=None).status, 200)


def test_path_tricks_open_nothing():
    d = daemon()
    for path in ("/v1//info", "//v1/info", "/v1/./info", "/v1/../v1/info", "/healthz/../v1/info", "/healthz/..%2fv1/info", "/healthz%2f..%2fv1/info",
                 "/healthz;/../v1/info", "/v1/info;x", "/v1/info/", "/V1/INFO", "/v1/info%00", "/v1/info%20", "/v1/%69nfo", "/%76%31/info",
                 "/v1/info?", "/v1/info#", "/problems/../v1/info", "/problems/%2e%2e/v1/info", "/problems/x/../../v1/info", "/healthz?x=/v1/info",
                 "/.", "/..", "/%2e%2e/%2e%2e/etc/passwd", "/problems/..%2f..%2f..%2fetc%2fpasswd", "/problems/%2e%2e%2ftoken", "\\v1\\info",
                 "/v1\\info", "/v1/transactions/..%2f..%2finfo", "/v1/transactions/%2e%2e/info", "/healthz/v1/info", "/readyz//v1/info",
                 "http://127.0.0.1/v1/info", "*", "/v1/info%0d%0aX:y", "/v1/info%", "/v1/info%2", "/v1/info%zz", "/v1/%c0%afinfo"):
        data = exchange(d.port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode("latin-1"), seconds=1.5, shut=True)
        if not data:
            continue
        status, _, body = split_answers(data)[0]
        need(status in (400, 401, 404, 422) or (status == 200 and path.startswith("/healthz") and b"version" not in body), path, status, body.decode("latin-1"))
        need(b"root:" not in body and d.token.encode() not in body, path)


def test_header_tricks_open_nothing():
    d = daemon()
    for name, value in (("X-Original-URL", "/healthz"), ("X-Rewrite-URL", "/healthz"), ("X-Forwarded-For", "127.0.0.1"), ("User-Agent", "settle"),
                        ("X-Forwarded-User", "admin"), ("Forwarded", "for=127.0.0.1"), ("X-HTTP-Method-Override", "GET"), ("Cookie", f"token={d.token}")):
        equal(d.get("/v1/info", token=None, headers={name: value}).status, 401, name)


# What each role may at least and at most do. Viewers look, producers submit, operators act, admins do everything.
ALLOWED = {
    "viewer": {"GET /v1/transactions", "GET /v1/stats", "GET /v1/info", "GET /v1/events"},
    "producer": {"POST /v1/transactions"},
    "operator": {"POST /v1/transactions/{gid}/retry", "POST /v1/transactions/{gid}/suspend"},
}
DENIED = {
    "viewer": {"POST /v1/transactions", "POST /v1/transactions/{gid}/retry", "POST /v1/transactions/{gid}/force", "POST /v1/tokens", "GET /v1/store/backup",
               "POST /v1/transactions/{gid}/commit", "POST /v1/transactions/{gid}/suspend", "POST /v1/transactions/{gid}/branches/{id}/resolve"},
    "producer": {"POST /v1/transactions/{gid}/force", "POST /v1/tokens", "POST /v1/transactions/{gid}/suspend", "GET /v1/store/backup",
                 "POST /v1/transactions/{gid}/branches/{id}/resolve"},
    "operator": {"POST /v1/transactions/{gid}/force", "POST /v1/tokens", "GET /v1/store/backup", "GET /v1/tokens"},
    "approver": {"POST /v1/tokens", "GET /v1/store/backup"},
    "receiver": {"POST /v1/transactions", "GET /v1/transactions", "POST /v1/tokens"},
}


def ask(d, token, operation):
    method, path = operation.split(" ")
    headers = {"Accept": "application/json"}
    return d.connection.request(method, concrete(path), b'{"reason":"x"}' if method == "POST" else None, headers=headers, token=token)


def test_roles_allow_and_deny():
    d = daemon()
    for role, operations in DENIED.items():
        token = token_of(d, role)["token"]
        for operation in operations:
            problem(ask(d, token, operation), 403, None, "role")
    for role, operations in ALLOWED.items():
        token = token_of(d, role)["token"]
        for operation in operations:
            need(ask(d, token, operation).status not in (401, 403), role, operation)


def test_every_route_tells_its_role_and_keeps_it():
    d = daemon()
    token = token_of(d, "receiver")["token"]
    for method, path in routes(d):
        if path in OPEN or path.startswith("/problems") or path in ("/openapi.json", "/docs"):
            continue
        answer = d.connection.request(method, concrete(path), b"{}" if method in ("POST", "PUT") else None, token=token)
        need(answer.status in (403, 200) and (answer.status == 403 or path in ("/v1/info", "/v1/stats")), f"{method} {path}", answer)


def test_tokens_are_shown_once_hashed_and_revocable():
    d = Daemon(auth=True).start()
    made = token_of(d, "viewer")
    secret = made["token"]
    need(len(secret) >= 40, made)
    equal(d.get("/v1/info", token=secret).status, 200)
    need(secret not in d.get("/v1/tokens").body.decode(), "never shown again")
    for root, _, names in os.walk(d.data):
        for name in names:
            with open(os.path.join(root, name), "rb") as f:
                need(secret.encode() not in f.read(), f"{name} holds the token in clear")
    need(secret not in d.log())
    d.restart()
    equal(d.get("/v1/info", token=secret).status, 200)
    answer = d.connection.request("DELETE", f"/v1/tokens/{made['id'] if 'id' in made else made['name']}")
    need(answer.status in (200, 204), answer)
    equal(d.get("/v1/info", token=secret).status, 401)
    d.restart()
    equal(d.get("/v1/info", token=secret).status, 401)


def test_expired_tokens_are_401():
    import time
    d = daemon()
    made = token_of(d, "viewer", expires="1s")
    equal(d.get("/v1/info", token=made["token"]).status, 200)
    time.sleep(1.3)
    equal(d.get("/v1/info", token=made["token"]).status, 401)


def test_odd_tokens_are_refused():
    d = daemon()
    for body in ({}, {"name": "x"}, {"roles": ["viewer"]}, {"name": "x", "roles": ["god"]}, {"name": "", "roles": ["viewer"]}, {"name": "x" * 1000, "roles": ["viewer"]},
                 {"name": 5, "roles": ["viewer"]}, {"name": "a", "roles": ["viewer"], "oops": 1}, {"name": "a", "roles": ["viewer"], "expires": "soon"},
                 {"name": "a", "roles": []}, {"name": "a", "roles": "viewer"}, {"name": "a", "roles": ["viewer", 5]}):
        need(d.post("/v1/tokens", body).status in (400, 422), body)


def test_other_peoples_repeats_see_the_transaction():
    d, s = daemon(), shared_site()
    body = s.saga(s.step("a"))
    a, b = token_of(d, "producer")["token"], token_of(d, "producer")["token"]
    equal(d.submit(body, wait="5s", token=a).status, 200)
    equal(d.submit(body, token=b).status, 200, "the principal is not part of the fingerprint")


def test_acts_say_who():
    d, s = daemon(), shared_site()
    s.on("a/do", 500)
    made = token_of(d, "operator")
    d.submit(s.saga(s.step("a"), deadline="1m"))
    equal(d.post(f"/v1/transactions/{s.gid()}/suspend", {"reason": "mine"}, token=made["token"]).status, 200)
    audit = json.dumps([i for i in d.get("/v1/audit?limit=100").json["items"] if s.gid() in json.dumps(i)])
    need(made["name"] in audit, made["name"], audit)
    s.on("a/do", 200)
    d.post(f"/v1/transactions/{s.gid()}/resume", {"reason": "x"})
    d.post(f"/v1/transactions/{s.gid()}/retry", {"reason": "x"})
    d.until(s.gid(), "committed")


def test_the_token_is_in_no_environment_argument_or_log():
    d, s = daemon(), shared_site()
    d.run(s.saga(s.step("a")))
    for name in ("cmdline", "environ"):
        with open(f"/proc/{d.process.pid}/{name}", "rb") as f:
            need(d.token.encode() not in f.read(), name)
    need(d.token not in d.log(), "the log shows the token")
    need(d.token not in d.get("/metrics").body.decode())
