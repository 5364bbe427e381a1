"""Two banks over HTTP, each with a ledger in SQLite and a barrier, and with bad manners until told to calm down.

Usage: bank_participants.py DIRECTORY SEED [PORT]. Prints its port. POST /calm ends the bad manners. It may be killed at any
moment and started again on the same directory.

Every operation is one local transaction: the barrier's row first, then the effect (reliability.md, G6). The table
`effect` holds what took effect, the table `call` every request that arrived; the test judges by them alone.
"""

import asyncio
import hashlib
import json
import os
import random
import sqlite3
import sys

SCHEMA = """
create table if not exists account(id integer primary key, balance integer not null, held integer not null default 0, coming integer not null default 0);
create table if not exists barrier(gid text, branch text, slot text, who text, primary key(gid, branch, slot)) without rowid;
create table if not exists effect(gid text, branch text, op text, account integer, amount integer, primary key(gid, branch, op)) without rowid;
create table if not exists call(gid text, branch text, op text, attempt integer, key text, body text);
"""
ACCOUNTS, START = 20, 1000


class Refused(Exception):
    pass


class Bank:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + SCHEMA)
        self.db.executemany("insert or ignore into account(id, balance) values(?, ?)", [(i, START) for i in range(ACCOUNTS)])

    def insert(self, gid, branch, slot, who):
        return self.db.execute("insert or ignore into barrier values(?,?,?,?)", (gid, branch, slot, who)).rowcount == 1

    def run(self, gid, branch, op, body, record):
        """One attempt of one operation: returns normally when it is (or was) done."""
        self.db.execute("begin immediate")
        try:
            self.step(gid, branch, op, body)
            self.db.execute("insert into call values(?,?,?,?,?,?)", record)
            self.db.execute("commit")
        except Refused:
            self.db.execute("rollback")
            self.db.execute("insert into call values(?,?,?,?,?,?)", record)
            raise
        except BaseException:
            self.db.execute("rollback")
            raise

    def step(self, gid, branch, op, body):
        if op in ("action", "try"):
            if not self.insert(gid, branch, "forward", "forward"):
                who = self.db.execute("select who from barrier where gid=? and branch=? and slot='forward'", (gid, branch)).fetchone()[0]
                if who == "backward":
                    raise Refused("too late")
                return
        elif op in ("compensate", "cancel"):
            if self.insert(gid, branch, "forward", "backward"):
                return
            who = self.db.execute("select who from barrier where gid=? and branch=? and slot='forward'", (gid, branch)).fetchone()[0]
            if who == "backward" or not self.insert(gid, branch, "backward", "backward"):
                return
        elif not self.insert(gid, branch, "confirm", "confirm"):
            return
        self.move(gid, branch, op, body)

    def move(self, gid, branch, op, body):
        account, amount = body["account"], body["amount"]
        debit = body["kind"] == "debit"
        if op in ("action", "try"):
            if body.get("closed"):
                raise Refused("account is closed")
            if debit and self.db.execute("select balance from account where id=?", (account,)).fetchone()[0] < amount:
                raise Refused("no money")
        columns = {
            ("action", True): (-1, 0, 0), ("compensate", True): (1, 0, 0), ("action", False): (1, 0, 0), ("compensate", False): (-1, 0, 0),
            ("try", True): (-1, 1, 0), ("confirm", True): (0, -1, 0), ("cancel", True): (1, -1, 0),
            ("try", False): (0, 0, 1), ("confirm", False): (1, 0, -1), ("cancel", False): (0, 0, -1),
        }[(op, debit)]
        self.db.execute("update account set balance=balance+?, held=held+?, coming=coming+? where id=?",
                        (*(c * amount for c in columns), account))
        self.db.execute("insert into effect values(?,?,?,?,?)", (gid, branch, op, account, amount))


class Participants:
    def __init__(self, directory, seed):
        self.banks = {name: Bank(os.path.join(directory, f"{name}.db")) for name in ("north", "south")}
        self.chance, self.calm = random.Random(seed), False

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {}
                for line in lines[1:-2]:
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if not await self.answer(path, headers, body, writer):
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            writer.close()

    async def answer(self, path, headers, body, writer):
        if path == "/calm":
            self.calm = True
            return self.write(writer, 200)
        manners = 1.0 if self.calm else self.chance.random()
        if manners < 0.03:
            return self.write(writer, 500)
        if manners < 0.05:
            return False
        if manners < 0.07:
            return self.write(writer, 425)
        if manners < 0.08:
            return self.write(writer, 503)
        _, bank, op = path.split("/")
        gid, branch = headers["settle-gid"], headers["settle-branch"]
        record = (gid, branch, op, int(headers.get("settle-attempt", "0")), headers.get("idempotency-key", ""), hashlib.sha256(body).hexdigest())
        try:
            self.banks[bank].run(gid, branch, op, json.loads(body), record)
        except Refused as e:
            return self.write(writer, 409, str(e))
        if manners < 0.11:
            return self.write(writer, 500)
        if manners < 0.13:
            return False
        if manners < 0.15:
            await asyncio.sleep(0.5)
        return self.write(writer, 200)

    @staticmethod
    def write(writer, status, text="{}"):
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return True


async def main():
    participants = Participants(sys.argv[1], int(sys.argv[2]))
    port = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    server = await asyncio.start_server(participants.serve, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
