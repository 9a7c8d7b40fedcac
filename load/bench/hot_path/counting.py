"""CPU time and function calls by stage, measured in the process itself."""

import sys
import time
from types import CodeType, FrameType
from typing import Any

from load.bench.hot_path.stages import NO_STAGE, STAGES, Run

_OWN_FILES = __file__.rpartition("/")[0]


class StageCounts:
    """Counts CPU nanoseconds and calls of Python functions for the stage that runs.

    The last place of each list is what runs outside of all stages.
    """

    def __init__(self) -> None:
        self.cpu_ns = [0] * (len(STAGES) + 1)
        self.calls = [0] * (len(STAGES) + 1)
        self._running = [NO_STAGE]
        self._mark = time.thread_time_ns()

    def run_of(self, number: int) -> Run:
        """Return a function that runs another one as part of a stage."""
        running = self._running

        def run(function: Any, *arguments: Any) -> Any:
            self.book()
            running.append(number)
            try:
                return function(*arguments)
            finally:
                self.book()
                running.pop()

        return run

    def book(self) -> None:
        """Add the CPU time since the last booking to the stage that runs."""
        now = time.thread_time_ns()
        self.cpu_ns[self._running[-1]] += now - self._mark
        self._mark = now

    def on_event(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Count a call of a Python function, or a resumption of a coroutine (`sys.setprofile`)."""
        if event == "call" and not _is_own(frame.f_code):
            self.calls[self._running[-1]] += 1

    def start(self, counts_calls: bool) -> None:
        """Start to count."""
        self._mark = time.thread_time_ns()
        if counts_calls:
            sys.setprofile(self.on_event)

    def stop(self) -> None:
        """Stop counting calls, and book the rest of the CPU time."""
        sys.setprofile(None)
        self.book()


def _is_own(code: CodeType) -> bool:
    return code.co_filename.startswith(_OWN_FILES)
