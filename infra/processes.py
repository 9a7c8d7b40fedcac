"""Child processes: started as modules of ours, stopped together, never left behind.

Owns starting a child that ends when its parent is gone, and stopping one with patience.
"""

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from signal import SIGKILL, SIGTERM
from typing import IO

import psutil

_POLL_S = 0.5
_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def start_module(
    module: str,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Run `python -m module` in a process group of its own.

    Ctrl-C in a terminal reaches a whole group: apart from it, the parent stops its children in
    order instead of all of them falling at once.
    """
    return subprocess.Popen(  # noqa: S603  # our own modules, by our own interpreter
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )


def stop(child: subprocess.Popen[bytes], patience_s: float) -> None:
    """Ask the child to end; after `patience_s` end it and whatever it left in its group."""
    if child.poll() is None:
        child.send_signal(SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, SIGKILL)
    child.wait()


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that none is out of reach.

    Linux only; elsewhere orphans go to the system's first process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(patience_s: float) -> None:
    """Kill every descendant of this process, also those that appear meanwhile."""
    deadline = time.monotonic() + patience_s
    while descendants := psutil.Process().children(recursive=True):
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=0.5)
        if time.monotonic() > deadline:
            return


def end_with_parent() -> None:
    """Send this process SIGTERM when its parent dies, as by `kill -9`, so that none is orphaned."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_S)
        os.kill(os.getpid(), SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
