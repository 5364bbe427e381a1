"""The audit is a chain: whoever changes, drops, swaps or adds a line in the stopped store is found (H12)."""

import ctypes
import hashlib
import os
import shutil
import sqlite3
import struct

from kit import Daemon, Skip, contains, equal, need, run_settle, scratch, shared_site

LINES = 8
HASH = 32


def hash_of(data, seed=0):
    try:
        library = ctypes.CDLL("libxxhash.so.0")
    except OSError:
        raise Skip("libxxhash.so.0 is not there") from None
    library.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    return library.XXH3_64bits_withSeed(data, ctypes.c_size_t(len(data)), ctypes.c_uint64(seed))


class Row:
    """A row of the table audit; id, key and so on as the store names them."""

    def __init__(self, values):
        self.id, self.key_hash, self.key, self.state, self.seq, self.final, self.purge, self.image = values

    def checksum(self):
        key, state = self.key.encode(), self.state.encode()
        numbers = (3, self.id, self.key_hash, self.seq, self.final, self.purge, len(key), len(state), len(self.image))
        total = hash_of(struct.pack("=9Q", *(n & (1 << 64) - 1 for n in numbers)))
        for part in (key, state, self.image):
            total = hash_of(part, total)
        return total - (1 << 64) if total >= 1 << 63 else total


class Store:
    """A stopped store, opened by somebody who knows how its rows are guarded."""

    def __init__(self, data):
        self.file = sqlite3.connect(os.path.join(data, "history.db"), isolation_level=None)

    def rows(self):
        columns = "id, key_hash, key, state, seq, final, purge_after_ms, image"
        return [Row(r) for r in self.file.execute(f"SELECT {columns} FROM audit ORDER BY id")]

    def put(self, row, careful=True):
        self.file.execute("UPDATE audit SET image = ? WHERE id = ?", (row.image, row.id))
        if careful:
            self.file.execute("UPDATE audit SET checksum = ? WHERE id = ?", (row.checksum(), row.id))

    def drop(self, row):
        self.file.execute("DELETE FROM audit WHERE id = ?", (row.id,))
        self.file.execute("UPDATE shelf SET rows = rows - 1 WHERE kind = 3")

    def close(self):
        self.file.close()


MADE = {}


def stopped():
    """A copy of a store with a few lines in its audit."""
    if "data" not in MADE:
        d, s = Daemon().start(), shared_site()
        s.on("a/do", 500)
        d.submit(s.saga(s.step("a"), deadline="1h"))
        for i in range(LINES):
            answer = d.post(f"/v1/transactions/{s.gid()}/{'resume' if i % 2 else 'suspend'}", {"reason": f"ticket {i}"})
            equal(answer.status, 200, answer)
        equal(d.stop(), 0)
        MADE["data"] = d.data
    copy = os.path.join(scratch(), "data")
    shutil.copytree(MADE["data"], copy)
    return copy


def judged(data):
    """What a daemon on this store says: the exit code of verify, its words, the lines as shown. A start reads the
    newest rows again and refuses when a line's hash does not fit: then its own code and words, and no lines."""
    d = Daemon(data=data)
    try:
        d.start()
    except RuntimeError:
        return d.wait_exit(), d.log(), []
    done = run_settle("audit", "verify", daemon=d)
    return done.returncode, done.stdout + done.stderr, d.get("/v1/audit?limit=200").json["items"]


def expect_found(data):
    code, said, items = judged(data)
    need(code not in (0, -6, -11), "not found", said)
    if items:
        contains(said, "line ")
        need(not all(i["chained"] for i in items), "the list shows nothing", said)
    else:
        contains(said, "damaged")


def test_an_untouched_chain_is_good():
    code, said, items = judged(stopped())
    equal(code, 0, said)
    contains(said, "unbroken")
    need(len(items) >= LINES and all(i["chained"] for i in items), said)


def rehash(image):
    """The line's own hash made to fit again."""
    return image[:-HASH] + hashlib.sha256(image[:-HASH]).digest()


def test_a_changed_text_is_found():
    data = stopped()
    store = Store(data)
    row = next(r for r in store.rows() if b"ticket 3" in r.image)
    row.image = row.image.replace(b"ticket 3", b"ticket 9")
    store.put(row)
    store.close()
    expect_found(data)


def test_a_changed_text_with_its_hash_is_found():
    data = stopped()
    store = Store(data)
    row = next(r for r in store.rows() if b"ticket 3" in r.image)
    row.image = rehash(row.image.replace(b"ticket 3", b"ticket 9"))
    store.put(row)
    store.close()
    expect_found(data)


def test_every_flipped_bit_of_a_line_is_found():
    """Judged here, by the rule of the chain, because each would need a daemon of its own; three get one."""
    store = Store(stopped())
    rows = store.rows()
    store.close()
    for a, b in zip(rows, rows[1:]):
        equal(hashlib.sha256(a.image[:-HASH]).digest(), a.image[-HASH:])
        equal(a.image[-HASH:], b.image[:HASH])
    for position in (0, HASH, len(rows[2].image) - 1):
        data = stopped()
        store = Store(data)
        row = store.rows()[2]
        row.image = row.image[:position] + bytes([row.image[position] ^ 1]) + row.image[position + 1:]
        store.put(row)
        store.close()
        code, said, _ = judged(data)
        need(code not in (0, -6, -11), f"bit of byte {position}", said)


def test_a_dropped_line_is_found():
    data = stopped()
    store = Store(data)
    store.drop(store.rows()[3])
    store.close()
    expect_found(data)


def test_swapped_lines_are_found():
    data = stopped()
    store = Store(data)
    a, b = store.rows()[2:4]
    a.image, b.image = b.image, a.image
    store.put(a)
    store.put(b)
    store.close()
    expect_found(data)


def test_a_doubled_line_is_found():
    data = stopped()
    store = Store(data)
    a, b = store.rows()[2:4]
    b.image = a.image
    store.put(b)
    store.close()
    expect_found(data)


def test_clumsy_damage_is_found_even_earlier():
    """The row's own checksum does not fit: the store says so."""
    data = stopped()
    store = Store(data)
    row = store.rows()[3]
    row.image = row.image.replace(b"ticket", b"tocket")
    store.put(row, careful=False)
    store.close()
    done = run_settle("store", "verify", "--data", data)
    need(done.returncode not in (0, -6, -11), done.stdout, done.stderr)
    contains(done.stdout + done.stderr, "checksum")


def test_lines_after_a_broken_one_are_bound_to_each_other():
    """What comes later is chained on, so one damaged line does not hide the next."""
    data = stopped()
    store = Store(data)
    row = next(r for r in store.rows() if b"ticket 1" in r.image)
    row.image = rehash(row.image.replace(b"ticket 1", b"ticket 8"))
    store.put(row)
    store.close()
    d = Daemon(data=data).start()
    gid = d.get("/v1/transactions?limit=1").json["items"][0]["gid"]
    equal(d.post(f"/v1/transactions/{gid}/{'suspend' if LINES % 2 == 0 else 'resume'}", {"reason": "after"}).status, 200)
    items = d.get("/v1/audit?limit=200").json["items"]
    equal(items[0]["reason"], "after")
    need(items[0]["chained"] and items[1]["chained"], items[:2])
    equal(sum(not i["chained"] for i in items), 1, items)
