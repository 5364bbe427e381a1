"""A settled of our own: free port, scratch directory, settings as a dictionary, killed and restarted at will."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from .checks import eventually
from .client import Client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
SETTLED = os.path.join(BUILD, "settled")
SETTLE = os.path.join(BUILD, "settle")
# Sanitizer builds and busy machines are slow to start; nothing else waits for this long.
START_S = 60.0

FAST = {
    "defaults": {"retry": {"first": "50ms", "factor": 2.0, "max": "400ms"}},
    "attention": {"after_tries": 3, "after": "10s"},
}

scratch_made = []
at_end = []  # functions to call when the file's tests are over, such as a broker's stop
running = set()


def scratch(prefix="settle-test-"):
    directory = tempfile.mkdtemp(prefix=prefix)
    scratch_made.append(directory)
    return directory


@atexit.register
def clean():
    for function in at_end:
        function()
    for daemon in list(running):
        daemon.kill()
    if os.environ.get("SETTLE_TEST_KEEP") != "1":
        for directory in scratch_made:
            shutil.rmtree(directory, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def settings_text(settings, depth=0):
    """A dictionary in libconfig's syntax."""
    lines = []
    pad = "  " * depth
    for key, value in settings.items():
        if isinstance(value, dict):
            lines.append(f"{pad}{key} = {{\n{settings_text(value, depth + 1)}{pad}}};")
        else:
            lines.append(f"{pad}{key} = {setting(value)};")
    return "\n".join(lines) + "\n"


def setting(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(setting(v) for v in value) + "]"
    return str(value)


def merge(base, over):
    out = dict(base)
    for key, value in (over or {}).items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


class Daemon:
    """auth=False starts with --no-auth. Nothing runs before start()."""

    def __init__(self, settings=None, auth=False, data=None, arguments=(), environment=None, fast=True, program=None):
        self.directory = scratch()
        self.data = data or os.path.join(self.directory, "data")
        self.settings = merge(FAST if fast else {}, settings)
        self.auth, self.arguments, self.environment = auth, list(arguments), dict(environment or {})
        self.port = free_port()
        self.process, self.exit, self.token = None, None, None
        self.log_path = os.path.join(self.directory, "log")
        self.config_path = os.path.join(self.directory, "settled.conf")
        self.program = program or SETTLED
        self.connection = None

    def write_settings(self, settings=None):
        if settings is not None:
            self.settings = settings
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(settings_text(self.settings))

    def command(self):
        line = [self.program, "--config", self.config_path, "--data", self.data, "--listen", f"127.0.0.1:{self.port}"]
        return line + ([] if self.auth else ["--no-auth"]) + self.arguments

    def spawn(self):
        """Start the process and do not wait for it."""
        self.write_settings()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SETTLE")}
        environment.update(self.environment)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
                                            cwd=self.directory)
        self.exit = None
        running.add(self)
        return self

    def start(self):
        self.spawn()
        eventually(self.ready, START_S, 0.005, "settled is ready")
        if self.auth and self.token is None:
            with open(os.path.join(self.data, "token"), encoding="ascii") as f:
                self.token = f.readline().strip()
        self.connection = self.client()
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"settled ended with {self.process.returncode} while starting:\n{self.log_tail()}")
        try:
            return Client("127.0.0.1", self.port, timeout=5).request("GET", "/readyz").status == 200
        except OSError:
            return False

    def wait_exit(self, seconds=30.0):
        try:
            self.exit = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"settled still runs after {seconds} s:\n{self.log_tail()}") from None
        running.discard(self)
        return self.exit

    def kill(self):
        """SIGKILL."""
        self.drop_connection()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        running.discard(self)

    def stop(self, seconds=30.0):
        """SIGTERM; returns the exit code."""
        self.drop_connection()
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def restart(self, kill=True):
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    def drop_connection(self):
        if self.connection is not None:
            self.connection.close()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        try:
            with open(self.log_path, "rb") as f:
                return f.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def log_tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    def rss(self):
        """Resident bytes now."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def client(self, token=..., timeout=70.0):
        return Client("127.0.0.1", self.port, self.token if token is ... else token, timeout)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # The API in few words. All of them return an Answer unless they say otherwise.

    def get(self, path, **more):
        return self.connection.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.connection.request("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.connection.request("PUT", path, body, **more)

    def delete(self, path, body=None, **more):
        return self.connection.request("DELETE", path, body, **more)

    def subscribe(self, name, topic, push=None, **more):
        """Define a subscription: pushed to a URL, or pulled."""
        how = {"push": push} if push is not None else {} if "sink" in more else {"pull": True}
        answer = self.put(f"/v1/subscriptions/{name}", {"topic": topic, **how, **more})
        if answer.status not in (200, 201):
            raise AssertionError(f"PUT subscription {name}: {answer.describe()}")
        return answer.json

    def publish(self, topic, body=None, wait=None, **more):
        """Publish; returns the answer's JSON."""
        answer = self.post("/v1/messages" + (f"?wait={wait}" if wait else ""), {"topic": topic, "body": body, **more})
        if answer.status not in (200, 201, 202):
            raise AssertionError(f"publish: {answer.describe()}")
        return answer.json

    def message(self, name):
        answer = self.get(f"/v1/messages/{name}")
        if answer.status != 200:
            raise AssertionError(f"GET message {name}: {answer.describe()}")
        return answer.json

    def deliveries(self, name):
        """Where a message's deliveries are: {subscription: status}."""
        return {d["subscription"]: d["status"] for d in self.message(name)["deliveries"]}

    def until_delivery(self, message, subscription, status, seconds=15.0):
        """Wait for a delivery's status; returns the delivery."""
        wanted = status if isinstance(status, tuple) else (status,)
        seen = {}

        def there():
            seen["last"] = next((d for d in self.message(message)["deliveries"] if d["subscription"] == subscription), None)
            return seen["last"] is not None and seen["last"]["status"] in wanted

        try:
            eventually(there, seconds, 0.02)
        except AssertionError:
            raise AssertionError(f"{message}~{subscription} did not become {wanted} in {seconds} s: {seen.get('last')}") from None
        return seen["last"]

    def pull(self, name, **body):
        answer = self.post(f"/v1/subscriptions/{name}/pull", body)
        if answer.status != 200:
            raise AssertionError(f"pull {name}: {answer.describe()}")
        return answer.json["items"]

    def submit(self, body, wait=None, **more):
        return self.post("/v1/transactions" + (f"?wait={wait}" if wait else ""), body, **more)

    def show(self, gid):
        """The transaction as JSON."""
        answer = self.get(f"/v1/transactions/{gid}")
        if answer.status != 200:
            raise AssertionError(f"GET {gid}: {answer.describe()}")
        return answer.json

    def status(self, gid):
        return self.show(gid)["status"]

    def until(self, gid, status, seconds=15.0):
        """Wait for a status; returns the transaction."""
        wanted = status if isinstance(status, tuple) else (status,)
        seen = {}

        def there():
            seen["last"] = self.show(gid)
            return seen["last"]["status"] in wanted

        try:
            eventually(there, seconds, 0.02)
        except AssertionError:
            raise AssertionError(f"{gid} did not become {wanted} in {seconds} s: {seen.get('last')}") from None
        return seen["last"]

    def run(self, body, status="committed", wait="20s"):
        """Submit, wait for the end, demand this status; returns the transaction."""
        answer = self.submit(body, wait=wait)
        if answer.status != 200 or answer.json.get("status") != status:
            raise AssertionError(f"expected 200 {status}: {answer.describe()}")
        return answer.json


def branch_of(transaction, name):
    return next(b for b in transaction["branches"] if b["id"] == name)


def run_settle(*arguments, daemon=None, seconds=60.0, environment=None, cwd=None, stdin=None):
    """Run the command; returns its CompletedProcess with text output."""
    line = {k: v for k, v in os.environ.items() if not k.startswith("SETTLE")}
    if daemon is not None:
        line["SETTLE_SERVER"] = daemon.url
        if daemon.token:
            line["SETTLE_TOKEN"] = daemon.token
    line.update(environment or {})
    return subprocess.run([SETTLE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds, env=line,
                          cwd=cwd or scratch(), input=stdin, check=False)


SHARED = {}


def shared_daemon(kind="fast", **more):
    """One daemon per kind and process, for tests that do not disturb it."""
    daemon = SHARED.get(kind)
    if daemon is None or not daemon.alive():
        daemon = Daemon(**more).start()
        SHARED[kind] = daemon
    return daemon


def wait_gone(port, seconds=10.0):
    """Until nobody listens there."""

    def gone():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return False
        except OSError:
            return True

    eventually(gone, seconds)


def now():
    return time.monotonic()
