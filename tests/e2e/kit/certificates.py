"""Certificates made on the spot with the openssl command: an authority, and what it issues."""

import os
import subprocess

from .checks import Skip
from .daemon import scratch


def run(*words, stdin=None):
    try:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, input=stdin, check=False)
    except FileNotFoundError:
        raise Skip("openssl is not there") from None
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(words)}: {done.stderr}")
    return done.stdout


class Authority:
    """A CA of our own in a scratch folder. ca: its certificate."""

    def __init__(self, name="settle test CA"):
        self.directory = scratch()
        self.ca, self.ca_key = self.path("ca.pem"), self.path("ca-key.pem")
        self.count = 0
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.ca_key, "-out", self.ca, "-days", "30",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def path(self, name):
        return os.path.join(self.directory, name)

    def file(self, name, text, mode=0o600):
        path = self.path(name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def issue(self, name, names, days=30, signed=True, into=None):
        """(certificate, key). names: "DNS:localhost,IP:127.0.0.1". days < 0: expired. signed=False: by itself. into: the
        files of an earlier one, to be replaced by a rename as tools that renew certificates do."""
        self.count += 1
        cert, key, request = self.path(f"{self.count}.pem"), self.path(f"{self.count}-key.pem"), self.path(f"{self.count}.csr")
        extensions = self.file(f"{self.count}.ext", f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        by = ["-CA", self.ca, "-CAkey", self.ca_key] if signed else ["-signkey", key]
        if days >= 0:
            run("x509", "-req", "-in", request, *by, "-set_serial", str(self.count + 1), "-days", str(days), "-extfile", extensions, "-out", cert)
        else:
            self.issue_expired(request, cert, extensions)
        os.chmod(key, 0o600)
        if into is not None:
            os.rename(key, into[1])
            os.rename(cert, into[0])
            return into
        return cert, key

    def issue_expired(self, request, cert, extensions):
        """The x509 command of OpenSSL 3.0 dates nothing back; the ca command does."""
        index = self.file("index.txt", "")
        config = self.file("ca.conf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\nnew_certs_dir={self.directory}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        run("ca", "-batch", "-config", config, "-cert", self.ca, "-keyfile", self.ca_key, "-in", request, "-out", cert, "-extfile", extensions, "-notext",
            "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
