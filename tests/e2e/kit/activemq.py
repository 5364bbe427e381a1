"""An ActiveMQ broker of a test's own: started from the files of its Debian package in a scratch folder, on free loopback ports, with a
login, ended by its process id when the file's tests are over at the latest. As root it runs under the package's user.

    broker = ActiveMQ()                       # Skip when the package is not installed
    broker.port, broker.client(), broker.kill(), broker.start(), broker.stop()

Its user may write to queues whose name begins with "shop." and to topics, not to the queue "forbidden"."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import time

from . import certificates
from .checks import Skip
from .daemon import START_S, at_end, free_port, scratch
from .stomp import StompClient, StompError

JAR = "/usr/share/activemq/bin/activemq.jar"
USER, PASSWORD = "settle", "se:cret"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

CONFIGURATION = """<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" useJmx="false" brokerName="localhost" dataDirectory="{folder}/data">
    <persistenceAdapter><kahaDB directory="{folder}/data/kahadb"/></persistenceAdapter>
    <plugins>
      <simpleAuthenticationPlugin><users>
        <authenticationUser username="{user}" password="{password}" groups="users"/>
      </users></simpleAuthenticationPlugin>
      <authorizationPlugin><map><authorizationMap><authorizationEntries>
        <authorizationEntry queue="shop.>" read="users" write="users" admin="users"/>
        <authorizationEntry topic=">" read="users" write="users" admin="users"/>
        <authorizationEntry queue="forbidden" read="users" write="nobody" admin="users"/>
      </authorizationEntries></authorizationMap></map></authorizationPlugin>
    </plugins>
    {tls}
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://127.0.0.1:{port}"/>
      {connector}
    </transportConnectors>
  </broker>
</beans>
"""
TLS = '<sslContext><sslContext keyStore="file:{folder}/keys.p12" keyStoreType="PKCS12" keyStorePassword="settle"/></sslContext>'
TLS_CONNECTOR = '<transportConnector name="stomps" uri="stomp+ssl://127.0.0.1:{tls_port}"/>'


class ActiveMQ:
    def __init__(self, tls=None):
        """tls: (certificate, key) files; then tls_port answers too."""
        if not os.path.exists(JAR) or shutil.which("java") is None:
            raise Skip("no ActiveMQ here: the Debian packages activemq and default-jre-headless are not installed")
        self.folder, self.port, self.tls_port, self.process = scratch("settle-activemq-"), free_port(), free_port() if tls else None, None
        self.user, self.password = USER, PASSWORD
        parts = {"folder": self.folder, "port": self.port, "tls_port": self.tls_port, "user": USER, "password": PASSWORD}
        parts |= {"tls": TLS.format(**parts) if tls else "", "connector": TLS_CONNECTOR.format(**parts) if tls else ""}
        with open(self.path("activemq.xml"), "w", encoding="utf-8") as f:
            f.write(CONFIGURATION.format(**parts))
        if tls:
            certificates.run("pkcs12", "-export", "-in", tls[0], "-inkey", tls[1], "-out", self.path("keys.p12"), "-passout", "pass:settle")
        self.account = {}
        if os.getuid() == 0:
            entry = pwd.getpwnam("activemq")
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            for name in (self.folder, *(self.path(name) for name in os.listdir(self.folder))):
                os.chown(name, entry.pw_uid, entry.pw_gid)
        at_end.append(self.stop)
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        properties = {"activemq.home": "/usr/share/activemq", "activemq.base": self.folder, "activemq.conf": self.folder, "activemq.data": self.folder + "/data",
                      "java.io.tmpdir": self.folder, "user.home": self.folder}
        command = ["java", "-Xms64M", "-Xmx256M", *[f"-D{k}={v}" for k, v in properties.items()], "-jar", JAR, "start", f"xbean:file:{self.folder}/activemq.xml"]
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **self.account)
        end = time.monotonic() + START_S
        while True:
            try:
                self.client().close()
                return
            except (OSError, StompError) as e:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise AssertionError(f"ActiveMQ does not start: {e}\n{self.log_tail()}") from e
                time.sleep(0.1)

    def client(self):
        return StompClient(self.port, self.user, self.password)

    def log_tail(self, lines=30):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def kill(self):
        """As kill -9."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def freeze(self, frozen=True):
        """Stop reading and answering, without closing anything."""
        self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
