"""R14: many times more work than can be done, and thousands of clients that do nothing. What was accepted is finished,
memory stays in its limits, the daemon answers all the while, and goodput does not collapse.
"""

import asyncio
import json
import os
import resource
import subprocess
import threading
import time

from kit import Daemon, Participants, SETTLE, Site, equal, eventually, less, limit, need

SECONDS = int(os.environ.get("SETTLE_CHAOS_SECONDS", "8"))
IDLE, SLOW = 2500, 300


def bench(d, clients, seconds, mode="saga"):
    """One run of the generator; its figures."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SETTLE")}
    done = subprocess.run([SETTLE, "bench", "--mode", mode, "--branches", "2", "--clients", str(clients), "--duration", f"{seconds}s", "--url", d.url, "-o", "json"],
                          capture_output=True, text=True, timeout=seconds + 90, env=environment, check=False)
    if done.returncode != 0:
        raise AssertionError(f"settle bench ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def rate(figures):
    for name in ("per_second",):
        if name in figures:
            return float(figures[name])
    raise AssertionError(f"no rate in {figures}")


class Crowd(threading.Thread):
    """Idle and slow connections from many loopback addresses, because one address may only have 256."""

    def __init__(self, port, idle, slow):
        super().__init__(daemon=True)
        self.port, self.idle, self.slow, self.stop, self.opened = port, idle, slow, threading.Event(), 0

    def run(self):
        asyncio.run(self.main())

    async def one(self, number, slow):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(f"127.1.{number // 200}.{number % 200 + 1}", 0))
        except OSError:
            return
        self.opened += 1
        try:
            while not self.stop.is_set():
                if slow:
                    writer.write(b"G")
                    await writer.drain()
                await asyncio.sleep(0.5)
        except OSError:
            pass
        finally:
            writer.close()
        del reader

    async def main(self):
        await asyncio.gather(*[self.one(i, i >= self.idle) for i in range(self.idle + self.slow)])


@limit(240)
def test_R14_ten_times_the_clients():
    d = Daemon(fast=False, settings={"limits": {"connections_per_address": 1000}}).start()
    normal = bench(d, 32, SECONDS)
    crowded = bench(d, 320, SECONDS)
    print(f"32 clients: {rate(normal):.0f}/s, 320 clients: {rate(crowded):.0f}/s, rss {d.rss() >> 20} MiB")
    less(0.7 * rate(normal), rate(crowded) + 1)
    less(d.rss(), 1 << 30)
    need(d.alive())
    equal(d.get("/healthz").status, 200)
    eventually(lambda: json.dumps(d.get("/v1/transactions?status=active&limit=1").json["items"]) == "[]", 60, 0.5, "everything is finished")


@limit(240)
def test_R14_idle_and_slow_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    d = Daemon(fast=False).start()
    normal = bench(d, 16, SECONDS // 2)
    crowd = Crowd(d.port, IDLE, SLOW)
    crowd.start()
    eventually(lambda: crowd.opened >= (IDLE + SLOW) * 0.9, 30, 0.1)
    crowded = bench(d, 16, SECONDS)
    print(f"alone: {rate(normal):.0f}/s, beside {crowd.opened} idle and slow ones: {rate(crowded):.0f}/s, rss {d.rss() >> 20} MiB")
    crowd.stop.set()
    less(0.6 * rate(normal), rate(crowded) + 1)
    less(d.rss(), 512 << 20)
    equal(d.connection.request("GET", "/healthz", fresh=True).status, 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@limit(240)
def test_R14_more_than_the_limits_is_refused_and_the_rest_is_finished():
    """Small limits, a slow participant, many clients: some are told 503, none of the accepted is lost."""
    d = Daemon(settings={"limits": {"unfinished": 300}, "egress": {"per_endpoint": 16}}).start()
    server = Participants()
    site = Site(server)
    site.on("a", lambda call: (time.sleep(0.02), 200)[1])
    accepted, refused, odd, lock = [], [0], [], threading.Lock()
    end = time.monotonic() + SECONDS

    def hammer(number):
        client, count = d.client(), 0
        while time.monotonic() < end:
            gid = f"o{number}-{count}"
            count += 1
            try:
                answer = client.request("POST", "/v1/transactions", {"gid": gid, "mode": "saga", "branches": [{"id": "a", "action": site.url("a")}]})
            except OSError as e:
                odd.append(repr(e))
                continue
            with lock:
                if answer.status == 202 or answer.status == 200:
                    accepted.append(gid)
                elif answer.status in (429, 503):
                    refused[0] += 1
                    if answer.json.get("retry") is not True:
                        odd.append(answer.describe())
                else:
                    odd.append(answer.describe())

    threads = [threading.Thread(target=hammer, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    worst = 0.0
    while time.monotonic() < end:
        begin = time.monotonic()
        equal(d.get("/healthz").status, 200)
        worst = max(worst, time.monotonic() - begin)
        time.sleep(0.1)
    for t in threads:
        t.join()
    print(f"{len(accepted)} accepted, {refused[0]} refused, worst /healthz {worst * 1000:.0f} ms")
    equal(odd[:5], [])
    need(refused[0] > 0, "nothing was refused: not an overload")
    less(worst, 2.0)
    for gid in accepted:
        d.until(gid, "committed", 60)
    less(d.rss(), 512 << 20)


@limit(240)
def test_a_flood_without_waiting_is_finished():
    d = Daemon().start()
    server = Participants()
    site = Site(server)
    accepted, lock = [], threading.Lock()

    def flood(number):
        client = d.client()
        for count in range(400):
            gid = f"f{number}-{count}"
            answer = client.request("POST", "/v1/transactions", {"gid": gid, "mode": "tcc", "branches": [{"id": "a", "base": site.url("a")}, {"id": "b", "base": site.url("b")}]})
            if answer.status in (200, 202):
                with lock:
                    accepted.append(gid)
        client.close()

    threads = [threading.Thread(target=flood, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    need(len(accepted) > 1000, len(accepted))
    eventually(lambda: all(d.status(g) == "committed" for g in accepted[-20:]), 60, 0.2)
    for gid in accepted:
        d.until(gid, "committed", 60)
    per_key = {}
    for call in server.calls():
        per_key.setdefault((call.gid, call.branch, call.op), []).append(call.attempt)
    need(all(a == [1] for a in per_key.values()), "each was called once")
    equal(len(per_key), 4 * len(accepted))
