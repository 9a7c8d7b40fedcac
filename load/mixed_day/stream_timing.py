"""Streams as locust sees them: time to first token and time per output token, as statistics of
their own.

A token is counted as the server counts it, by the usage on the last chunk; events may hold several.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


class StreamBroken(Exception):
    """The stream ended before its end, or said an error."""


@dataclass
class Timing:
    """When what arrived, in seconds of a monotonic clock."""

    began: float
    clock: Callable[[], float] = time.perf_counter
    first: float | None = None
    last: float | None = None
    tokens: int = 0
    first_tokens: int = 0
    whole: bool = False
    _events: int = field(default=0)

    def read(self, lines: Iterable[bytes]) -> None:
        """All lines of a stream, as they come. Raises StreamBroken."""
        for line in lines:
            self.line(line.strip())
        if not self.whole:
            raise StreamBroken("the stream ended before [DONE]")

    def line(self, line: bytes) -> None:
        """One line. Raises StreamBroken."""
        if line == b"data: [DONE]":
            self.whole = True
        elif line.startswith(b"data: "):
            self._event(json.loads(line[6:]))

    def _event(self, said: dict[str, Any]) -> None:
        if "error" in said:
            raise StreamBroken(str(said["error"].get("code")))
        if said.get("choices") and _has_text(said["choices"][0]):
            self.last = self.clock()
            self._events += 1
            self.first = self.last if self.first is None else self.first
        usage = said.get("usage")
        if usage:
            self.tokens = int(usage["completion_tokens"])
            if self._events == 1:
                self.first_tokens = self.tokens

    @property
    def first_token_ms(self) -> float | None:
        return None if self.first is None else 1000 * (self.first - self.began)

    @property
    def each_token_ms(self) -> float | None:
        """From one token to the next, after those of the first event; None where there is none."""
        more = self.tokens - max(1, self.first_tokens)
        if self.first is None or self.last is None or more <= 0:
            return None
        return 1000 * (self.last - self.first) / more


def _has_text(choice: dict[str, Any]) -> bool:
    return bool(choice.get("text") or choice.get("delta", {}).get("content"))
