"""Start-up progress on standard output: a live line in a terminal, JSON lines elsewhere."""

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
    """A stage of the start-up."""

    WEIGHTS = "weights"
    RAY = "ray"
    DEPLOY = "deploy"
    READY = "ready"
    FAILED = "failed"


class Progress(Protocol):
    """A receiver of start-up progress."""

    def report(self, stage: Stage, message: str, fraction: float | None = None) -> None:
        """Show a message; `fraction` of the stage is 0 to 1, None if unknown."""
        ...


class JsonLinesProgress:
    """Progress as JSON lines; steps below one percent are skipped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[Stage, str, int | None] | None = None

    def report(self, stage: Stage, message: str, fraction: float | None = None) -> None:
        """Write a JSON line, unless stage, message and whole percent are as in the last one."""
        event = (stage, message, None if fraction is None else int(fraction * 100))
        if event == self._last:
            return
        self._last = event
        rounded = None if fraction is None else round(fraction, 3)
        line = {"stage": stage, "message": message, "fraction": rounded}
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()


class TerminalProgress:
    """Progress as a live line in a terminal; the final READY or FAILED message stays."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status

    def report(self, stage: Stage, message: str, fraction: float | None = None) -> None:
        """Show message and percent in the status line; print the final message in colour."""
        if stage in (Stage.READY, Stage.FAILED):
            self._status.stop()
            self._console.print(message, style="green" if stage is Stage.READY else "red")
        else:
            percent = "" if fraction is None else f" {fraction:4.0%}"
            self._status.update(f"{message}{percent}")


@contextmanager
def _dedicated_stdout() -> Iterator[TextIO]:
    """Reserve standard output for progress: redirect what libraries print to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as stream:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        yield stream


@contextmanager
def open_progress() -> Iterator[Progress]:
    """Open the progress display that fits standard output."""
    if not sys.stdout.isatty():
        with _dedicated_stdout() as stream:
            yield JsonLinesProgress(stream)
        return
    console = Console()
    with console.status("Starting") as status:
        yield TerminalProgress(console, status)
