"""Secrets stay where they are: in files of their owner, and nowhere that anybody can read (H11, H13)."""

import base64
import glob
import json
import os
import signal
import stat

from kit import Daemon, Status, contains, equal, eventually, less, need, run_settle, scratch, shared_site

TOKEN = "canary-token-" + "7" * 32
KEY = b"canary-signing-key-0123456789abc"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
WRONG = "canary-wrong-" + "9" * 32
PAYLOAD = "canary-payload-5551234"


def private(name, text, mode=0o600):
    path = os.path.join(scratch(), name)
    with open(path, "w", encoding="ascii") as f:
        f.write(text + "\n")
    os.chmod(path, mode)
    return path


def canary_daemon():
    d = Daemon(auth=True, settings={"auth": {"token_file": private("outside", TOKEN), "signing_secret_file": private("signing", SECRET)},
                                    "observe": {"log_level": "debug"}})
    return d.start()


def reachable(d):
    """Whatever the API answers to a reader who tries every plain GET."""
    for path, methods in d.get("/openapi.json").json["paths"].items():
        if "get" in methods and "{" not in path and path != "/v1/store/backup":
            yield path, d.get(path, headers={"Accept": "application/json"}).body


def test_a_whole_session_shows_no_secret():
    d, s = canary_daemon(), shared_site()
    seen, allowed = [], []

    def note(where, content):
        seen.append((where, content if isinstance(content, bytes) else content.encode()))

    s.on("bad/do", Status(409, {"error": "no"}))
    note("saga", json.dumps(d.run(s.saga(s.step("a", body={"card": PAYLOAD})))))
    note("failed", d.submit(s.saga(s.step("bad"), name="f"), wait="10s").body)
    for header in ({"Authorization": f"Bearer {WRONG}"}, {"Authorization": f"Basic {WRONG}"}, {"Authorization": WRONG}, {"Cookie": WRONG}):
        note("401", d.get("/v1/info", token=None, headers=header).body)
    note("query", d.get(f"/v1/info?token={WRONG}", token=TOKEN).body)
    note("given token", d.get("/v1/info", token=TOKEN).body)
    made = d.post("/v1/tokens", {"name": "made", "roles": ["viewer"]}, token=TOKEN)
    equal(made.status // 100, 2, made)
    allowed.append(made.json["token"])
    note("used", d.get("/v1/transactions", token=allowed[0]).body)
    note("rotate", d.connection.request("POST", "/v1/secrets/rotate", {}).body)
    made_endpoint = d.connection.request("PUT", "/v1/endpoints/crm", {"url": s.url("crm")})
    equal(made_endpoint.status, 201, made_endpoint)
    rotated = d.connection.request("POST", "/v1/endpoints/crm/rotate-secret", {"overlap": "1h"})
    equal(rotated.status, 200, rotated)
    allowed += [made_endpoint.json["secret"], rotated.json["secret"]]
    note("endpoint", d.connection.request("PUT", "/v1/endpoints/crm", {"url": s.url("crm"), "timeout": "2s"}).body)
    note("notified", d.connection.request("POST", "/v1/notifications?wait=5s", {"endpoint": "crm", "event": "paid", "body": {"card": PAYLOAD}}).body)
    equal(len(s.calls("crm")), 1)
    note("revoked", d.connection.request("DELETE", f"/v1/tokens/{made.json['id']}").body)
    note("no json", d.post("/v1/transactions", b'{"gid": "x", ' + PAYLOAD.encode()).body)
    # Whoever sends a password in a URL is told what was wrong with it; nobody else is.
    equal(d.submit({"mode": "saga", "branches": [{"id": "a", "action": f"http://user:{WRONG}@127.0.0.1/x"}]}).status, 422)
    for path, body in reachable(d):
        note(path, body)
    for word in (("config", "show", "--origin"), ("config", "reload", "--yes"), ("token", "list"), ("status",), ("doctor",), ("audit", "list"), ("tx", "list", "-o", "json")):
        done = run_settle(*word, daemon=d)
        note("settle " + " ".join(word), done.stdout + done.stderr)
    d.signal(signal.SIGHUP)
    eventually(lambda: d.log().count("reloaded") >= 1)
    for name in ("cmdline", "environ", "comm", "maps", "status"):
        with open(f"/proc/{d.process.pid}/{name}", "rb") as f:
            note(f"/proc/PID/{name}", f.read())
    archive = os.path.join(scratch(), "backup.tar")
    done = run_settle("store", "backup", archive, daemon=d)
    equal(done.returncode, 0, done.stderr)
    for path in [archive] if os.path.isfile(archive) else glob.glob(archive + "/*"):
        with open(path, "rb") as f:
            note("backup " + os.path.basename(path), f.read())
    note("log", d.log())
    d.stop()
    for path in glob.glob(d.data + "/**", recursive=True):
        if os.path.isdir(path):
            continue
        if os.path.dirname(path) == os.path.join(d.data, "endpoints"):
            equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
        elif os.path.basename(path) not in ("token", "signing-secret"):
            with open(path, "rb") as f:
                note(os.path.basename(path), f.read())
    canaries = [TOKEN, SECRET, SECRET[6:], KEY.decode(), WRONG, d.token] + allowed
    for where, content in seen:
        for canary in canaries:
            need(canary.encode() not in content, f"{canary} in {where}")
        if where in ("log", "/metrics", "/v1/stats", "/v1/events", "/v1/audit", "401") or where.startswith("/proc"):
            need(PAYLOAD.encode() not in content, f"a payload in {where}")
    equal(d.log().count("a request was answered") + d.log().count("A request was answered") > 5, True, "the log was at debug level")


def test_the_secret_in_force_signs_and_is_not_rotated_away():
    d, s = canary_daemon(), shared_site()
    d.run(s.saga(s.step("a")))
    need(not os.path.exists(os.path.join(d.data, "signing-secret")), "no second secret is made")
    need(all("v1," in c.headers["webhook-signature"] for c in s.calls()))


def test_shown_settings_say_set():
    d = canary_daemon()
    shown = json.dumps(d.get("/v1/config").json)
    equal(shown.count("(set)"), 2, shown)
    done = run_settle("config", "show", daemon=d)
    contains(done.stdout, "(set)")


def refuses(d, *words):
    d.spawn()
    need(d.wait_exit() not in (0, -6, -11), d.log())
    for word in words:
        contains(d.log(), word)


def test_files_that_others_can_read_stop_the_start():
    d = Daemon(auth=True).start()
    d.post("/v1/tokens", {"name": "x", "roles": ["viewer"]})
    d.stop()
    for name in ("token", "signing-secret", "principals"):
        path = os.path.join(d.data, name)
        for mode in (0o640, 0o604, 0o620, 0o602, 0o666):
            os.chmod(path, mode)
            refuses(d, path, "chmod 600")
        os.chmod(path, 0o600)
    d.start()
    need(d.alive())


def test_given_files_that_others_can_read_stop_the_start():
    for name, text in (("token_file", TOKEN), ("signing_secret_file", SECRET)):
        path = private("given", text, 0o640)
        refuses(Daemon(auth=True, settings={"auth": {name: path}}), path, "chmod 600")


def test_a_settings_file_with_a_secret_is_private():
    d = Daemon(auth=True, settings={"auth": {"token": TOKEN}})
    os.umask(0o022)
    refuses(d, "settled.conf", "auth.token", "chmod 600")
    need(TOKEN not in d.log(), "the complaint repeats the secret")
    before = d.write_settings

    def write_private(settings=None):
        before(settings)
        os.chmod(d.config_path, 0o600)

    d.write_settings = write_private
    d.start()
    equal(d.get("/v1/info", token=TOKEN).status, 200)
    # The reload judges as the start does.
    os.chmod(d.config_path, 0o644)
    d.signal(signal.SIGHUP)
    eventually(lambda: "reload-refused" in d.log(), 5)
    need(d.alive() and TOKEN not in d.log())


def test_what_is_made_belongs_to_its_owner():
    os.umask(0)
    try:
        d, s = Daemon(auth=True).start(), shared_site()
        d.run(s.saga(s.step("a")))
        d.post("/v1/tokens", {"name": "x", "roles": ["viewer"]})
        for root, folders, names in os.walk(d.data):
            for name in [*folders, *names]:
                path = os.path.join(root, name)
                equal(stat.S_IMODE(os.lstat(path).st_mode) & 0o077, 0, path)
        equal(stat.S_IMODE(os.stat(d.data).st_mode), 0o700)
    finally:
        os.umask(0o022)


def fields(pid, task):
    with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_the_process_is_confined_and_leaves_no_core():
    d = Daemon(settings={"observe": {"log_level": "debug"}}).start()
    if "sanitizer build" in d.log():
        return
    pid = d.process.pid
    tasks = os.listdir(f"/proc/{pid}/task")
    less(2, len(tasks))
    for task in tasks:
        status = fields(pid, task)
        equal(status["NoNewPrivs"], "1", task)
        if "seccomp:" not in d.log():
            equal(status["Seccomp"], "2", task)
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        need(any(line.split()[:6] == ["Max", "core", "file", "size", "0", "0"] for line in f), "cores are off")
    # Not dumpable: what /proc shows of it belongs to root.
    equal(os.stat(f"/proc/{pid}/environ").st_uid, 0)


def test_confinement_can_be_switched_off():
    d, s = Daemon(settings={"confinement": False}).start(), shared_site()
    equal(fields(d.process.pid, d.process.pid)["Seccomp"], "0")
    contains(d.log(), "unconfined")
    d.run(s.saga(s.step("a")))
