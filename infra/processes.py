"""Child processes: started as modules of ours, stopped together, never left behind.

Owns starting a child that ends when its parent is gone, and stopping one with patience. Does not
own what the children do.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from signal import SIGKILL, SIGTERM
from typing import IO

_POLL_S = 0.5


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
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def end_with_parent() -> None:
    """Send this process SIGTERM when its parent dies, as by `kill -9`, so that none is orphaned."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_S)
        os.kill(os.getpid(), SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
