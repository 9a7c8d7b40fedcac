"""Peak memory of a command and the database together.

Uses proportional set sizes, which count shared pages once.
"""

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

_SAMPLE_INTERVAL_S = 0.2


@dataclass(slots=True)
class Peak:
    """Peak memory in bytes: of the command, of PostgreSQL, and of both at the same moment."""

    command: int = 0
    postgres: int = 0
    combined: int = 0


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A finished command: its output, duration and peak memory."""

    output: str
    seconds: float
    peak: Peak


def run_measured(
    command: Sequence[str], environment: dict[str, str], postmaster: int
) -> CommandRun:
    """Run a command to its end. Raises CalledProcessError if it fails."""
    began = time.monotonic()
    child = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with _sample_peak(child.pid, postmaster) as peak:
        output, _ = child.communicate()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command, output)
    return CommandRun(output, time.monotonic() - began, peak)


@contextmanager
def _sample_peak(pid: int, postmaster: int) -> Iterator[Peak]:
    """Sample the memory of both process trees in a thread until the block ends."""
    peak, is_over = Peak(), threading.Event()

    def watch() -> None:
        while not is_over.wait(_SAMPLE_INTERVAL_S):
            command, postgres = _total_pss(pid), _total_pss(postmaster)
            peak.command = max(peak.command, command)
            peak.postgres = max(peak.postgres, postgres)
            peak.combined = max(peak.combined, command + postgres)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def _total_pss(pid: int) -> int:
    """Return the proportional set size of a process tree in bytes."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total
