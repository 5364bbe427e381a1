"""The settle command: exit codes, output for programs, --curl, --dry-run (ux.md (c))."""

import json
import os
import subprocess

from kit import Gate, Status, contains, equal, eventually, free_port, need, run_settle, scratch, shared_daemon, shared_site


def daemon():
    return shared_daemon("cli", auth=True)


def settle(*arguments, **more):
    return run_settle(*arguments, daemon=more.pop("daemon", daemon()), **more)


def code(done, wanted):
    equal(done.returncode, wanted, done.args, done.stdout, done.stderr)
    return done


def wrote(body):
    path = os.path.join(scratch(), "request.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(body, f)
    return path


def test_submit_tells_how_it_ended_by_its_exit_code():
    s = shared_site()
    s.on("no/do", Status(409, b"no rooms"))
    code(settle("tx", "submit", wrote(s.saga(s.step("a"), name="ok")), "--wait", "5s"), 0)
    done = code(settle("tx", "submit", wrote(s.saga(s.step("no"), name="no")), "--wait", "5s"), 10)
    contains(done.stdout + done.stderr, "no rooms")
    gate = s.on("open/do", Gate())
    code(settle("tx", "submit", wrote(s.saga(s.step("open"), name="open")), "--wait", "300ms"), 7)
    code(settle("tx", "wait", s.gid("open"), "--timeout", "300ms"), 7)
    gate.open()
    code(settle("tx", "wait", s.gid("open"), "--timeout", "5s"), 0)
    code(settle("tx", "wait", s.gid("no"), "--timeout", "5s"), 10)


def test_submit_reads_standard_input():
    s = shared_site()
    code(settle("tx", "submit", "-", "--wait", "5s", stdin=json.dumps(s.saga(s.step("a")))), 0)


def test_exit_codes_of_failures():
    s = shared_site()
    code(settle("tx", "show", s.gid("nobody")), 3)
    code(settle("tx", "shwo", "x"), 2)
    code(settle("frobnicate"), 2)
    code(settle("tx", "show"), 2)
    code(settle("tx", "show", "x", "--no-such-flag"), 2)
    daemon().run(s.saga(s.step("a")))
    code(settle("tx", "submit", wrote(s.saga(s.step("b")))), 4)
    code(run_settle("tx", "list", environment={"SETTLE_SERVER": f"http://127.0.0.1:{free_port()}"}), 6)
    done = code(run_settle("tx", "list", environment={"SETTLE_SERVER": daemon().url, "SETTLE_TOKEN": "x" * 43}), 5)
    contains(done.stdout + done.stderr, "token")
    viewer = daemon().post("/v1/tokens", {"name": "cli-viewer", "roles": ["viewer"]}).json["token"]
    done = code(run_settle("tx", "submit", wrote(s.saga(s.step("c"), name="v")), environment={"SETTLE_SERVER": daemon().url, "SETTLE_TOKEN": viewer}), 5)
    contains(done.stdout + done.stderr, "role")


def test_a_slip_of_the_finger_names_the_nearest():
    done = code(settle("tx", "shwo", "x"), 2)
    contains(done.stdout + done.stderr, "show")


def test_a_401_lists_where_it_looked():
    done = run_settle("status", environment={"SETTLE_SERVER": daemon().url})
    need(done.returncode == 5, done.returncode, done.stdout, done.stderr)
    for place in ("SETTLE_TOKEN", "settle-data/token"):
        contains(done.stdout + done.stderr, place)


def test_json_output_is_json():
    s = shared_site()
    daemon().run(s.saga(s.step("a"), labels={"cli": s.name}))
    equal(json.loads(code(settle("tx", "show", s.gid(), "-o", "json"), 0).stdout)["status"], "committed")
    listed = json.loads(code(settle("tx", "list", "--label", f"cli={s.name}", "-o", "json"), 0).stdout)
    items = listed["items"] if isinstance(listed, dict) else listed
    equal([i["gid"] for i in items], [s.gid()])
    lines = code(settle("tx", "list", "--label", f"cli={s.name}", "-o", "jsonl"), 0).stdout.splitlines()
    equal([json.loads(line)["gid"] for line in lines], [s.gid()])
    equal(code(settle("tx", "list", "--label", f"cli={s.name}", "-o", "gid"), 0).stdout.split(), [s.gid()])
    for line in code(settle("tx", "events", s.gid(), "-o", "jsonl"), 0).stdout.splitlines():
        json.loads(line)


def test_no_colours_when_not_a_terminal():
    s = shared_site()
    daemon().run(s.saga(s.step("a")))
    for arguments in (("tx", "list"), ("tx", "show", s.gid()), ("status",), ("doctor",)):
        need("\x1b" not in settle(*arguments).stdout, arguments)


def test_curl_is_printed_and_does_the_same():
    s = shared_site()
    path = wrote(s.saga(s.step("a")))
    done = code(settle("tx", "submit", path, "--wait", "5s", "--curl"), 0)
    contains(done.stdout, "curl")
    equal(s.calls(), [], "nothing was sent")
    ran = subprocess.run(["bash", "-c", done.stdout], capture_output=True, text=True, timeout=20, check=False,
                         env={**os.environ, "SETTLE_TOKEN": daemon().token, "TOKEN": daemon().token}, cwd=os.path.dirname(path))
    equal(ran.returncode, 0, ran.stderr)
    eventually(lambda: daemon().status(s.gid()) == "committed", 5)


def test_dry_run_changes_nothing():
    s, d = shared_site(), daemon()
    s.on("a/confirm", 500)
    d.submit(s.tcc(s.part("a")))
    d.until(s.gid(), "committing")
    done = code(settle("tx", "force", s.gid(), "--commit", "--dry-run"), 0)
    contains(done.stdout, "heuristic_commit")
    equal(d.status(s.gid()), "committing")
    need(settle("tx", "force", s.gid(), "--commit").returncode != 0, "without --yes and --reason")
    equal(d.status(s.gid()), "committing")
    code(settle("tx", "force", s.gid(), "--commit", "--yes", "--reason", "ticket 5"), 0)
    equal(d.status(s.gid()), "heuristic_commit")
    code(settle("tx", "force", s.gid(), "--commit", "--yes", "--reason", "ticket 5"), 4)
    contains(settle("audit", "list").stdout, "ticket 5")


def test_operators_verbs():
    s, d = shared_site(), daemon()
    gate = s.on("a/do", Gate())
    d.submit(s.saga(s.step("a"), s.step("b")))
    eventually(s.calls)
    code(settle("tx", "suspend", s.gid(), "--reason", "look"), 0)
    equal(d.show(s.gid())["suspended"], True)
    gate.open()
    code(settle("tx", "resume", s.gid(), "--reason", "go"), 0)
    d.until(s.gid(), "committed")
    code(settle("audit", "verify"), 0)


def test_attention_has_its_own_exit_code():
    s, d = shared_site(), daemon()
    open_now = {"yes": False}
    s.on("a/confirm", lambda call: 200 if open_now["yes"] else Status(409, b"user closed"))
    d.submit(s.tcc(s.part("a")))
    eventually(lambda: d.show(s.gid())["attention"], 10)
    done = settle("tx", "wait", s.gid(), "--timeout", "500ms")
    need(done.returncode in (7, 11), done.returncode, done.stdout)
    contains(settle("tx", "list", "--attention").stdout, s.gid())
    contains(settle("tx", "show", s.gid()).stdout, "user closed")
    open_now["yes"] = True
    code(settle("tx", "retry", s.gid()), 0)
    d.until(s.gid(), "committed")


def test_client_drive():
    s, d = shared_site(), daemon()
    code(settle("tx", "submit", wrote({"gid": s.gid(), "mode": "tcc", "drive": "client"})), 0) if False else d.submit({"gid": s.gid(), "mode": "tcc", "drive": "client"})
    code(settle("tx", "commit", s.gid(), "--wait", "5s"), 0)
    code(settle("tx", "rollback", s.gid()), 4)


def test_completions_are_scripts():
    for shell in ("bash", "zsh", "fish"):
        done = code(settle("completion", shell), 0)
        need(len(done.stdout) > 200, shell)
        if shell == "bash":
            equal(subprocess.run(["bash", "-n"], input=done.stdout, text=True, capture_output=True, check=False).returncode, 0)
    code(settle("completion", "tcsh"), 2)


def test_tokens():
    d = daemon()
    done = code(settle("token", "create", "--role", "producer", "--name", "shop", "-o", "json"), 0)
    token = json.loads(done.stdout)["token"]
    s = shared_site()
    equal(d.submit(s.saga(s.step("a")), wait="5s", token=token).status, 200)
    listed = code(settle("token", "list"), 0).stdout
    contains(listed, "shop")
    need(token not in listed)
    code(settle("token", "revoke", "shop", "--yes", "--reason", "left"), 0)
    equal(d.get("/v1/info", token=token).status, 401)


def test_status_and_doctor():
    contains(code(settle("status"), 0).stdout.lower(), "commit")
    code(settle("doctor"), 0)
    need(run_settle("doctor", environment={"SETTLE_SERVER": f"http://127.0.0.1:{free_port()}"}).returncode != 0)


def test_help_and_version():
    for arguments in (("--help",), ("tx", "--help"), ("tx", "submit", "--help"), ("--version",)):
        need(len(code(run_settle(*arguments), 0).stdout) > 10, arguments)


def test_hostile_text_stays_text():
    s, d = shared_site(), daemon()
    s.on("a/do", Status(409, b"\x1b[31mred\x1b[0m \x07 \xff <b>"))
    d.run(s.saga(s.step("a"), labels={"k": "\u202ex"}), "rolled_back")
    for arguments in (("tx", "show", s.gid()), ("tx", "list"), ("tx", "events", s.gid())):
        done = settle(*arguments)
        need("\x1b" not in done.stdout and "\x07" not in done.stdout, arguments, repr(done.stdout))
