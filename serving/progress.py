"""How far the start is, for a person or for the process that started us.

Owns the two forms: a live line in a terminal, one JSON object a line anywhere else.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, TextIO

from rich.console import Console
from rich.status import Status


class Stage(StrEnum):
    WEIGHTS = "weights"
    RAY = "ray"
    DEPLOY = "deploy"
    READY = "ready"
    FAILED = "failed"


class Progress(Protocol):
    def report(self, stage: Stage, message: str, fraction: float | None = None) -> None: ...


class JsonLines:
    """One JSON object a line: stage, message, fraction. Steps below a percent are left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[Stage, str, int | None] | None = None

    def report(self, stage: Stage, message: str, fraction: float | None = None) -> None:
        step = (stage, message, None if fraction is None else int(fraction * 100))
        if step == self._last:
            return
        self._last = step
        rounded = None if fraction is None else round(fraction, 3)
        line = {"stage": stage, "message": message, "fraction": rounded}
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()


class Terminal:
    """A line that moves while something is under way, and stays once it is decided."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status

    def report(self, stage: Stage, message: str, fraction: float | None = None) -> None:
        if stage in (Stage.READY, Stage.FAILED):
            self._status.stop()
            self._console.print(message, style="green" if stage is Stage.READY else "red")
        else:
            share = "" if fraction is None else f" {fraction:4.0%}"
            self._status.update(f"{message}{share}")


@contextmanager
def _own_stream() -> Iterator[TextIO]:
    """Standard output for the progress alone: what libraries print goes to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as stream:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        yield stream


@contextmanager
def progress() -> Iterator[Progress]:
    """The form that fits standard output."""
    if not sys.stdout.isatty():
        with _own_stream() as stream:
            yield JsonLines(stream)
        return
    console = Console()
    with console.status("Starting") as status:
        yield Terminal(console, status)
