"""Lets pytest-xdist fork its workers from one process that has imported all test modules.

Every worker collects all tests, so every worker imports all test modules and what they test: 16 of
21 s of processor time until its first test, and memory of its own for each. The process that
imports them (`server.py`) does so once, and its children have the modules already. For xdist a
worker is started as ever, by a command: `connect.py` gives its files to the server and ends with
the worker. A module that cannot be imported is left to the workers, which report it as usual.
"""

import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import execnet
import pytest

_CONNECT = Path(__file__).with_name("connect.py")
_FEWEST = 2
_PENDING = 64


def may_fork(config: pytest.Config) -> bool:
    """Whether workers can be forked: on Linux, and unless coverage is traced, which has to begin
    before what it measures is imported."""
    return sys.platform == "linux" and not config.getoption("cov_source", None)


class WorkerServer:
    """The process that forks workers, as seen by the controller."""

    def __init__(self, arguments: list[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="maas-workers-")
        self._path = Path(self._folder.name) / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen(_PENDING)
            command = [sys.executable, "-m", "tests.support.workers.server"]
            self._process = subprocess.Popen(
                [*command, str(listener.fileno()), *arguments],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )

    @property
    def python(self) -> str:
        """The command that xdist starts in place of `python`."""
        return shlex.join([sys.executable, "-I", "-S", str(_CONNECT), str(self._path)])

    def stop(self) -> None:
        """End the process; workers end with their controller."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[execnet.XSpec]) -> None:
    """pytest-xdist, in the controller: before the workers start."""
    if len(specs) < _FEWEST or not may_fork(config):
        return
    server = WorkerServer([str(one) for one in config.invocation_params.args])
    config.add_cleanup(server.stop)
    for spec in specs:
        spec.python = server.python
