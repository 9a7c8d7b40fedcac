"""A process that has imported gateway and worker, and forks one of them on request.

Importing them takes ten times the processor of starting them, and tests that kill and restart start
dozens. Run as `python -m tests.support.preloaded` by tests/support/starting.py. Reads a request a
line, `{"id", "module", "environment"}`, and writes a line when a child has begun, `{"id", "pid"}`,
and one when it has ended, `{"pid", "code"}`. Ends with its parent, and its children with it.
"""

import contextlib
import gc
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import gateway.__main__
import gateway.app
import gateway.worker

# What is run must have been imported above, or each child would import it again.
assert gateway.app.create_app
_MAINS: Mapping[str, Callable[[], None]] = {
    "gateway": gateway.__main__.main,
    "gateway.worker": gateway.worker.main,
}


def main() -> None:
    """Fork a child for each request on standard input, until its end."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    pending = b""
    while True:
        readable, _, _ = select.select([0, awake], [], [])
        if awake in readable:
            os.read(awake, 1024)
            _tell_of_ended()
        if 0 in readable:
            more = os.read(0, 1 << 16)
            if not more:
                return
            *lines, pending = (pending + more).split(b"\n")
            for line in lines:
                asked = json.loads(line)
                _tell(id=asked["id"], pid=_fork(asked["module"], asked["environment"]))


def _tell(**facts: Any) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def _tell_of_ended() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _tell(pid=pid, code=os.waitstatus_to_exitcode(status))


def _fork(module: str, environment: Mapping[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _become_a_process_of_its_own(environment)
        _MAINS[module]()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(bool(ending.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become_a_process_of_its_own(environment: Mapping[str, str]) -> None:
    """Set process group, empty input and environment, as in `infra.processes.start_module`."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.closerange(3, nothing + 1)
    os.environ.clear()
    os.environ.update(environment)


if __name__ == "__main__":
    main()
