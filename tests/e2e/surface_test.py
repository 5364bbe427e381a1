"""What the daemon says of itself: openapi, problems, metrics, info, stats."""

import json
import re

from kit import Daemon, Gate, equal, eventually, need, shared_daemon, shared_site

METHODS = ("get", "post", "put", "delete", "patch")


def document(d):
    answer = d.get("/openapi.json")
    equal(answer.status, 200, answer)
    return answer.json


def test_openapi_is_a_document():
    o = document(shared_daemon())
    need(o["openapi"].startswith("3."), o["openapi"])
    equal(o["info"]["version"], "0.1.0")
    need(len(o["paths"]) >= 15, list(o["paths"]))
    for path, methods in o["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                need(operation.get("responses"), method, path)
                need(operation.get("summary") or operation.get("description"), method, path)


def test_openapi_has_what_the_issue_asks_for():
    paths = document(shared_daemon())["paths"]
    have = {f"{m.upper()} {re.sub(r'{[^}]*}', '{}', p)}" for p, ms in paths.items() for m in ms if m in METHODS}
    for wanted in ("POST /v1/transactions", "GET /v1/transactions", "GET /v1/transactions/{}", "GET /v1/transactions/{}/events", "POST /v1/transactions/{}/branches",
                   "POST /v1/transactions/{}/commit", "POST /v1/transactions/{}/rollback", "POST /v1/transactions/{}/retry", "POST /v1/transactions/{}/suspend",
                   "POST /v1/transactions/{}/resume", "POST /v1/transactions/{}/force", "POST /v1/transactions/{}/branches/{}/retry",
                   "POST /v1/transactions/{}/branches/{}/resolve", "GET /v1/events", "GET /v1/stats", "GET /v1/info", "GET /v1/config", "GET /v1/audit", "GET /openapi.json",
                   "GET /problems/{}", "GET /metrics", "GET /healthz", "GET /readyz"):
        need(wanted in have, wanted, sorted(have))


def test_openapi_references_resolve():
    o = document(shared_daemon())

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                at = o
                for part in node["$ref"].removeprefix("#/").split("/"):
                    need(part in at, node["$ref"])
                    at = at[part]
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(o)


def test_every_listed_route_exists_and_refuses_other_methods():
    d = shared_daemon()
    for path, methods in document(d)["paths"].items():
        concrete = re.sub(r"{[^}]*}", "x", path)
        for method in METHODS:
            answer = d.connection.request(method.upper(), concrete, b"{}" if method in ("post", "put", "patch") else None)
            if method in methods:
                need(answer.status != 405, method, path)
            else:
                equal(answer.status, 405, f"{method} {path}", answer)
                allowed = {m.strip().lower() for m in answer.headers["allow"].split(",")} - {"head", "options"}
                equal(allowed, {m for m in methods if m in METHODS}, path)


def test_problem_pages_exist_for_every_kind():
    d = shared_daemon()
    kinds = set(re.findall(r"/problems/([a-z0-9-]+)", json.dumps(document(d))))
    index = d.get("/problems/", token=None)
    if index.status == 200:
        kinds |= set(re.findall(r"/problems/([a-z0-9-]+)", index.body.decode()))
    kinds |= {"already-decided"}
    for kind in sorted(kinds):
        page = d.get(f"/problems/{kind}")
        equal(page.status, 200, kind)
        need(len(page.body) > 80, kind)
    equal(d.get("/problems/nonsense-that-is-not").status, 404)


def lint(text):
    """Prometheus text format: returns {name: type}."""
    types, helped, seen, samples = {}, set(), set(), {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            need(name not in helped, "HELP twice", line)
            need(len(line.split(" ", 3)) == 4 and line.split(" ", 3)[3], "empty HELP", line)
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            need(name not in types, "TYPE twice", line)
            need(kind in ("counter", "gauge", "histogram", "summary"), line)
            types[name] = kind
        elif line and not line.startswith("#"):
            match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (-?[0-9.eE+]+|NaN|[+-]Inf)', line)
            need(match, "not a sample", line)
            need(line.rsplit(" ", 1)[0] not in seen, "series twice", line)
            seen.add(line.rsplit(" ", 1)[0])
            name = match.group(1)
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            family = name if name in types else base
            need(family in types and family in helped, "sample without TYPE or HELP", line)
            if types[family] == "counter":
                need(name.endswith("_total"), "a counter's name ends in _total", line)
            samples.setdefault(family, []).append((name, match.group(3) or "", match.group(4)))
    for family, kind in types.items():
        if kind == "histogram":
            buckets = [s for s in samples.get(family, []) if s[0].endswith("_bucket")]
            need(any('le="+Inf"' in s[1] for s in buckets), "no +Inf", family)
    return types


def test_metrics_are_well_formed_and_move():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a")))
    answer = d.get("/metrics")
    equal(answer.status, 200)
    need(answer.headers["content-type"].startswith("text/plain"), answer.headers)
    need(answer.body.endswith(b"\n"))
    types = lint(answer.body.decode())
    need(len(types) >= 10, sorted(types))
    for name in types:
        need(name.startswith(("settled_", "settle_", "process_")), name)
    before = answer.body.decode()
    d.run(s.saga(s.step("a"), name="y"))
    need(d.get("/metrics").body.decode() != before)


def test_hostile_labels_do_not_break_metrics():
    d, s = shared_daemon(), shared_site()
    d.run(s.saga(s.step("a"), labels={'a"b': 'x"\\y'}) | {"name": 'n"{}=\\'})
    lint(d.get("/metrics").body.decode())


def test_info_says_version_and_limits():
    info = shared_daemon().get("/v1/info").json
    equal(info["version"], "0.1.0", info)
    need(info.get("limits"), info)


def test_stats_count():
    d, s = Daemon().start(), shared_site()
    gate = s.on("a/do", Gate())
    s.on("no/do", 409)
    d.run(s.saga(s.step("ok"), name="1"))
    d.run(s.saga(s.step("no"), name="2"), "rolled_back")
    d.submit(s.saga(s.step("a"), name="3"))
    eventually(lambda: s.calls("a/do"))
    text = json.dumps(d.get("/v1/stats").json)
    for word in ("committed", "rolled_back"):
        need(word in text, text)
    gate.open()


def test_security_headers():
    answer = shared_daemon().get("/v1/info")
    equal(answer.headers.get("x-content-type-options"), "nosniff", answer)
    need("access-control-allow-origin" not in answer.headers, answer)
    need("no-store" in answer.headers.get("cache-control", ""), answer)


def test_answers_are_json_with_a_length():
    d, s = shared_daemon(), shared_site()
    answer = d.submit(s.saga(s.step("a")), wait="5s")
    need(answer.headers["content-type"].startswith("application/json"), answer)
    equal(int(answer.headers["content-length"]), len(answer.body))
