"""Processor time of a test run by file, phase and fixture, for a look at what takes it.

`pytest -p tests.support.cpu_table --cpu-table FILE` writes a line of JSON for each phase of a test
and for each fixture's setup, and at the end a table of the files and fixtures that took most.
Seconds are user and system time. The other processes of the run (PostgreSQL, programs, Chromium)
are read from /proc when a file's last test ends, so they are told by file only. With several
workers each writes the lines to a file of its own, and there is no table.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

_TICKS = os.sysconf("SC_CLK_TCK")
_MARK = "MAAS_CPU_TABLE"
_ROWS = 40


class OtherProcesses:
    """Processor seconds of the processes that this run started, by the name of their program."""

    def __init__(self) -> None:
        self._mark = f"{_MARK}={os.getpid()}".encode()
        os.environ[_MARK] = str(os.getpid())
        self._ours: dict[int, bool] = {os.getpid(): True}
        self._last: Counter[str] = Counter()

    def since(self) -> Counter[str]:
        """What each program took since the last call; what ended unseen by a parent is missing."""
        now: Counter[str] = Counter()
        for pid, (name, parent, seconds) in _processes().items():
            if pid == os.getpid():
                now["ended children"] += seconds[1]
            elif self._is_ours(pid, parent):
                now[name] += sum(seconds)
        passed, self._last = now - self._last, now
        return passed

    def _is_ours(self, pid: int, parent: int) -> bool:
        if pid not in self._ours:
            self._ours[pid] = self._ours.get(parent, False) or self._mark in _environment(pid)
        return self._ours[pid]


def _processes() -> dict[int, tuple[str, int, tuple[float, float]]]:
    """Name, parent and seconds of each process, and those of its ended children, by its id."""
    found = {}
    for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            text = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        name, fields = (
            text[text.index("(") + 1 : text.rindex(")")],
            text[text.rindex(")") :].split(),
        )
        ticks = [int(value) / _TICKS for value in fields[12:16]]
        found[int(entry)] = name, int(fields[2]), (ticks[0] + ticks[1], ticks[2] + ticks[3])
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return []


class CpuTable:
    """Writes what phases and fixtures take, and sums it up."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._others = OtherProcesses()
        self._files: Counter[str] = Counter()
        self._fixtures: Counter[str] = Counter()
        self._programs: Counter[str] = Counter()
        self._began = time.process_time()
        self._inner = [0.0]  # seconds of the fixtures and loops within the current one

    def _write(self, **facts: Any) -> None:
        self._to.write(json.dumps(facts) + "\n")

    def _phase(self, item: pytest.Item, phase: str) -> Iterator[Any]:
        began = time.process_time()
        try:
            return (yield)
        finally:
            seconds = time.process_time() - began
            self._files[item.nodeid.split("::")[0]] += seconds
            self._write(test=item.nodeid, phase=phase, s=round(seconds, 5))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[Any]:
        return (yield from self._phase(item, "setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[Any]:
        return (yield from self._phase(item, "call"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Iterator[Any]:
        yield from self._phase(item, "teardown")
        name = item.nodeid.split("::")[0]
        if nextitem is None or nextitem.nodeid.split("::")[0] != name:
            for program, seconds in self._others.since().items():
                self._programs[program] += seconds
                self._files[name] += seconds
                self._write(file=name, program=program, s=round(seconds, 2))
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[Any]:
        began = time.process_time()
        self._inner.append(0.0)
        try:
            return (yield)
        finally:
            seconds = time.process_time() - began
            own = seconds - self._inner.pop()
            self._inner[-1] += seconds
            self._fixtures[f"{fixturedef.argname} ({fixturedef.scope})"] += own
            self._write(fixture=fixturedef.argname, scope=fixturedef.scope, s=round(own, 5))

    def pytest_collection_finish(self) -> None:
        seconds = time.process_time() - self._began
        self._write(collection=round(seconds, 2), before=round(self._began, 2))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for title, sums in (
            ("file", self._files),
            ("fixture", self._fixtures),
            ("program", self._programs),
        ):
            terminalreporter.section(f"processor seconds by {title}: {sums.total():.0f}")
            for name, seconds in sums.most_common(_ROWS):
                terminalreporter.write_line(f"{seconds:8.2f}  {name}")
        terminalreporter.write_line(f"{time.process_time():8.2f}  this process in all")
        self._to.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu-table", type=Path, help="file for processor seconds of phases")


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("--cpu-table")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if path is not None and (worker or not config.getoption("numprocesses", None)):
        path = path.with_stem(f"{path.stem}-{worker}") if worker else path
        config.pluginmanager.register(CpuTable(path.open("w")))
