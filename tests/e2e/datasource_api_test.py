"""Datasources through the API: defined, looked at, asked for check-backs, kept over a crash. On SQLite files; real servers are in tests/peers."""

import os
import re
import sqlite3

from kit import Daemon, ROOT, equal, eventually, need, problem, run_settle, scratch, shared_daemon, shared_site


def marker_table():
    with open(os.path.join(ROOT, "docs/datasources.md"), encoding="utf-8") as f:
        return re.search(r"<!-- marker sqlite -->\n```sql\n(.*?)```", f.read(), re.S)[1]


class Shop:
    """An application's database, and a settled that may open it."""

    def __init__(self):
        self.folder = scratch()
        self.path = os.path.join(self.folder, "shop.db")
        with sqlite3.connect(self.path) as c:
            c.executescript(marker_table())
        self.daemon = Daemon(settings={"datasource": {"directories": [self.folder]}}).start()

    def define(self, name="pay", **more):
        return self.daemon.put(f"/v1/datasources/{name}", {"url": f"sqlite:{self.path}", **more})

    def mark(self, identity):
        with sqlite3.connect(self.path) as c:
            c.execute("INSERT INTO settle_marker (id) VALUES (?)", (identity,))

    def state(self, identity):
        with sqlite3.connect(self.path) as c:
            return c.execute("SELECT state FROM settle_marker WHERE id = ?", (identity,)).fetchall()

    def half(self, identity):
        made = self.daemon.post("/v1/messages", {"id": identity, "topic": "orders", "state": "half",
                                                 "check": {"marker": {"datasource": "pay"}, "after": "50ms", "every": "50ms"}})
        equal(made.status, 201, made)


def states(answer):
    return {c["id"]: c["state"] for c in answer.json["checks"]}


def test_defining_one_says_what_was_found():
    shop = Shop()
    made = shop.define()
    equal((made.status, made.json["name"], made.json["to"], made.json["state"]), (201, "pay", f"sqlite:{shop.path}", "ok"), made)
    equal(states(made)["marker"], "ok")
    changed = shop.define(connections=2, description="the shop's")
    equal((changed.status, changed.json["definition"]["connections"]), (200, 2), changed)
    shown = shop.daemon.get("/v1/datasources/pay").json
    need("checks" not in shown, shown)
    equal([d["name"] for d in shop.daemon.get("/v1/datasources").json["items"]], ["pay"])
    equal(shop.daemon.post("/v1/datasources/pay/check").json["state"], "ok")
    equal(shop.daemon.delete("/v1/datasources/pay").status, 204)
    problem(shop.daemon.get("/v1/datasources/pay"), 404, "not-found", "pay")
    problem(shop.daemon.post("/v1/datasources/pay/check"), 404, "not-found", "pay")
    problem(shop.daemon.delete("/v1/datasources/pay"), 404, "not-found", "pay")


def test_what_does_not_work_is_found_and_said():
    shop = Shop()
    with sqlite3.connect(shop.path) as c:
        c.execute("DROP TABLE settle_marker")
    found = shop.define()
    equal((found.status, found.json["state"], states(found)["marker"]), (201, "warn", "warn"), found)
    away = shop.daemon.put("/v1/datasources/away", {"url": "postgresql://settle@127.0.0.1:1/shop"})
    equal((away.status, away.json["state"], states(away)), (201, "fail", {"reachable": "fail"}), away)
    need("refused" in away.json["checks"][0]["why"], away)


def test_what_cannot_be_one_is_refused():
    d = shared_daemon()
    for body, kind, word in (({}, "missing-field", "url"), ({"url": 7}, "wrong-type", "url"), ({"url": "sqlite:/a", "uri": "x"}, "unknown-field", "uri"),
                             ({"url": "sqlite:/tmp/x.db"}, "egress-refused", "datasource.directories"),
                             ({"url": "postgresql://a@192.0.2.1/b"}, "egress-refused", "egress.allow"),
                             ({"url": "postgresql://a:b@127.0.0.1/b"}, "invalid-value", "password_file"),
                             ({"url": "oracle://a@127.0.0.1/b"}, "invalid-value", "postgresql://"),
                             ({"url": "postgresql://a@127.0.0.1/b", "password_file": "x"}, "invalid-value", "password_file"),
                             ({"url": "postgresql://a@127.0.0.1/b", "connections": 33}, "over-limit", "connections"),
                             ({"url": "postgresql://a@127.0.0.1/b", "idle": "1ms"}, "over-limit", "idle")):
        problem(d.put("/v1/datasources/pay", body), 422, kind, word)
    problem(d.put("/v1/datasources/4pay", {"url": "postgresql://a@127.0.0.1/b"}), 422, "invalid-value", "letter first")
    problem(d.post("/v1/messages", {"topic": "t", "state": "half", "check": {"marker": {"datasource": "nobody"}}}), 422, "invalid-value", "nobody")


def test_the_marker_decides_also_after_a_crash():
    shop, s = Shop(), shared_site()
    d = shop.daemon
    shop.define()
    d.subscribe("w", "orders", s.url("w"))
    shop.mark("m-yes")
    shop.half("m-yes")
    d.until_delivery("m-yes", "w", "acked")
    shop.half("m-no")
    eventually(lambda: d.message("m-no")["status"] == "rolled_back")
    equal(shop.state("m-no"), [("rolled_back",)])
    equal(d.message("m-no")["decision"]["by"], "check")
    # A producer that comes late cannot commit any more: the place is taken.
    try:
        shop.mark("m-no")
        raise AssertionError("the producer committed after the message was rolled back")
    except sqlite3.IntegrityError:
        pass
    d.kill()
    d.start()
    equal(d.post("/v1/datasources/pay/check").json["state"], "ok")
    shop.mark("m-later")
    shop.half("m-later")
    d.until_delivery("m-later", "w", "acked")


def test_one_that_the_settings_refuse_later_is_not_connected_to():
    shop = Shop()
    shop.define()
    shop.half("m")
    shop.daemon.stop()
    shop.daemon.settings["datasource"] = {"directories": []}
    shop.daemon.start()
    problem(shop.daemon.post("/v1/datasources/pay/check"), 409, "conflict", "datasource.directories")
    eventually(lambda: shop.daemon.message("m").get("check", {}).get("attempts", 0) >= 2)
    equal(shop.daemon.message("m")["status"], "half")


def test_the_command_looks_at_them_too():
    shop = Shop()

    def settle(*arguments):
        return run_settle("ds", *arguments, daemon=shop.daemon)

    added = settle("add", "pay", f"sqlite:{shop.path}")
    equal(added.returncode, 0, added)
    need("marker" in added.stdout and "ok" in added.stdout, added.stdout)
    need(f"sqlite:{shop.path}" in settle("list").stdout, settle("list"))
    away = settle("add", "away", "postgresql://settle@127.0.0.1:1/shop")
    equal(away.returncode, 1, away)
    need("refused" in away.stdout, away.stdout)
    equal(settle("check", "pay").returncode, 0)
    equal(settle("delete", "away", "--yes", "--reason", "moved").returncode, 0)
    need("away" not in settle("list").stdout, settle("list"))
