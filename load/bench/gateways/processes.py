"""Start and stop processes under test, and read their CPU time and memory."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

Value = TypeVar("Value")

_START_S = 180.0
_STOP_S = 45.0


def python_module(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a Python module with this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]


@contextmanager
def run_process(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in its own process group, which ends with the block."""
    with log.open("wb") as file:
        child = subprocess.Popen(
            command,
            env=dict(os.environ if environment is None else environment),
            stdin=subprocess.DEVNULL,
            stdout=file if stdout is None else stdout,
            stderr=file,
            process_group=0,
        )
        try:
            yield child
            if child.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with code {child.returncode}")
        except RuntimeError:
            _print_log_tail(child, log)
            raise
        finally:
            _stop(child)


def require_free(port: int) -> None:
    """Exit if another program listens on the port and would be measured instead."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        sys.exit(f"Port {port} is taken: another run may be under way.")


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until the child listens. Raises RuntimeError if it ends or takes too long."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"{child.args!r} ended with code {child.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{child.args!r} does not listen on port {port}")


def cpu_s(root: int) -> float:
    """Return the CPU seconds of a process and its descendants, including ended ones."""
    return sum(sum(times[:4]) for times in _for_each_process(root, psutil.Process.cpu_times))


def postmaster_of(folder: Path) -> int:
    """Return the process id of the PostgreSQL server with this data folder."""
    return int((folder / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])


def rss_mib(root: int) -> float:
    """Return the resident memory of a process and its descendants; shared pages count in each."""
    return sum(memory.rss for memory in _for_each_process(root, psutil.Process.memory_info)) / (
        1 << 20
    )


def _for_each_process(root: int, value: Callable[[psutil.Process], Value]) -> Iterator[Value]:
    top = psutil.Process(root)
    for process in [top, *top.children(recursive=True)]:
        # A process that ends meanwhile is counted in its parent's children.
        with suppress(psutil.NoSuchProcess):
            yield value(process)


def _print_log_tail(child: subprocess.Popen[bytes], log: Path) -> None:
    """Print the end of a failed child's log, which is deleted with the run."""
    if child.poll() is not None:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        sys.stderr.write("\n".join(["", *lines[-20:], ""]))


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
