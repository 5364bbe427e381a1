"""R1: kill -9 under load. A bank's money moves by saga, by TCC and by client-driven TCC while settled is killed at random.

Judged by the participants' own ledgers: nothing acknowledged is lost, no outcome is split, no effect is doubled, nothing
is stuck after a minute of calm (G1-G6, I-G1, I-G6, I-G7, I-S1, I-T1, I-T3).
"""

import http.client
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time

from kit import Client, Daemon, equal, eventually, limit, need, scratch

HERE = os.path.dirname(os.path.abspath(__file__))
KILLS = int(os.environ.get("SETTLE_CHAOS_KILLS", "160"))
CLIENTS = 6
CALM_S = 60
BROKEN = (OSError, http.client.HTTPException)


class Bank:
    """The participants, in their own process."""

    def __init__(self, seed):
        self.directory, self.seed, self.port = scratch("settle-bank-"), seed, 0
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "bank_participants.py"), self.directory, str(self.seed), str(self.port)],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def restart(self):
        self.stop()
        self.seed += 1
        self.start()

    def url(self, bank, op=""):
        return f"http://127.0.0.1:{self.port}/{bank}" + (f"/{op}" if op else "")

    def call(self, bank, op, gid, branch, body):
        """What the client does itself in a client-driven transaction; the status, 0 when nobody knows."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("POST", f"/{bank}/{op}", body, {"Settle-Gid": gid, "Settle-Branch": branch, "Settle-Op": op})
            return connection.getresponse().status
        except BROKEN:
            return 0
        finally:
            connection.close()

    def calm(self):
        equal(Client("127.0.0.1", self.port).request("POST", "/calm", b"").status, 200)

    def rows(self, bank, query):
        with sqlite3.connect(os.path.join(self.directory, f"{bank}.db")) as db:
            return db.execute(query).fetchall()

    def stop(self):
        self.process.kill()
        self.process.wait()


def transfer(bank, chance, gid):
    """(kind, body of the submit, branches)"""
    kind = chance.choice(("saga", "saga", "tcc", "tcc", "drive"))
    amount = chance.randrange(1, 60)
    closed = chance.random() < 0.15
    names = ["north", "south"]
    chance.shuffle(names)
    branches = []
    for name, what in zip(names, ("debit", "credit")):
        body = {"kind": what, "account": chance.randrange(20), "amount": amount}
        if closed and what == "credit":
            body["closed"] = True
        retry = {"first": "20ms", "max": "200ms"}
        branch = {"id": what, "body": body, "retry": retry}
        if kind == "saga":
            branch.update(action={"url": bank.url(name, "action"), "timeout": "300ms"}, compensate={"url": bank.url(name, "compensate"), "timeout": "300ms"})
        else:
            branch.update({op: {"url": bank.url(name, op), "timeout": "300ms"} for op in ("try", "confirm", "cancel")})
        branches.append((name, branch))
    body = {"gid": gid, "mode": "saga" if kind == "saga" else "tcc", "deadline": "3s" if kind == "drive" else "20s"}
    if kind == "drive":
        body["drive"] = "client"
    else:
        body["branches"] = [b for _, b in branches]
    return kind, body, branches


class Teller(threading.Thread):
    """A client: submits, sometimes repeats, sometimes dies half way. history: gid -> what it was told."""

    def __init__(self, d, bank, number, seed):
        super().__init__(daemon=True)
        self.d, self.bank, self.number, self.chance = d, bank, number, random.Random(f"{seed}-{number}")
        self.history, self.stop, self.complaints, self.count = {}, threading.Event(), [], 0
        self.client = Client("127.0.0.1", d.port, timeout=10)

    def run(self):
        while not self.stop.is_set():
            gid = f"t{self.number}-{self.count}"
            self.count += 1
            try:
                self.one(gid)
            except Exception as e:  # a teller must not die silently
                self.complaints.append(f"{gid}: {e!r}")

    def ask(self, path, body):
        """The answer, or None when nobody knows."""
        try:
            return self.client.request("POST", path, body, fresh=self.chance.random() < 0.05)
        except BROKEN:
            self.client.close()
            self.stop.wait(0.02)
            return None

    def one(self, gid):
        kind, body, branches = transfer(self.bank, self.chance, gid)
        told = self.history.setdefault(gid, {"kind": kind, "accepted": False, "decision": None, "body": body})
        for _ in range(self.chance.choice((1, 1, 4, 40))):
            wait = self.chance.choice(("", "", "?wait=500ms"))
            answer = self.ask("/v1/transactions" + wait, body)
            if answer is None:
                continue
            if answer.status in (200, 201, 202):
                told["accepted"] = True
                self.learn(gid, told, answer)
                break
            if answer.status not in (503, 507):
                self.complaints.append(f"{gid}: {answer.describe()}")
                return
        if kind == "drive" and told["accepted"]:
            self.drive(gid, told, branches)

    def learn(self, gid, told, answer):
        status = answer.json.get("status")
        decision = {"committing": "commit", "committed": "commit", "rolling_back": "rollback", "rolled_back": "rollback"}.get(status)
        if decision:
            if told["decision"] not in (None, decision):
                self.complaints.append(f"{gid}: was {told['decision']}, now {decision}")
            told["decision"] = decision

    def drive(self, gid, told, branches):
        for name, branch in branches:
            if self.chance.random() < 0.05:
                return
            answer = self.ask(f"/v1/transactions/{gid}/branches", branch)
            if answer is None or answer.status >= 300:
                break
            if self.bank.call(name, "try", gid, branch["id"], json.dumps(branch["body"])) != 200:
                break
        else:
            if self.chance.random() < 0.9:
                self.decide(gid, told, "commit")
            return
        if self.chance.random() < 0.8:
            self.decide(gid, told, "rollback")

    def decide(self, gid, told, word):
        for _ in range(self.chance.choice((1, 3, 20))):
            answer = self.ask(f"/v1/transactions/{gid}/{word}", None)
            if answer is None:
                continue
            if answer.status < 300:
                if told["decision"] not in (None, word):
                    self.complaints.append(f"{gid}: {word} accepted after {told['decision']}")
                told["decision"] = word
                return
            if answer.status == 409:
                told["decision"] = told["decision"] or ("commit" if answer.json["decision"].startswith("commit") else "rollback")
                return


def kill_loop(d, bank, chance, kills):
    for number in range(kills):
        time.sleep(chance.uniform(0.02, 0.7))
        d.kill()
        # Now and then also while it recovers.
        while chance.random() < 0.25:
            d.spawn()
            time.sleep(chance.uniform(0.0, 0.12))
            d.kill()
        d.start()
        if number % 15 == 7:
            bank.restart()
        if number % 20 == 19:
            print(f"{number + 1} kills", flush=True)


def final(d, gid):
    answer = d.get(f"/v1/transactions/{gid}")
    if answer.status == 404:
        return "absent"
    return answer.json["status"]


def judge(bank, history, outcome):
    """Every fault as a line."""
    faults, effects, calls = [], {}, {}
    for name in ("north", "south"):
        for gid, branch, op in bank.rows(name, "select gid, branch, op from effect"):
            effects.setdefault(gid, set()).add((branch, op))
        for gid, branch, op, _, key, body in bank.rows(name, "select gid, branch, op, attempt, key, body from call where key <> ''"):
            calls.setdefault((gid, branch, op), set()).add((key, body))
    for key, seen in calls.items():
        if len(seen) > 1:
            faults.append(f"{key}: {len(seen)} different keys or bodies")
    for gid, told in history.items():
        did, status = effects.pop(gid, set()), outcome[gid]
        if status == "absent":
            if told["accepted"]:
                faults.append(f"{gid}: LOST, it was accepted")
            if did and told["kind"] != "drive":
                faults.append(f"{gid}: absent, yet {sorted(did)} took effect")
            continue
        commit = status == "committed"
        if told["decision"] and (told["decision"] == "commit") != commit:
            faults.append(f"{gid}: told {told['decision']}, ended {status}")
        faults += [f"{gid} {status}: {fault}" for fault in split(told["kind"], commit, did)]
    faults += [f"{gid}: took effect, nobody asked for it" for gid in effects]
    for what in ("held", "coming"):
        left = sum(bank.rows(name, f"select sum({what}) from account")[0][0] for name in ("north", "south"))
        if left:
            faults.append(f"{left} still {what}")
    total = sum(bank.rows(name, "select sum(balance) from account")[0][0] for name in ("north", "south"))
    if total != 2 * 20 * 1000:
        faults.append(f"the sum is {total}, should be {2 * 20 * 1000}")
    return faults


def split(kind, commit, did):
    for branch in ("debit", "credit"):
        ops = {op for b, op in did if b == branch}
        if kind == "saga" and ops not in ([{"action"}] if commit else [set(), {"action", "compensate"}]):
            yield f"{branch} did {sorted(ops)}"
        if kind == "tcc" and ops not in ([{"try", "confirm"}] if commit else [set(), {"try", "cancel"}]):
            yield f"{branch} did {sorted(ops)}"
        if kind == "drive" and ops not in ([{"try", "confirm"}] if commit else [set(), {"try", "cancel"}]):
            yield f"{branch} did {sorted(ops)}"


@limit(900)
def test_R1_no_kill_loses_splits_or_doubles():
    seed = int(os.environ.get("SETTLE_CHAOS_SEED", str(int(time.time()))))
    print(f"seed {seed}, {KILLS} kills", flush=True)
    bank, d = Bank(seed), Daemon(settings={"attention": {"after_tries": 50}})
    d.start()
    tellers = [Teller(d, bank, i, seed) for i in range(CLIENTS)]
    for t in tellers:
        t.start()
    try:
        kill_loop(d, bank, random.Random(seed), KILLS)
    finally:
        for t in tellers:
            t.stop.set()
    for t in tellers:
        t.join(30)
    bank.calm()
    history = {gid: told for t in tellers for gid, told in t.history.items()}
    outcome, begin = {}, time.monotonic()

    def all_final():
        for gid in history:
            if outcome.get(gid) not in ("committed", "rolled_back", "absent"):
                outcome[gid] = final(d, gid)
        return all(o in ("committed", "rolled_back", "absent") for o in outcome.values())

    try:
        eventually(all_final, CALM_S, 0.2)
    except AssertionError:
        stuck = [(g, o) for g, o in outcome.items() if o not in ("committed", "rolled_back", "absent")]
        raise AssertionError(f"{len(stuck)} stuck after {CALM_S} s of calm: {[d.show(g) for g, _ in stuck[:3]]}") from None
    calm = time.monotonic() - begin
    time.sleep(0.7)
    faults = judge(bank, history, outcome)
    d.restart()
    faults += [f"{gid}: {outcome[gid]} became {final(d, gid)} by a restart" for gid in history if final(d, gid) != outcome[gid]]
    complaints = [c for t in tellers for c in t.complaints]
    bank.stop()
    counts = {what: sum(o == what for o in outcome.values()) for what in ("committed", "rolled_back", "absent")}
    print(f"R1: {KILLS} kills, {len(history)} transactions, {sum(t['accepted'] for t in history.values())} accepted, {counts}, calm after {calm:.1f} s, {len(faults)} faults")
    equal(faults[:20], [], f"{len(faults)} faults")
    equal(complaints[:20], [], f"{len(complaints)} complaints")
    need(counts["committed"] > KILLS and counts["rolled_back"] > 10, counts)
