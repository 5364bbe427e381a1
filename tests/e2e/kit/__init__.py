"""What the end-to-end tests and the chaos runs are made of: a settled of our own, participants of our own, waiting."""

from .checks import Skip, contains, equal, eventually, less, limit, need, problem, quick
from .daemon import Daemon, ROOT, SETTLE, SETTLED, free_port, run_settle, scratch, shared_daemon
from .disk import SmallDisk
from .client import Answer, Client, exchange, split_answers
from .participants import (Cut, Delay, Gate, Participants, Raw, Reset, Sequence, Silence, Site, Status, shared_site)

__all__ = [
    "Answer", "Client", "Cut", "Daemon", "Delay", "Gate", "Participants", "ROOT", "Raw", "Reset", "SETTLE", "SETTLED", "Sequence",
    "Silence", "Site", "Skip", "SmallDisk", "Status", "contains", "equal", "eventually", "exchange", "free_port", "less", "limit", "need",
    "problem", "quick", "run_settle", "scratch", "shared_daemon", "shared_site", "split_answers",
]
