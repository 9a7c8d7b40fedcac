"""Gateway and worker processes of a test, forked from a process that has imported them.

Real processes, that can be killed and stopped as any others. In full and where coverage is measured
each is started as `maas up` starts it, by a Python of its own.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.processes import start_module
from tests.support.chaos import in_full

_BEGINS_S = 120.0


class Child(Protocol):
    """The process interface that tests use, as of `subprocess.Popen`."""

    pid: int

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int) -> None: ...

    def kill(self) -> None: ...


@dataclass(slots=True)
class Forked:
    """A child of the preloaded process, which reports its end."""

    begun: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    pid: int = 0
    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self.ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)


class Preloaded:
    """The forking process; started on first use and ended with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, Forked] = {}
        self._running: dict[int, Forked] = {}
        self._lock = threading.Lock()

    def start(self, module: str, environment: Mapping[str, str]) -> Forked:
        child, number = Forked(), next(self._numbers)
        request = {"id": number, "module": module, "environment": {**os.environ, **environment}}
        with self._lock:
            self._asked[number] = child
            to = self._begun().stdin
            assert to is not None
            to.write(json.dumps(request).encode() + b"\n")
            to.flush()
        if not child.begun.wait(_BEGINS_S):
            raise TimeoutError(f"{module} was not begun")
        return child

    def _begun(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.preloaded"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            self._hear(json.loads(line))

    def _hear(self, said: dict[str, Any]) -> None:
        pid = said["pid"]
        if "id" in said:
            child = self._running[pid] = self._asked.pop(said["id"])
            child.pid = pid
            child.begun.set()
        else:
            child = self._running.pop(pid)
            child.returncode = said["code"]
            child.ended.set()


_PRELOADED = Preloaded()


def start_process(module: str, environment: Mapping[str, str]) -> Child:
    """Start `python -m module` for the gateway or worker module."""
    if in_full(1, 0) or "COVERAGE_PROCESS_CONFIG" in os.environ:
        return start_module(module, (), environment)
    return _PRELOADED.start(module, environment)
