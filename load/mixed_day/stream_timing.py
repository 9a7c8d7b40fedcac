"""Time to first token and time per output token of a streamed response.

Tokens are those of the usage in the last chunk, because one event may hold several tokens.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


class StreamFailed(Exception):
    """The stream ended without `[DONE]`, or contained an error."""


@dataclass
class StreamTiming:
    """Arrival times of a stream's tokens, in seconds of a monotonic clock."""

    started_at: float
    clock: Callable[[], float] = time.perf_counter
    first_token_at: float | None = None
    last_token_at: float | None = None
    tokens: int = 0
    first_tokens: int = 0
    is_complete: bool = False
    _token_events: int = field(default=0)

    def read(self, lines: Iterable[bytes]) -> None:
        """Read all lines of a stream as they arrive. Raises StreamFailed."""
        for line in lines:
            self.read_line(line.strip())
        if not self.is_complete:
            raise StreamFailed("the stream ended before [DONE]")

    def read_line(self, line: bytes) -> None:
        """Read one line. Raises StreamFailed if it is an error."""
        if line == b"data: [DONE]":
            self.is_complete = True
        elif line.startswith(b"data: "):
            self._read_event(json.loads(line[6:]))

    def _read_event(self, event: dict[str, Any]) -> None:
        if "error" in event:
            raise StreamFailed(str(event["error"].get("code")))
        if event.get("choices") and _has_text(event["choices"][0]):
            self.last_token_at = self.clock()
            self._token_events += 1
            self.first_token_at = (
                self.last_token_at if self.first_token_at is None else self.first_token_at
            )
        usage = event.get("usage")
        if usage:
            self.tokens = int(usage["completion_tokens"])
            if self._token_events == 1:
                self.first_tokens = self.tokens

    @property
    def first_token_ms(self) -> float | None:
        """Return the milliseconds until the first token, or None without tokens."""
        return (
            None if self.first_token_at is None else 1000 * (self.first_token_at - self.started_at)
        )

    @property
    def token_interval_ms(self) -> float | None:
        """Return the mean milliseconds per token after the first event, or None without further
        tokens."""
        later_tokens = self.tokens - max(1, self.first_tokens)
        if self.first_token_at is None or self.last_token_at is None or later_tokens <= 0:
            return None
        return 1000 * (self.last_token_at - self.first_token_at) / later_tokens


def _has_text(choice: dict[str, Any]) -> bool:
    return bool(choice.get("text") or choice.get("delta", {}).get("content"))
