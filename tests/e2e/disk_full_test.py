"""The disk is full: new work is answered 507 and never was, what was accepted is finished, no restart is needed (P1)."""

import os
import threading
import time

from kit import Daemon, Gate, SmallDisk, Status, equal, eventually, less, limit, need, problem, shared_site


@limit(120)
def test_low_water_refuses_new_work_and_recovers():
    disk = SmallDisk("256m")
    try:
        d, s = Daemon(data=os.path.join(disk.path, "data"), settings={"store": {"low_water": "20MiB"}}).start(), shared_site()
        gate = s.on("b/do", Gate())
        equal(d.submit(s.saga(s.step("a"), s.step("b"), name="before")).status, 202)
        eventually(lambda: s.calls("b/do"))
        disk.fill(10 << 20)
        answer = eventually(lambda: (lambda a: a if a.status == 507 else None)(d.submit(s.saga(s.step("c"), name="full"))), 10)
        problem(answer, 507)
        equal(answer.json["retry"], True)
        gate.open()
        d.until(s.gid("before"), "committed")
        disk.empty()
        eventually(lambda: d.submit(s.saga(s.step("c"), name="full")).status in (200, 202), 15)
        d.until(s.gid("full"), "committed")
        need(d.alive())
        d.kill()
    finally:
        disk.done()


@limit(200)
def test_a_full_disk_loses_nothing_and_recovers_without_restart():
    disk = SmallDisk("96m")
    try:
        d, s = Daemon(data=os.path.join(disk.path, "data"), settings={"store": {"low_water": "0"}}).start(), shared_site()
        accepted, number, refused = [], 0, 0
        body = {"fill": "x" * 20_000}
        for round_number in range(6):
            disk.fill(1 << 20)
            end = time.monotonic() + 4
            refused_now = 0
            while time.monotonic() < end and refused_now < 20:
                gid = f"{number}"
                number += 1
                answer = d.submit(s.saga(s.step("a", body=body), name=gid))
                if answer.status in (200, 202):
                    accepted.append(gid)
                else:
                    equal(answer.status, 507, answer)
                    refused_now += 1
            refused += refused_now
            disk.empty()
            need(d.alive(), d.log_tail())
            if round_number == 3:
                disk.fill(1 << 20)
                d.kill()
                disk.empty()
                d.start()
            eventually(lambda n=number: d.submit(s.saga(s.step("a"), name=f"heal{n}")).status in (200, 202), 20, 0.1)
        need(refused > 0, "the disk never was full")
        for gid in accepted:
            d.until(s.gid(gid), "committed", 30)
        d.restart()
        for gid in accepted:
            equal(d.status(s.gid(gid)), "committed")
        d.kill()
    finally:
        disk.done()


def metric(d, name):
    for line in d.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise AssertionError(f"no metric {name}")


class Crowd:
    """Clients that submit at the same time: every transaction by two of them at once, half of them waiting for its end; and one that looks on."""

    CLIENTS = 12
    BRANCHES = ("a", "b", "c", "d")
    BODY = {"fill": "x" * 240_000}

    def __init__(self, d, s, name):
        self.d, self.s, self.name = d, s, name
        self.answers, self.looks, self.slowest = {}, set(), 0.0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.submit, args=(i,)) for i in range(self.CLIENTS)] + [threading.Thread(target=self.look)]

    def saga(self, gid):
        return {"gid": gid, "mode": "saga", "branches": [{"id": b, "action": self.s.url("a/do"), "body": self.BODY} for b in self.BRANCHES]}

    def submit(self, number):
        client, count = self.d.client(), 0
        while not self.over.is_set():
            gid = self.s.gid(f"{self.name}-{number // 2}-{count}")
            count += 1
            begin = time.monotonic()
            answer = client.request("POST", "/v1/transactions" + ("?wait=5s" if number % 4 == 0 else ""), self.saga(gid),
                                    headers={"Idempotency-Key": f"key-{gid}"} if number % 6 == 0 else None)
            with self.lock:
                self.answers.setdefault(gid, []).append(answer)
                self.slowest = max(self.slowest, time.monotonic() - begin)
            if answer.status == 507:
                time.sleep(0.01)
        client.close()

    def look(self):
        client = self.d.client()
        while not self.over.is_set():
            with self.lock:
                gids = list(self.answers)[-20:]
            for gid in gids:
                self.looks.add(client.request("GET", f"/v1/transactions/{gid}").status)
            self.looks.add(client.request("GET", "/v1/transactions?limit=50").status)
        client.close()

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def refused(self):
        return [gid for gid, answers in self.answers.items() if all(a.status == 507 for a in answers)]

    def accepted(self):
        return [gid for gid, answers in self.answers.items() if any(a.status in (200, 202) for a in answers)]


def check_answers(crowd):
    for gid, answers in crowd.answers.items():
        for answer in answers:
            need(answer.status in (200, 202, 507), gid, answer)
            if answer.status == 507:
                problem(answer, 507)
                need("retry-after" in answer.headers, answer)
    need(crowd.looks <= {200, 404, 503}, crowd.looks)
    less(crowd.slowest, 10)


def check_truth(d, s, crowd):
    """There is room again: what was accepted is finished, what was refused never was and may be asked for anew, as anything."""
    eventually(lambda: d.submit(s.saga(s.step("b"), name=f"{crowd.name}-heal")).status in (200, 202), 20, 0.1)
    for gid in crowd.accepted():
        d.until(gid, "committed", 30)
    called = {c.gid for c in s.calls("a/do")}
    for gid in crowd.refused():
        equal(d.get(f"/v1/transactions/{gid}").status, 404, gid)
        need(gid not in called, gid, "called, though it was refused")
    for gid in crowd.refused()[:20]:
        answer = d.post("/v1/transactions?wait=20s", {"gid": gid, "mode": "saga", "branches": [{"id": "other", "action": s.url("b/do")}]},
                        headers={"Idempotency-Key": f"key-{gid}"})
        equal((answer.status, answer.json["status"]), (200, "committed"), answer)
    need(d.get("/v1/audit").json["chained"] is True)


@limit(240)
def test_what_is_refused_on_a_full_disk_never_was():
    """A request is larger than what is kept free on so small a disk: batches meet its end. Not on every disk, so there are more of them until one has."""
    s, taken_back, accepted, number = shared_site(), 0, 0, 0
    while number < 4 or (taken_back == 0 and number < 16):
        disk = SmallDisk("8m")
        try:
            # A machine that is busy with other things is no reason for a 503 here.
            d = Daemon(data=os.path.join(disk.path, "data"), settings={"store": {"low_water": "0"}, "limits": {"store_wait": "1m"}}).start()
            crowd = Crowd(d, s, f"{number}")
            crowd.start()
            time.sleep(1)
            for leave in (1000, 900, 0)[:number % 4]:
                disk.fill(leave << 10)
                time.sleep(1)
            crowd.stop()
            check_answers(crowd)
            disk.empty()
            disk.grow("128m")
            check_truth(d, s, crowd)
            taken_back += metric(d, "settled_transactions_taken_back_total")
            accepted += len(crowd.accepted())
            d.restart()
            for gid in crowd.accepted():
                equal(d.status(gid), "committed")
            d.kill()
        finally:
            disk.done()
        number += 1
    less(0, taken_back, "no batch ever met the full disk")
    less(0, accepted)


@limit(60)
def test_a_repeat_is_answered_although_only_the_history_knows_it():
    disk = SmallDisk("64m")
    try:
        d, s = Daemon(data=os.path.join(disk.path, "data"), settings={"store": {"low_water": "0"}}).start(), shared_site()
        body = s.saga(s.step("a"), name="done")
        d.run(body)
        eventually(lambda: sum(d.get("/v1/stats").json["transactions"]["in_memory"].values()) == 0, 20)
        disk.fill(0)
        problem(eventually(lambda: (lambda a: a if a.status == 507 else None)(d.submit(s.saga(s.step("a"), name="new")))), 507)
        answer = d.submit(body)
        equal((answer.status, answer.json["status"]), (200, "committed"), answer)
        problem(d.submit(s.saga(s.step("b"), name="done")), 409)
        equal(d.get(f"/v1/transactions/{s.gid('new')}").status, 404)
        d.kill()
    finally:
        disk.done()


@limit(60)
def test_a_state_that_finds_no_room_is_shown_as_far_as_it_is_durable():
    disk = SmallDisk("8m")
    try:
        d, s = Daemon(data=os.path.join(disk.path, "data"), settings={"store": {"low_water": "0"}}).start(), shared_site()
        gate = s.on("a/do", Gate(then=Status(200, {"large": "x" * 50_000})))
        saga = s.saga(s.step("a"), s.step("b", body="${a#/large}"), deadline="1h")
        equal(d.submit(saga).status, 202)
        eventually(lambda: s.calls("a/do"))
        disk.fill(0)
        gate.open()
        eventually(lambda: d.get("/readyz").status == 503)
        for answer in (d.get(f"/v1/transactions/{s.gid()}"), d.submit(saga)):
            need(answer.status in (200, 202), answer)
            equal((answer.json["status"], answer.json["branches"][0]["action"]), ("active", "running"), answer)
        problem(d.post(f"/v1/transactions/{s.gid()}/suspend", {"reason": "full"}), 503)
        problem(d.submit(s.saga(s.step("a"), name="new")), 507)
        equal(s.calls("b/do"), [], "called before the log")
        disk.empty()
        eventually(lambda: d.show(s.gid())["suspended"] is True, 10)
        d.post(f"/v1/transactions/{s.gid()}/resume", {})
        d.until(s.gid(), "committed", 30)
        d.kill()
    finally:
        disk.done()
