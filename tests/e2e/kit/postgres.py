"""A PostgreSQL of our own: from the Debian package, in a scratch folder, on a free port, stopped by its pid."""

import glob
import os
import shutil
import signal
import subprocess

from .checks import Skip, eventually
from .daemon import free_port, scratch


def unprivileged(user):
    """What runs a command as that user, when we are root: servers refuse to be."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def folder_for(user, prefix):
    folder = scratch(prefix)
    os.chmod(folder, 0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    return folder


def program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    if not found:
        raise Skip("the package postgresql is not installed")
    return found[-1]


class Postgres:
    """Superuser postgres, over loopback with passwords (scram) for all but it."""

    def __init__(self, settings=None):
        self.folder = folder_for("postgres", "settle-pg-")
        self.data = os.path.join(self.folder, "data")
        self.port = free_port()
        self.settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, "max_connections": "60",
                         "shared_buffers": "16MB", "logging_collector": "off", "wal_level": "replica", **(settings or {})}
        self.process = None
        password = os.path.join(self.folder, "password")
        with open(password, "w", encoding="ascii") as f:
            f.write("boss\n")
        subprocess.run(unprivileged("postgres") + [program("initdb"), "-D", self.data, "-A", "scram-sha-256", "-U", "postgres", "-N", "--auth-local=trust",
                                                   f"--pwfile={password}", "--no-locale", "-E", "UTF8"], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self):
        options = [x for k, v in self.settings.items() for x in ("-c", f"{k}={v}")]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(unprivileged("postgres") + [program("postgres"), "-D", self.data, "-p", str(self.port), *options],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        eventually(self.ready, 30, 0.05, "PostgreSQL answers")
        return self

    def ready(self):
        done = subprocess.run(self._psql("postgres") + ["-c", "SELECT 1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def _psql(self, database):
        return [program("psql"), "-h", self.folder, "-p", str(self.port), "-U", "postgres", "-d", database, "-qAtX", "-v", "ON_ERROR_STOP=1"]

    def sql(self, text, database="postgres"):
        done = subprocess.run(self._psql(database), input=text, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def kill(self):
        """As by a power cut: postmaster and all of its children, by their pids."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split()
        self.process.kill()
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: immediate, which is a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
