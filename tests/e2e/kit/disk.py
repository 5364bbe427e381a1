"""A disk that can be filled."""

import os
import subprocess

from .checks import Skip
from .daemon import scratch


class SmallDisk:
    """A tmpfs of so many MiB; needs root."""

    def __init__(self, size):
        self.path = scratch("settle-disk-")
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "settle", self.path], check=False,
                                               stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip("mounting a tmpfs needs root")

    def fill(self, leave):
        free = os.statvfs(self.path)
        size = free.f_bavail * free.f_frsize - leave
        if size > 0:
            with open(os.path.join(self.path, "ballast"), "ab") as f:
                while size > 0:
                    try:
                        f.write(b"\0" * min(size, 65536))
                        f.flush()
                    except OSError:
                        break
                    size -= 65536

    def empty(self):
        try:
            os.unlink(os.path.join(self.path, "ballast"))
        except FileNotFoundError:
            pass

    def grow(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)

    def done(self):
        subprocess.run(["umount", "-l", self.path], check=False)
