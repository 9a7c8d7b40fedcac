"""Memory: the most that a command and the database took together while it ran.

Owns reading it: proportional set sizes, in which what processes share is counted once.
"""

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

_EVERY_S = 0.2


@dataclass(slots=True)
class Peak:
    """Bytes: of the command, of all of PostgreSQL, and of both at one moment."""

    command: int = 0
    postgres: int = 0
    together: int = 0


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that was run: what it said, how long it took, and the most memory."""

    said: str
    seconds: float
    peak: Peak


def run_measured(command: Sequence[str], environment: dict[str, str], postmaster: int) -> Ran:
    """Run it to its end. Raises CalledProcessError where it fails."""
    began = time.monotonic()
    child = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with _watched(child.pid, postmaster) as peak:
        said, _ = child.communicate()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command, said)
    return Ran(said, time.monotonic() - began, peak)


@contextmanager
def _watched(pid: int, postmaster: int) -> Iterator[Peak]:
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_S):
            command, postgres = _tree(pid), _tree(postmaster)
            peak.command = max(peak.command, command)
            peak.postgres = max(peak.postgres, postgres)
            peak.together = max(peak.together, command + postgres)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _tree(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total
