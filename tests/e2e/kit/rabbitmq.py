"""A RabbitMQ broker of a test's own: started from its Debian package in a scratch folder, on free loopback ports, ended by its process id
when the file's tests are over at the latest.

    broker = RabbitMQ()                       # Skip when the package is not installed
    broker = RabbitMQ(plugins=["rabbitmq_stomp"], settings={"stomp.listeners.tcp.1": "127.0.0.1:61613"})
    broker.port, broker.amqp(), broker.kill(), broker.start(), broker.stop()
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from kit import daemon
from kit.amqp import Amqp, Refused
from kit.checks import Skip

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class RabbitMQ:
    def __init__(self, plugins=(), settings=None, tls=None):
        """tls: (certificate, key) files; then tls_port answers too. settings: further lines of rabbitmq.conf."""
        if not os.path.exists(SERVER):
            raise Skip("rabbitmq-server is not installed")
        self.folder = tempfile.mkdtemp(prefix="settle-rabbitmq-")
        self.port, self.tls_port = free_port(), free_port() if tls else None
        self.name = f"settle{os.getpid()}x{self.port}@localhost"
        self.process = None
        lines = {"listeners.tcp.1": f"127.0.0.1:{self.port}", "log.file.level": "info", "vm_memory_high_watermark.relative": "0.4",
                 "disk_free_limit.absolute": "50MB"}
        if tls:
            lines |= {"listeners.ssl.1": f"127.0.0.1:{self.tls_port}", "ssl_options.certfile": tls[0], "ssl_options.keyfile": tls[1],
                      "ssl_options.verify": "verify_none", "ssl_options.fail_if_no_peer_cert": "false"}
        lines |= settings or {}
        self.write("rabbitmq.conf", "".join(f"{name} = {value}\n" for name, value in lines.items()))
        self.write("enabled_plugins", f"[{','.join(plugins)}].\n")
        self.write("advanced.config", "[].\n")
        self.write(".erlang.cookie", secrets.token_hex(16), 0o400)
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": self.folder,
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONF_ENV_FILE": self.path("none"),
            "RABBITMQ_CONFIG_FILE": self.path("rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": self.path("advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.path("enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": self.path("mnesia"),
            "RABBITMQ_LOG_BASE": self.path("log"),
            "RABBITMQ_PID_FILE": self.path("pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": self.path("generated"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_START_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        daemon.at_end.append(self.stop)
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def start(self):
        with open(self.path("output"), "ab") as out:
            self.process = subprocess.Popen([SERVER], env=self.environment, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if answers(self.port):
                try:
                    self.amqp().close()
                    return
                except (OSError, Refused):  # it listens before it serves
                    pass
            time.sleep(0.1)
        with open(self.path("output"), encoding="utf-8", errors="replace") as f:
            raise AssertionError("RabbitMQ did not start:\n" + f.read()[-3000:])

    def amqp(self, **more):
        return Amqp(self.port, **more)

    def processes(self):
        """The broker and its helpers (epmd too, which leaves the group): whoever has our folder as HOME."""
        mark = f"HOME={self.folder}".encode()
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{number}/environ", "rb") as f:
                    if mark in f.read().split(b"\0"):
                        yield int(number)
            except OSError:
                continue

    def server_pid(self):
        with open(self.path("pid"), encoding="ascii") as f:
            return int(f.read())

    def kill(self):
        """As kill -9."""
        for number in list(self.processes()):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process is not None:
            self.process.wait(10)
            self.process = None

    def ctl(self, *arguments):
        done = subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", self.name, *arguments], env=self.environment, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise AssertionError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}")
        return done.stdout

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
