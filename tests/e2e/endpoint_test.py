"""Endpoints of notifications: defined, disabled, gone, in trouble; the secret of each, and its rotation."""

import base64
import hashlib
import hmac
import os
import shutil
import time

from kit import Daemon, Gate, equal, eventually, less, need, problem, shared_daemon, shared_site


def daemon():
    return shared_daemon("endpoints")


def verified(secret, call):
    """As Standard Webhooks says: HMAC-SHA256 over id, timestamp and body."""
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.body
    mac = hmac.new(base64.b64decode(secret[len("whsec_"):]), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}" in call.headers["webhook-signature"].split(" ")


def notify(d, name, wait="5s", status="delivered", **more):
    answer = d.post(f"/v1/notifications?wait={wait}", {"endpoint": name, "event": "e", "body": {"n": 1}, **more})
    equal((answer.status, answer.json["status"]), (200, status), answer)
    return answer.json


def state(d, name):
    answer = d.get(f"/v1/endpoints/{name}")
    equal(answer.status, 200, answer)
    return answer.json


def test_definitions_come_and_go():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    body = {"url": s.url("crm"), "timeout": "2s", "concurrency": 2, "description": "customers"}
    answer = d.put(f"/v1/endpoints/{name}", body)
    equal((answer.status, answer.json["definition"], answer.json["to"], answer.json["enabled"], answer.json["health"]), (201, body, s.url("crm"), True, "well"), answer)
    need(answer.json["secret"].startswith("whsec_"), answer)
    again = d.put(f"/v1/endpoints/{name}", body)
    equal(again.status, 200)
    for shown in (again.json, state(d, name), next(i for i in d.get("/v1/endpoints?limit=200").json["items"] if i["name"] == name)):
        need("secret" not in shown, "shown once", shown)
    changed = d.put(f"/v1/endpoints/{name}", {"url": s.url("crm2")})
    equal((changed.status, changed.json["to"]), (200, s.url("crm2")))
    notify(d, name)
    need(verified(answer.json["secret"], s.calls("crm2")[0]), "a change leaves the secret alone")
    equal(d.delete(f"/v1/endpoints/{name}", {"reason": "moved"}).status, 204)
    problem(d.get(f"/v1/endpoints/{name}"), 404, "not-found", "endpoint")
    problem(d.delete(f"/v1/endpoints/{name}"), 404, "not-found")
    problem(d.post("/v1/notifications", {"endpoint": name, "event": "e"}), 422, "invalid-value", "no endpoint")
    fresh = d.put(f"/v1/endpoints/{name}", body)
    equal(fresh.status, 201)
    need(fresh.json["secret"] != answer.json["secret"], "another endpoint has another secret")
    audit = [i["what"] for i in d.get("/v1/audit?limit=50").json["items"] if i["gid"] == name]
    equal(audit, ["define endpoint", "delete endpoint", "define endpoint", "define endpoint"])


def test_bad_definitions():
    d = daemon()
    for body, kind, word in (({}, "missing-field", "url"), ({"url": "http://192.0.2.1/"}, "egress-refused", "egress.allow"), ({"url": "ftp://127.0.0.1/"}, "invalid-value", "url"),
                             ({"url": f"{d.url}/x"}, "egress-refused", "settled itself"), ({"url": "http://127.0.0.1/", "concurrency": 0}, "over-limit", "concurrency"),
                             ({"url": "http://127.0.0.1/", "topic": "t"}, "unknown-field", "topic")):
        problem(d.put("/v1/endpoints/bad", body), 422, kind, word)
    problem(d.put("/v1/endpoints/" + "n" * 65, {"url": "http://127.0.0.1/"}), 422, "over-limit", "64")
    problem(d.get("/v1/endpoints/bad"), 404)
    for path in ("disable", "enable", "rotate-secret"):
        problem(d.post(f"/v1/endpoints/bad/{path}", {"reason": "x"} if path != "rotate-secret" else {}), 404, "not-found")


def test_definitions_and_secrets_survive():
    d, s = Daemon().start(), shared_site()
    secrets = {name: d.put(f"/v1/endpoints/{name}", {"url": s.url(name)}).json["secret"] for name in ("a", "b")}
    equal(len(set(secrets.values())), 2)
    d.post("/v1/endpoints/a/disable", {"reason": "maintenance"})
    before = d.get("/v1/endpoints").json
    d.restart()
    equal(d.get("/v1/endpoints").json, before)
    equal((state(d, "a")["enabled"], state(d, "a")["reason"]), (False, "maintenance"))
    notify(d, "b")
    need(verified(secrets["b"], s.calls("b")[0]) and not verified(secrets["a"], s.calls("b")[0]), "each has its own")


def test_any_name_keeps_its_secret():
    d, s = Daemon().start(), shared_site()
    names = (".fresh", "crm.fresh", "...", "-", "a:b", "n" * 64)
    secrets = {name: d.put(f"/v1/endpoints/{name}", {"url": s.url("crm")}).json["secret"] for name in names}
    d.post("/v1/endpoints/a:b/rotate-secret", {})
    d.restart()
    for name in names:
        notify(d, name)
        need(verified(secrets[name], s.calls("crm")[-1]), name)


def test_a_lost_secret_is_made_anew_and_said():
    d, s = Daemon(auth=True).start(), shared_site()
    old = d.put("/v1/endpoints/crm", {"url": s.url("crm")}).json["secret"]
    d.stop()
    shutil.rmtree(os.path.join(d.data, "endpoints"))
    d.start()
    need("endpoint-secret-made" in d.log() and "endpoint crm" in d.log(), d.log())
    notify(d, "crm")
    with open(os.path.join(d.data, "signing-secret"), encoding="ascii") as f:
        others = [old, f.readline().strip()]
    need(not any(verified(secret, s.calls("crm")[0]) for secret in others), "never signed with another's")
    new = d.post("/v1/endpoints/crm/rotate-secret", {}).json["secret"]
    notify(d, "crm")
    need(verified(new, s.calls("crm")[1]), s.calls("crm")[1])


def test_a_secret_without_an_endpoint_is_forgotten():
    d, s = Daemon().start(), shared_site()
    stray = os.path.join(d.data, "endpoints", "crm")
    d.stop()
    with open(stray, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
        f.write("whsec_" + base64.b64encode(b"k" * 32).decode() + "\n")
    d.start()
    need(not os.path.exists(stray), "its definition never became durable")
    secret = d.put("/v1/endpoints/crm", {"url": s.url("crm")}).json["secret"]
    notify(d, "crm")
    need(verified(secret, s.calls("crm")[0]), "shown to whoever defines it")


def test_a_receiver_verifies_during_a_rotation():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    old = d.put(f"/v1/endpoints/{name}", {"url": s.url("crm")}).json["secret"]
    notify(d, name)
    need(verified(old, s.calls("crm")[-1]), s.calls("crm")[-1])
    need(not verified(old, Forged(s.calls("crm")[-1])), "a changed body does not verify")
    key = {"Idempotency-Key": s.gid("rotate")}
    answer = d.post(f"/v1/endpoints/{name}/rotate-secret", {"overlap": "2s"}, headers=key)
    equal(answer.status, 200, answer)
    new = answer.json["secret"]
    need(new != old and answer.json["overlap_until"] is not None, answer)
    equal(state(d, name)["overlap_until"], answer.json["overlap_until"])
    again = d.post(f"/v1/endpoints/{name}/rotate-secret", {"overlap": "2s"}, headers=key)
    equal((again.status, again.json["secret"], again.headers.get("settle-replayed")), (200, None, "true"), again)
    notify(d, name)
    call = s.calls("crm")[-1]
    need(verified(old, call) and verified(new, call), "both sign until the overlap ends", call)
    eventually(lambda: state(d, name)["overlap_until"] is None, 10)
    notify(d, name)
    call = s.calls("crm")[-1]
    need(verified(new, call) and not verified(old, call), "then only the new one", call)


class Forged:
    def __init__(self, call):
        self.headers, self.body = call.headers, call.body + b" "


def test_every_attempt_is_signed_anew():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    secret = d.put(f"/v1/endpoints/{name}", {"url": s.url("crm")}).json["secret"]
    s.on("crm", 500, 200)
    notify(d, name, schedule=["0s", "1100ms"])
    first, second = s.calls("crm")
    need(verified(secret, first) and verified(secret, second), first, second)
    equal(first.headers["webhook-id"], second.headers["webhook-id"])
    need(first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"], "its time is the attempt's")


def test_gone_disables_and_what_is_queued_waits():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    d.put(f"/v1/endpoints/{name}", {"url": s.url("crm"), "concurrency": 1})
    gate = Gate(410)
    s.on("crm", gate, 200)
    made = [d.post("/v1/notifications", {"id": s.gid(f"n{i}"), "endpoint": name, "event": "e", "schedule": ["0s", "10ms"]}).json for i in range(3)]
    equal([m["status"] in ("scheduled", "delivering") for m in made], [True] * 3)
    eventually(lambda: s.calls("crm"))
    gate.open()
    eventually(lambda: not state(d, name)["enabled"])
    shown = state(d, name)
    need("410" in shown["reason"] and shown["owed"] == 2, shown)
    first = d.get(f"/v1/notifications/{s.gid('n0')}").json
    equal((first["status"], first["reason"]["why"], first["http"], first["attempts"]), ("gave_up", "gone", 410, 1), first)
    equal(d.post("/v1/notifications", {"id": s.gid("late"), "endpoint": name, "event": "e"}).status, 201, "taken, and waits too")
    time.sleep(0.3)
    equal(len(s.calls("crm")), 1, "nothing is sent to a disabled endpoint")
    for i in (1, 2):
        equal(d.get(f"/v1/notifications/{s.gid(f'n{i}')}").json["attempts"], 0)
    equal([m["id"] for m in d.get(f"/v1/endpoints/{name}/missed").json["items"]], [s.gid("n0")])
    answer = d.post(f"/v1/endpoints/{name}/enable", {"reason": "it is back"})
    equal((answer.status, answer.json["enabled"]), (200, True), answer)
    for i in ("n1", "n2", "late"):
        equal(d.get(f"/v1/notifications/{s.gid(i)}?wait=5s").json["status"], "delivered")
    equal(len(s.calls("crm")), 4)


def test_disabled_by_hand():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    d.put(f"/v1/endpoints/{name}", {"url": s.url("crm")})
    problem(d.post(f"/v1/endpoints/{name}/disable", {}), 422, "missing-field", "reason")
    equal(d.post(f"/v1/endpoints/{name}/disable", {"reason": "they move"}).json["enabled"], False)
    equal(d.post(f"/v1/endpoints/{name}/disable", {"reason": "they move"}).status, 200, "a repeat agrees")
    d.post("/v1/notifications", {"id": s.gid("n"), "endpoint": name, "event": "e"})
    time.sleep(0.2)
    equal((s.calls("crm"), state(d, name)["reason"]), ([], "they move"))
    problem(d.delete(f"/v1/endpoints/{name}"), 409, "conflict", "owed")
    d.put(f"/v1/endpoints/{name}", {"url": s.url("elsewhere")})
    equal(state(d, name)["enabled"], False, "a new definition does not enable it")
    d.post(f"/v1/endpoints/{name}/enable", {"reason": "moved"})
    equal(d.get(f"/v1/notifications/{s.gid('n')}?wait=5s").json["status"], "delivered")
    equal((len(s.calls("crm")), len(s.calls("elsewhere"))), (0, 1), "it goes where the endpoint is now")
    equal(d.delete(f"/v1/endpoints/{name}").status, 204)


def test_cancelling_what_is_owed_lets_it_be_deleted():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    d.put(f"/v1/endpoints/{name}", {"url": s.url("crm")})
    d.post("/v1/notifications", {"id": s.gid("n"), "endpoint": name, "event": "e", "schedule": ["1h"]})
    problem(d.delete(f"/v1/endpoints/{name}"), 409, "conflict")
    equal(d.post(f"/v1/notifications/{s.gid('n')}/cancel").json["status"], "cancelled")
    equal(d.delete(f"/v1/endpoints/{name}").status, 204)
    shown = d.get(f"/v1/notifications/{s.gid('n')}").json
    equal((shown["status"], shown["endpoint"]), ("cancelled", name))


def test_one_in_trouble_is_probed_and_holds_nobody_up():
    d, s = daemon(), shared_site()
    bad, good = s.gid("bad"), s.gid("good")
    for name in (bad, good):
        d.put(f"/v1/endpoints/{name}", {"url": s.url(name), "timeout": "200ms"})
    s.on(bad, 500)
    for i in range(6):
        d.post("/v1/notifications", {"id": s.gid(f"n{i}"), "endpoint": bad, "event": "e", "schedule": ["0s"] + ["10ms"] * 20})
    eventually(lambda: state(d, bad)["health"] == "probing")
    shown = state(d, bad)
    need(shown["next_probe"] is not None and shown["failures"] >= 5, shown)
    seen = len(s.calls(bad))
    for _ in range(5):
        began = time.monotonic()
        notify(d, good)
        less(time.monotonic() - began, 2.0)
    less(len(s.calls(bad)) - seen, 3, "it is not hammered")
    equal(state(d, good)["health"], "well")
    s.on(bad, 200)
    for i in range(6):
        equal(d.get(f"/v1/notifications/{s.gid(f'n{i}')}?wait=20s").json["status"], "delivered")
    equal((state(d, bad)["health"], state(d, bad)["owed"]), ("well", 0), "what waited goes out after the probe")


def test_concurrency_is_kept():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    d.put(f"/v1/endpoints/{name}", {"url": s.url("crm"), "concurrency": 2})
    gate = s.on("crm", Gate(200))
    for i in range(5):
        d.post("/v1/notifications", {"id": s.gid(f"n{i}"), "endpoint": name, "event": "e"})
    eventually(lambda: len(s.calls("crm")) == 2)
    time.sleep(0.2)
    shown = state(d, name)
    equal((len(s.calls("crm")), shown["out"], shown["owed"]), (2, 2, 5), shown)
    gate.open()
    eventually(lambda: state(d, name)["owed"] == 0)
    equal(state(d, name)["delivered"], 5)


def test_metrics():
    d, s = Daemon().start(), shared_site()
    d.put("/v1/endpoints/crm", {"url": s.url("crm")})
    d.put("/v1/endpoints/off", {"url": s.url("off")})
    d.post("/v1/endpoints/off/disable", {"reason": "x"})
    s.on("crm", 200, 500)
    notify(d, "crm")
    notify(d, "crm", status="gave_up", schedule=["0s"])
    for i in range(3):
        d.post("/v1/notifications", {"endpoint": "off", "event": "e"})
    d.post("/v1/notifications", {"id": "void", "endpoint": "off", "event": "e"})
    d.post("/v1/notifications/void/cancel")
    lines = d.get("/metrics").body.decode().splitlines()
    for line in ("settled_notifications_accepted_total 6", "settled_notifications_unfinished 3", "settled_notifications_taken_back_total 0",
                 'settled_notifications_finished_total{status="delivered"} 1', 'settled_notifications_finished_total{status="gave_up"} 1',
                 'settled_notifications_finished_total{status="cancelled"} 1', 'settled_endpoint_owed{endpoint="crm"} 0', 'settled_endpoint_owed{endpoint="off"} 3',
                 'settled_endpoint_disabled{endpoint="crm"} 0', 'settled_endpoint_disabled{endpoint="off"} 1', 'settled_endpoint_probing{endpoint="crm"} 0',
                 'settled_endpoint_delivered_total{endpoint="crm"} 1'):
        need(line in lines, line, [x for x in lines if "notif" in x or "endpoint" in x])
    d.restart()
    lines = d.get("/metrics").body.decode().splitlines()
    for line in ("settled_notifications_unfinished 3", 'settled_endpoint_owed{endpoint="off"} 3', 'settled_endpoint_disabled{endpoint="off"} 1'):
        need(line in lines, line)


def test_a_changed_address_is_not_gone():
    d, s = daemon(), shared_site()
    name = s.gid("crm")
    d.put(f"/v1/endpoints/{name}", {"url": s.url("old")})
    gate = Gate(410)
    s.on("old", gate)
    d.post("/v1/notifications", {"endpoint": name, "event": "e", "schedule": ["0s"]})
    eventually(lambda: s.calls("old"))
    equal(d.put(f"/v1/endpoints/{name}", {"url": s.url("new")}).status, 200)
    gate.open()
    eventually(lambda: state(d, name)["owed"] == 0)
    need(state(d, name)["enabled"], "the old address is gone, not the new one")
    notify(d, name)


def test_a_deletion_that_is_not_durable_leaves_the_secret():
    d, s = Daemon().start(), shared_site()
    secret = d.put("/v1/endpoints/crm", {"url": s.url("crm")}).json["secret"]
    d.stop()
    d.environment["SETTLE_CRASH"] = "batch-offered:1"
    d.start()
    try:
        answer = d.delete("/v1/endpoints/crm").status
    except OSError:
        answer = None
    equal(answer, None, "settled is gone before the deletion is durable")
    d.wait_exit()
    del d.environment["SETTLE_CRASH"]
    d.start()
    notify(d, "crm")
    need(verified(secret, s.calls("crm")[0]), "signed with the secret that its receiver knows")
