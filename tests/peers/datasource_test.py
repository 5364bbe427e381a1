"""G8, CP16, CP17: check-backs against a real PostgreSQL and a real MariaDB. The cases are in src/sink/database/datasource_pg_peer_test.c and
datasource_my_peer_test.c; here the servers are started, killed and restarted for it."""

import os
import re
import shutil
import subprocess
import threading

from kit import daemon, equal, limit, need, scratch
from kit.certificates import Authority
from kit.mariadb import MariaDB
from kit.postgres import Postgres

PG_SETUP = """
CREATE ROLE shop LOGIN PASSWORD 'secret';
CREATE ROLE settled LOGIN PASSWORD 'secret';
CREATE DATABASE shop OWNER shop;
"""
MY_SETUP = """
CREATE DATABASE shop;
CREATE USER shop@'127.0.0.1' IDENTIFIED BY 'secret';
CREATE USER settled@'%' IDENTIFIED BY 'secret';
CREATE USER admin@'127.0.0.1' IDENTIFIED BY 'boss';
GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
GRANT ALL ON shop.* TO shop@'127.0.0.1';
USE shop;
"""


def documented(kind):
    """The statements that docs/datasources.md shows for this database: the table, then the GRANT."""
    with open(os.path.join(daemon.ROOT, "docs", "datasources.md"), encoding="utf-8") as f:
        found = re.search(rf"<!-- marker {kind} -->\n(?:<!-- check:[^\n]*-->\n)?```sql\n(.*?)```", f.read(), re.S)
    need(found, f"docs/datasources.md shows no marker table for {kind}")
    return found[1]


def give(server, certificate, key, owner):
    """Copies that the server may read, where its settings expect them."""
    for source, name in ((certificate, "server.pem"), (key, "server-key.pem")):
        path = os.path.join(server.folder, name)
        shutil.copy(source, path)
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            shutil.chown(path, owner, owner)


class Outside:
    """Does what the program asks for through one pipe, and tells through another."""

    def __init__(self, acts):
        folder = scratch()
        self.ask, self.told, self.acts = os.path.join(folder, "ask"), os.path.join(folder, "told"), acts
        os.mkfifo(self.ask)
        os.mkfifo(self.told)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            with open(self.ask, encoding="ascii") as f:
                what = f.readline().strip()
            self.acts[what]()
            with open(self.told, "w", encoding="ascii") as f:
                f.write("done\n")


def run(name, **environment):
    program = os.path.join(daemon.BUILD, "test", name)
    done = subprocess.run([program], env={**os.environ, **environment}, capture_output=True, text=True, timeout=280, check=False)
    story = done.stdout + done.stderr
    ran = re.findall(r"^\[       OK \] (\w+)$", story, re.M)
    need(done.returncode == 0, story[-6000:])
    return ran


@limit(300)
def test_postgresql():
    authority = Authority()
    server = Postgres({"timezone": "Asia/Tokyo", "ssl": "on", "ssl_cert_file": "../server.pem", "ssl_key_file": "../server-key.pem"})
    give(server, *authority.issue("postgresql", "DNS:localhost"), "postgres")
    try:
        server.start()
        server.sql(PG_SETUP)
        server.sql("SET ROLE shop;\n" + documented("postgresql").replace("\nGRANT", "\nRESET ROLE;\nGRANT"), "shop")

        def restart():
            server.stop()
            server.start()

        def kill():
            server.kill()
            server.start()

        def standby():
            server.stop()
            with open(os.path.join(server.data, "standby.signal"), "w", encoding="ascii"):
                pass
            server.start()

        outside = Outside({"pg-restart": restart, "pg-kill": kill, "pg-standby": standby})
        ran = run("datasource_pg_peer_test", SETTLE_TEST_PG=str(server.port), SETTLE_TEST_CA=authority.ca, SETTLE_TEST_ASK=outside.ask, SETTLE_TEST_TOLD=outside.told)
        equal(len(ran), 14, ran)
    finally:
        server.stop()


@limit(300)
def test_mariadb():
    authority = Authority()
    server = MariaDB({"default-time-zone": "+09:00"})
    server.settings.update({"ssl-cert": f"{server.folder}/server.pem", "ssl-key": f"{server.folder}/server-key.pem"})
    give(server, *authority.issue("mariadb", "DNS:localhost"), "mysql")
    try:
        server.start()
        server.sql(MY_SETUP + documented("mariadb"))

        def kill():
            server.kill()
            server.start()

        outside = Outside({"my-kill": kill})
        ran = run("datasource_my_peer_test", SETTLE_TEST_MY=str(server.port), SETTLE_TEST_CA=authority.ca, SETTLE_TEST_ASK=outside.ask, SETTLE_TEST_TOLD=outside.told)
        equal(len(ran), 10, ran)
    finally:
        server.stop()
