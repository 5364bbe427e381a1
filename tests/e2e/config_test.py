"""Settings: file, environment, flags; check, origin, reload all or nothing (H4; ux.md (e))."""

import os
import signal
import subprocess
import time

from kit import Daemon, SETTLED, equal, eventually, need, run_settle, scratch, shared_site


def wrote(text):
    path = os.path.join(scratch(), "settled.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def run_settled(*arguments, **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SETTLE")}
    return subprocess.run([SETTLED, *arguments], capture_output=True, text=True, timeout=20, env=env | environment, cwd=scratch(), check=False)


def setting(d, name):
    items = d.get("/v1/config").json
    items = items.get("items", items.get("settings", items))
    if isinstance(items, dict):
        return items[name]
    return next(i for i in items if i.get("name", i.get("key")) == name)


def test_version_and_defaults():
    done = run_settled("--version")
    equal(done.returncode, 0, done.stderr)
    need("0.1.0" in done.stdout, done.stdout)
    done = run_settled("--print-defaults")
    equal(done.returncode, 0, done.stderr)
    for word in ("listen", "after_tries", "call_timeout"):
        need(word in done.stdout, word)


def test_the_printed_defaults_are_a_valid_file():
    path = wrote(run_settled("--print-defaults").stdout)
    done = run_settle("config", "check", path)
    equal(done.returncode, 0, done.stdout, done.stderr)


def test_check_names_the_line():
    for text, line, word in (('listen = {\n  api = "127.0.0.1:1";\n  apy = "x";\n};\n', 3, "apy"),
                             ('attention = {\n\n  after_tries = "many";\n};\n', 3, "after_tries"),
                             ('defaults = { deadline = "5 parsecs"; };\n', 1, "deadline"),
                             ('listen = {\n', None, ""),
                             ('store = { retain_finished = "1s"; };\n', 1, "retain_finished"),
                             ('nonsense = 5;\n', 1, "nonsense")):
        path = wrote(text)
        done = run_settle("config", "check", path)
        need(done.returncode not in (0, -11, -6), text, done.stdout)
        said = done.stdout + done.stderr
        need(word in said, text, said)
        if line:
            need(f":{line}" in said or f"line {line}" in said, text, said)


def test_a_bad_file_does_not_start():
    d = Daemon(fast=False, settings={"attention": {"after_trise": 5}})
    d.spawn()
    need(d.wait_exit() not in (0, -11, -6))
    need("after_trise" in d.log() and "after_tries" in d.log(), "names the nearest", d.log())


def test_environment_wins_over_file():
    d = Daemon(settings={"attention": {"after_tries": 7}}, environment={"SETTLED_ATTENTION_AFTER_TRIES": "9"}).start()
    text = str(setting(d, "attention.after_tries"))
    need("9" in text and "environment" in text.lower(), text)


def test_show_tells_origins():
    d = Daemon(auth=True).start()
    done = run_settle("config", "show", "--origin", daemon=d)
    equal(done.returncode, 0, done.stdout, done.stderr)
    need("attention.after_tries" in done.stdout and "settled.conf" in done.stdout, done.stdout)


def test_secrets_are_masked():
    secret = "very-secret-bearer-0123456789abcdef"
    d = Daemon(auth=True, environment={"SETTLED_AUTH_TOKEN": secret}).start()
    equal(d.get("/v1/config", token=secret).status, 200)
    need(secret not in d.get("/v1/config").body.decode())
    need(secret not in d.log())


def test_sighup_applies_what_can_be_applied():
    d, s = Daemon(settings={"attention": {"after_tries": 1000}}).start(), shared_site()
    s.on("a/confirm", 500)
    d.submit(s.tcc(s.part("a")))
    eventually(lambda: len(s.calls("a/confirm")) >= 4)
    need(d.show(s.gid())["attention"] is None)
    d.settings["attention"]["after_tries"] = 2
    d.write_settings()
    d.signal(signal.SIGHUP)
    eventually(lambda: d.show(s.gid())["attention"], 10)
    need("2" in str(setting(d, "attention.after_tries")))


def test_sighup_with_a_bad_file_changes_nothing():
    d = Daemon(settings={"attention": {"after_tries": 77}}).start()
    with open(d.config_path, "w", encoding="utf-8") as f:
        f.write('attention = { after_tries = 5; };\nlimits = { body = "nonsense"; };\n')
    d.signal(signal.SIGHUP)
    eventually(lambda: "body" in d.log(), 5)
    need("77" in str(setting(d, "attention.after_tries")), setting(d, "attention.after_tries"))
    need(d.alive())


def test_sighup_names_what_needs_a_restart():
    d = Daemon().start()
    d.settings = {**d.settings, "egress": {"per_endpoint": 3}}
    d.write_settings()
    d.signal(signal.SIGHUP)
    eventually(lambda: "egress.per_endpoint" in d.log() and "restart" in d.log(), 5)
    need(d.alive())


def test_reload_by_command_is_audited():
    d = Daemon(auth=True).start()
    d.settings = {**d.settings, "attention": {"after_tries": 42}}
    d.write_settings()
    done = run_settle("config", "reload", "--yes", daemon=d)
    equal(done.returncode, 0, done.stdout, done.stderr)
    eventually(lambda: "42" in str(setting(d, "attention.after_tries")), 5)
    need("reload" in d.get("/v1/audit?limit=50").body.decode(), "the audit has it")


def test_many_sighups_do_no_harm():
    d, s = Daemon().start(), shared_site()
    for i in range(30):
        d.signal(signal.SIGHUP)
        d.run(s.saga(s.step("a"), name=f"{i}"))
    time.sleep(0.1)
    need(d.alive())


def test_no_auth_beyond_loopback_is_refused():
    for arguments in (["--no-auth", "--listen", "0.0.0.0:0"], ["--no-auth", "--listen", "[::]:0"], ["--listen", "0.0.0.0:0"]):
        done = subprocess.Popen([SETTLED, "--data", os.path.join(scratch(), "data"), *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        try:
            out, _ = done.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            done.kill()
            raise AssertionError(f"started with {arguments}") from None
        need(done.returncode not in (0, -11, -6), arguments, out)


def test_no_auth_is_said_loudly():
    need("no-auth" in Daemon().start().log().lower() or "without" in Daemon().start().log().lower())


def test_a_secret_file_that_others_can_read_is_refused():
    path = os.path.join(scratch(), "secret")
    with open(path, "w", encoding="ascii") as f:
        f.write("abcdefghijklmnopqrstuvwxyz0123456789\n")
    os.chmod(path, 0o644)
    d = Daemon(auth=True, settings={"auth": {"token_file": path}})
    d.spawn()
    need(d.wait_exit() not in (0, -11, -6), d.log())
    need(path in d.log(), d.log())
