"""The engine process of a test run, started at the beginning and used at the end.

The process that leads the run (pytest, or the controller of its workers) starts it and ends it; the
processes that run tests know its folder, and find there where it listens and how far it is.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from infra.processes import stop_process
from serving.cluster.environment import reserve_port
from tests.support.profile import PROFILE

# Kept between runs: converting the weights again would test nothing.
WEIGHTS = Path(__file__).parents[3] / "build" / "weights"
CACHE = WEIGHTS.with_name("vllm")
# From a bare start, beside tests that take every core. Converting the weights is part of it.
START_S = 900.0
_POLL_S = 0.2
# Below the tests, but enough of two busy cores that it is ready before they end: at 19 it gets
# nothing, and starts when everybody waits for it.
_NICENESS = 5
_WANTED, _STARTED, _OUTPUT = "wanted", "engine.json", "output"
_SERVING = {
    "NO_PROXY": "127.0.0.1",
    # One core for the engine: the tests need the other.
    "VLLM_CPU_NUM_OF_RESERVED_CPU": "1",
    # What vLLM finds out about its models is kept, as the weights are.
    "VLLM_CACHE_ROOT": str(CACHE),
    # Ray's workers have the priority of the engine, not 15 below it: it is raised when tests wait.
    "RAY_worker_niceness": "0",
    # A thread of linear algebra that waits for another, which got no processor, does not spin.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Ray's processes have thirty threads each, mostly idle; by default each gets memory of its own.
    "MALLOC_ARENA_MAX": "2",
    # Ray Serve's controller looks after all replicas ten times a second: a twentieth of a core.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    # A process that gets little of the processor may take long to start, and to answer.
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "20",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "300",
}
# No specialist has a process while nobody calls one: scaling to zero is tested on the same cluster.
_SCALING = ("--specialist-min-replicas", "0", "--specialist-idle-s", "1")


@dataclass(frozen=True)
class Started:
    """The engine's process id, its URL, and the address of its traces."""

    pid: int
    url: str
    traces_url: str | None


@dataclass(frozen=True)
class EngineFolder:
    """A folder in which the processes of a test run exchange the engine's state."""

    path: Path

    def want(self, tests: int) -> None:
        """Record the number of selected tests that use the engine."""
        (self.path / _WANTED).write_text(str(tests))

    @property
    def wanted(self) -> int:
        """The number of tests known to use the engine."""
        with suppress(FileNotFoundError, ValueError):  # not yet, or being written
            return int((self.path / _WANTED).read_text())
        return 0

    @property
    def started(self) -> Started | None:
        with suppress(FileNotFoundError):
            return Started(**json.loads((self.path / _STARTED).read_text()))
        return None

    def wait_until_ready(self) -> Started:
        """Give the engine the priority of the tests, and wait until every model answers."""
        engine = self.started
        assert engine is not None, "no engine was started: no test that was collected wanted one"
        raise_priority(engine.pid)
        deadline, said = time.monotonic() + START_S, ""
        while time.monotonic() < deadline:
            stage, said = self._progress()
            if stage == "ready":
                return engine
            if not _runs(engine.pid):
                raise RuntimeError(f"The engine ended; its last message: {said}")
            time.sleep(_POLL_S)
        raise TimeoutError(f"The engine is not ready after {START_S:.0f} s: {said}")

    def _progress(self) -> tuple[str, str]:
        """The newest stage and message of the engine."""
        lines = (self.path / _OUTPUT).read_bytes().split(b"\n")[:-1]
        for line in reversed(lines):
            if line.startswith(b"{"):
                said = json.loads(line)
                return said["stage"], said["message"]
        return "", "nothing"


class EngineProcess:
    """Starts and ends the engine, in the leading process of the run."""

    def __init__(self, folder: EngineFolder, traces_url: str | None = None) -> None:
        self._data = folder.path / "data"
        self._data.mkdir()
        WEIGHTS.mkdir(parents=True, exist_ok=True)
        (self._data / "weights").symlink_to(WEIGHTS)
        with reserve_port() as held:
            port = held.getsockname()[1]
        arguments = ["--data-dir", str(self._data), "--profile", PROFILE, "--port", str(port)]
        # Coverage of all that Ray and vLLM import would take nine minutes of their start.
        inherited = {k: v for k, v in os.environ.items() if k != "COVERAGE_PROCESS_CONFIG"}
        traced = {} if traces_url is None else {"MAAS_OTLP_ENDPOINT": traces_url}
        with (folder.path / _OUTPUT).open("wb") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "serving", *arguments, "--exit-with-parent", *_SCALING],
                env={**inherited, **_SERVING, **traced},
                stdin=subprocess.DEVNULL,
                stdout=output,
                process_group=0,
            )
        # Its threads and children inherit this.
        os.setpriority(os.PRIO_PROCESS, self._child.pid, _NICENESS)
        told = Started(self._child.pid, f"http://127.0.0.1:{port}", traces_url)
        (folder.path / _STARTED).write_text(json.dumps(asdict(told)))

    def end(self) -> None:
        """Ask the engine to stop, without waiting."""
        self._child.terminate()

    def stop(self) -> None:
        stop_process(self._child, 30)


def raise_priority(pid: int) -> None:
    """Set the process and its descendants to normal priority, if permitted."""
    with suppress(PermissionError, psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            for thread in _threads(process):
                with suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, thread, 0)


def _threads(process: psutil.Process) -> Iterator[int]:
    with suppress(psutil.NoSuchProcess):
        yield from (thread.id for thread in process.threads())


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
