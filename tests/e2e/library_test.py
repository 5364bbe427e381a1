"""libsettle's calls for messages, from a C program, against a real settled (ux.md (f))."""

import os
import subprocess

from kit import ROOT, Status, equal, scratch, shared_daemon, shared_site
from kit.daemon import BUILD


def compiled():
    program = os.path.join(scratch(), "library")
    libraries = [os.path.join(BUILD, "lib", f"{room}.a") for room in ("client", "wire", "base")]
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(ROOT, "include"), "-o", program,
                    os.path.join(ROOT, "tests/e2e/library.c"), *libraries, "-lssl", "-lcrypto", "-lxxhash", "-lm", "-lpthread"], check=True)
    return program


def test_messages_from_c():
    s, d = shared_site(), shared_daemon("library", auth=True)
    topic, sub = s.gid("t"), s.gid("w")
    s.on("check", Status(200, b'{"status":"committed"}'))
    equal(d.connection.request("PUT", f"/v1/subscriptions/{sub}", {"topic": topic, "pull": True}).status, 201)
    done = subprocess.run([compiled(), topic, sub, s.url("check")], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "SETTLE_SERVER": d.url, "SETTLE_TOKEN": d.token})
    equal(done.returncode, 0, done.stdout, done.stderr)
    equal(done.stdout.splitlines(), [
        "publish 0", f"{topic}-1 committed",
        "publish 0", f"{topic}-1 committed",
        "publish -24 /problems/gid-taken",
        "publish 0", f"{topic}-2 committed",
        "half 0", "half again 0", "get 0", "half", "rollback 0", "commit -24 /problems/already-decided", "rolled_back",
        "half 0", "check 0", "committed",
        f'{topic}-1 1 k application/json 8:7b226e223a20317d X-Shop=north', "nack 0",
        f"{topic}-4 1  application/octet-stream 0: =", "ack 0",
        f'{topic}-1 2 k application/json 8:7b226e223a20317d X-Shop=north', "ack 0",
        f"{topic}-2 1 k application/x-thing 3:6100ff X-Shop=north", "refuse 0",
        "ack nobody -23 /problems/not-found"], done.stderr)
    equal(d.get(f"/v1/messages/{topic}-2").json["deliveries"][0]["status"], "dead")
    equal(d.get(f"/v1/messages/{topic}-1").json["labels"], {"from": "c"})
