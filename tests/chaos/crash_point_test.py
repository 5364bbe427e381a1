"""R2: settled dies at every named crash point, in four stories; then it is started again and must end the story right."""

import http.client
import os
import signal
import subprocess
import threading
import time

from kit import Client, Daemon, Participants, SETTLED, Site, Status, equal, eventually, limit, need

STORIES = ("saga_ok", "saga_refuse", "tcc_ok", "tcc_refuse")
# (was the story begun by a life that was killed?, at which time that the point is reached to die)
LIVES = ((False, 1), (False, 3), (True, 1))
PURGES = ("purge-asked", "purge-done")
# The store is walked at start and then four times in a retention of a minute, each time for two kinds of rows: the
# eleventh walk is the first that finds something.
PURGE_COUNT = 11
BROKEN = (OSError, http.client.HTTPException)


def points():
    done = subprocess.run([SETTLED, "--list-crash-points"], capture_output=True, text=True, check=True, timeout=20)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


class Ledger:
    """A participant with a barrier in memory: what took effect, how often each call came."""

    def __init__(self, server):
        self.site, self.rows, self.effects, self.lock = Site(server), {}, [], threading.Lock()
        self.hold = threading.Event()
        self.hold.set()

    def answer(self, refuse):
        def script(call):
            if call.branch == "b":
                self.hold.wait(20)
            with self.lock:
                return self.judge(call, refuse)
        return script

    def judge(self, call, refuse):
        key, op = (call.gid, call.branch), call.op
        if op in ("action", "try"):
            if self.rows.get(key) == "backward":
                return 409
            if refuse:
                return Status(409, b"no")
            if key not in self.rows:
                self.rows[key] = "forward"
                self.effects.append((call.branch, op))
            return 200
        if op in ("compensate", "cancel"):
            if self.rows.get(key) == "forward":
                self.effects.append((call.branch, op))
                self.rows[key] = "undone"
            self.rows.setdefault(key, "backward")
            return 200
        if (call.branch, op) not in self.effects:
            self.effects.append((call.branch, op))
        return 200


def story_of(name, ledger):
    """The request, the status it must end with, and the effects that must be left."""
    site, tcc, refuse = ledger.site, name.startswith("tcc"), name.endswith("refuse")
    for branch in ("a", "b", "c"):
        for op in ("do", "undo", "try", "confirm", "cancel"):
            site.on(f"{branch}/{op}", ledger.answer(refuse and branch == "c" and op in ("do", "try")))
    branches = [site.part(b, **({"after": ["a", "b"]} if b == "c" else {})) if tcc else site.step(b) for b in ("a", "b", "c")]
    request = (site.tcc if tcc else site.saga)(*branches, deadline="60s")
    forward, backward = ("try", "cancel") if tcc else ("action", "compensate")
    if refuse:
        wanted = sorted([(b, o) for b in ("a", "b") for o in (forward, backward)])
        return request, "rolled_back", wanted
    wanted = sorted([(b, forward) for b in ("a", "b", "c")] + ([(b, "confirm") for b in ("a", "b", "c")] if tcc else []))
    return request, "committed", wanted


def died(d, seconds=0.0):
    try:
        d.process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def start_armed(d, armed):
    """True when it died while starting."""
    d.environment["SETTLE_CRASH"] = armed
    d.spawn()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if died(d):
            return True
        try:
            if d.ready():
                return False
        except RuntimeError:
            return True
        time.sleep(0.005)
    raise AssertionError("neither ready nor dead: " + d.log_tail())


def tell(d, request):
    """Submit, and do everything else a crash point may wait for. Ends when it is over or the daemon is dead."""
    client = Client("127.0.0.1", d.port, token=token(d), timeout=20)
    for method, path, body, headers in (("POST", "/v1/transactions?wait=10s", request, {}),
                                        ("POST", "/v1/transactions", {"gid": "own-" + request["gid"], "mode": "tcc", "drive": "client"}, {}),
                                        ("POST", f"/v1/transactions/own-{request['gid']}/rollback", {"reason": "x"}, {"Idempotency-Key": "k-" + request["gid"]}),
                                        ("POST", "/v1/tokens", {"name": "crash", "roles": ["viewer"]}, {}),
                                        ("POST", "/v1/signing-secret/rotate", {}, {}),
                                        ("GET", "/v1/store/backup", None, {})):
        try:
            client.request(method, path, body, headers=headers)
        except BROKEN:
            if died(d, 1.0):
                return
    d.signal(signal.SIGHUP)
    if died(d, 0.4):
        return
    d.signal(signal.SIGTERM)
    died(d, 20)


def token(d):
    try:
        with open(os.path.join(d.data, "token"), encoding="ascii") as f:
            return f.readline().strip()
    except OSError:
        return None


def begin_and_kill(d, request, ledger):
    """A life that dies while the second step is being called."""
    d.start()
    ledger.hold.clear()
    d.submit(request)
    eventually(lambda: any(c.branch == "b" for c in ledger.site.calls()), 20)
    d.kill()
    ledger.hold.set()


def one(server, point, begun, count, story):
    """True when the point was reached."""
    ledger = Ledger(server)
    request, status, wanted = story_of(story, ledger)
    # A small store is only trimmed when nothing is kept of the journal for event streams.
    d = Daemon(auth=True, settings={"store": {"events_keep": "0"}} if point == "trim-asked" else None)
    hit = False
    if begun:
        begin_and_kill(d, request, ledger)
    for _ in range(2):
        # The first life may die anywhere; the second dies while it recovers what the first left.
        if not start_armed(d, f"{point}:{count}"):
            tell(d, request)
        if not died(d, 20):
            d.kill()
        elif d.process.returncode not in (0, -signal.SIGTERM):
            hit = True
            need(d.process.returncode == -signal.SIGKILL or "crash" in d.log(), f"{point}: ended with {d.process.returncode}\n{d.log_tail()}")
    d.environment.pop("SETTLE_CRASH")
    d.start()
    answer = d.submit(request, wait="20s")
    equal((answer.status, answer.json["status"]), (200, status), point, story, answer)
    equal(sorted(ledger.effects), wanted, point, story)
    keys = {}
    for call in ledger.site.calls():
        keys.setdefault((call.branch, call.op), set()).add((call.headers["idempotency-key"], call.body))
    need(all(len(k) == 1 for k in keys.values()), point, story, str(keys))
    d.kill()
    return hit


def sweep(names):
    server, missed = Participants(), []
    for point in names:
        hits = 0
        for story in STORIES:
            for begun, count in LIVES:
                hits += one(server, point, begun, count, story)
        print(f"{point}: died in {hits} of {len(STORIES) * len(LIVES)} runs", flush=True)
        if not hits:
            missed.append(point)
    return missed


@limit(900)
def test_R2_every_crash_point_in_four_stories():
    names = [p for p in points() if p not in PURGES]
    need(len(names) >= 15, names)
    missed = []
    halves = [names[0::2], names[1::2]]
    threads = [threading.Thread(target=lambda h=h: guarded(h, missed)) for h in halves]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal([m for m in missed if m], [], "never reached, or failed")


def guarded(names, missed):
    try:
        missed += sweep(names)
    except BaseException as e:  # reported by the test's own thread
        missed.append(str(e))


def test_an_unknown_crash_point_is_refused():
    d = Daemon(environment={"SETTLE_CRASH": "no-such-point"})
    d.spawn()
    need(d.wait_exit() not in (0, -signal.SIGSEGV), d.log())
    need("no-such-point" in d.log(), d.log())


@limit(240)
def test_R2_purge_can_be_interrupted():
    server = Participants()
    runs = []
    for point in PURGES:
        site = Site(server)
        d = Daemon(settings={"store": {"retain_finished": "1m", "retain_failed": "1m"}}, environment={"SETTLE_CRASH": f"{point}:{PURGE_COUNT}"}).start()
        for i in range(10):
            d.run(site.saga(site.step("a"), name=f"{i}"))
        site.on("open/do", 500)
        d.submit(site.saga(site.step("open"), name="open", deadline="1h"))
        runs.append((d, site))
    for d, site in runs:
        eventually(lambda d=d: died(d), 180, 0.5, "dies while purging")
        d.environment.pop("SETTLE_CRASH")
        d.start()
        equal(d.status(site.gid("open")), "active")
        eventually(lambda d=d, site=site: d.get(f"/v1/transactions/{site.gid('3')}").status == 404, 100, 1)
        d.kill()
