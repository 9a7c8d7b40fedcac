"""Processes under measurement: started, waited for, their cost read, and stopped again."""

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

Fact = TypeVar("Fact")

_START_S = 180.0
_STOP_S = 45.0


def python_module(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this package by this interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own, ended with all of its group when the block ends."""
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
            _show_last_words(child, log)
            raise
        finally:
            _stop(child)


def require_free(port: int) -> None:
    """Exit where another program listens, which would be measured in place of ours."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        sys.exit(f"Port {port} is taken: another run may be under way.")


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Return when the child listens. Raises RuntimeError where it ends, or takes too long."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"{child.args!r} ended with code {child.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{child.args!r} does not listen on port {port}")


def cpu_s(root: int) -> float:
    """Processor seconds of a process and its descendants so far, also of those that ended."""
    return sum(sum(times[:4]) for times in _each(root, psutil.Process.cpu_times))


def postmaster_of(folder: Path) -> int:
    """The process of the PostgreSQL that runs on this folder of data."""
    return int((folder / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])


def rss_mib(root: int) -> float:
    """Resident memory of a process and its descendants; what they share counts in each."""
    return sum(memory.rss for memory in _each(root, psutil.Process.memory_info)) / (1 << 20)


def _each(root: int, fact: Callable[[psutil.Process], Fact]) -> Iterator[Fact]:
    top = psutil.Process(root)
    for process in [top, *top.children(recursive=True)]:
        # One that ends between being found and being asked is in its parent's sum from now on.
        with suppress(psutil.NoSuchProcess):
            yield fact(process)


def _show_last_words(child: subprocess.Popen[bytes], log: Path) -> None:
    """The logs are gone with the run; those of a child that fell tell why it did."""
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
