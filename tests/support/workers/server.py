"""A process that has imported the test modules, and forks a worker for each connection.

Run as `python -m tests.support.workers.server LISTENER ARGUMENT…` by `plugin.py`, with the
arguments of pytest. Ends when its standard input ends. A connection carries the three standard
files of a worker, and gets its exit status.
"""

import atexit
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from _pytest.config import _prepareconfig

# What execnet has a Python do that it starts.
_BOOTSTRAP = "import sys;exec(eval(sys.stdin.readline()))"
_ALONE = ("--numprocesses=0", "--dist=no")
_COLLECTED = ("conftest.py", "test_*.py")


def main() -> None:
    """Import the test modules and fork workers until standard input ends."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    import_tests([*sys.argv[2:], *_ALONE])
    connections: dict[int, socket.socket] = {}
    awake, wake = os.pipe()
    os.set_blocking(awake, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    while True:
        readable, _, _ = select.select([0, awake, listener], [], [])
        if awake in readable:
            with suppress(BlockingIOError):
                os.read(awake, 1024)
            _report_ended(connections)
        if listener in readable:
            connection, _ = listener.accept()
            connections[_fork(connection, listener)] = connection
        if 0 in readable:
            return


def import_tests(arguments: list[str]) -> None:
    """Import the conftest and test modules that pytest would collect with these arguments."""
    gc.disable()
    config = _prepareconfig(arguments)
    try:
        for file in sorted(_files(config.rootpath, config.args)):
            name = ".".join(file.relative_to(config.rootpath).with_suffix("").parts)
            # The workers report it.
            with suppress(Exception):
                importlib.import_module(name)
    finally:
        config._ensure_unconfigure()
    gc.collect()
    gc.freeze()
    gc.enable()


def _files(root: Path, arguments: list[str]) -> Iterator[Path]:
    for argument in arguments:
        path = (root / argument.partition("::")[0]).resolve()
        if path.is_dir():
            yield from (file for pattern in _COLLECTED for file in path.rglob(pattern))
        elif path.is_file():
            yield path


def _report_ended(connections: dict[int, socket.socket]) -> None:
    """Send the exit status of each worker that has ended to its connection."""
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with connections.pop(pid) as connection, suppress(OSError):
                connection.send(str(os.waitstatus_to_exitcode(status) & 0xFF).encode())


def _fork(connection: socket.socket, listener: socket.socket) -> int:
    """Fork a worker that has the files of the connection; returns its process id."""
    _, files, _, _ = socket.recv_fds(connection, 16, 3)
    pid = os.fork()
    if pid:
        for file in files:
            os.close(file)
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        connection.close()
        listener.close()
        _become_a_worker()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(bool(ending.code))
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become_a_worker() -> None:
    """Do what `python -c` does with the program that execnet gives it."""
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", closefd=False)
    sys.stderr = open(2, "w", closefd=False)
    sys.argv = ["-c"]
    program = sys.modules["__main__"] = ModuleType("__main__")
    exec(_BOOTSTRAP, vars(program))


if __name__ == "__main__":
    main()
