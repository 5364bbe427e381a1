"""A MariaDB of our own: from the Debian package, in a scratch folder, on a free port, stopped by its pid."""

import os
import shutil
import signal
import subprocess

from .checks import Skip, eventually
from .daemon import free_port
from .postgres import folder_for, unprivileged


class MariaDB:
    """root without a password over the socket; others as sql() makes them."""

    def __init__(self, settings=None):
        if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
            raise Skip("the package mariadb-server is not installed")
        self.folder = folder_for("mysql", "settle-my-")
        self.data = os.path.join(self.folder, "data")
        self.socket = os.path.join(self.folder, "s")
        self.port = free_port()
        self.settings = {"bind-address": "127.0.0.1", "innodb-buffer-pool-size": "32M", "innodb-log-file-size": "8M", "skip-name-resolve": "1",
                         "max-connections": "80", "performance-schema": "0", **(settings or {})}
        self.process = None
        subprocess.run(unprivileged("mysql") + ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                                                "--skip-test-db"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")

    def start(self):
        options = [f"--{k}={v}" for k, v in self.settings.items()]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(unprivileged("mysql") + ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                                                                     f"--port={self.port}", f"--pid-file={self.folder}/pid", *options],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")
        eventually(self.ready, 60, 0.05, "MariaDB answers")
        return self

    def _client(self):
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root", "-N", "-B"]

    def ready(self):
        done = subprocess.run(self._client() + ["-e", "SELECT 1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def sql(self, text):
        done = subprocess.run(self._client(), input=text, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"mariadb: {done.stderr}")
        return done.stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
