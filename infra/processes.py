"""Start and stop child processes (`python -m module`) without leaving orphans."""

import ctypes
import os
import resource
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
    """Start `python -m module` in its own process group.

    Ctrl-C in a terminal signals the whole group; in its own group the child is stopped by the
    parent, in order.
    """
    return subprocess.Popen(  # noqa: S603  # our own modules, by our own interpreter
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
    )


def stop_process(child: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Send SIGTERM to a child; after `timeout_s` kill it and the rest of its process group."""
    if child.poll() is None:
        child.send_signal(SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout_s)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, SIGKILL)
    child.wait()


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants (Linux subreaper), so that they can be killed.

    No effect on other systems.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants(timeout_s: float) -> None:
    """Kill all descendants of this process, including new ones, for at most `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while descendants := psutil.Process().children(recursive=True):
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=0.5)
        if time.monotonic() > deadline:
            return


def limit_process(memory_bytes: int, cpu_s: int) -> None:
    """Limit this process's address space and processor time, at most to what it may use already.

    Beyond them an allocation fails, and the system ends the process.
    """
    for kind, maximum in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_s)):
        _, hard = resource.getrlimit(kind)
        allowed = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
        resource.setrlimit(kind, (allowed, allowed))


def exit_with_parent() -> None:
    """Send this process SIGTERM when its parent dies, even by SIGKILL."""
    parent = os.getppid()

    def watch() -> None:
        """Poll the parent's process id, and send this process SIGTERM when it changes."""
        while os.getppid() == parent:
            time.sleep(_POLL_S)
        os.kill(os.getpid(), SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
