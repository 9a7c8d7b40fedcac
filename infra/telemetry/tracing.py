"""Traces: what a call tells of its stages, and to whom: nobody, unless a collector is configured.

Off, a stage costs one context manager that does nothing, and OpenTelemetry is not even loaded.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Protocol

Value = str | int | float | bool
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NOTHING = nullcontext()
_NO_HEADERS = nullcontext(NO_HEADERS)


class Trace(Protocol):
    """What is told of one call while it goes through its stages."""

    @property
    def id(self) -> str | None:
        """The trace's id, for logs; None where it is not traced."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """A block that is one stage. What it raises is said, and raised."""
        ...

    def sending(self, server: str) -> AbstractContextManager[Mapping[str, str]]:
        """A block that asks a server; gives the headers by which it goes on with the trace."""
        ...

    def end(self, name: str, attributes: Mapping[str, Value], error: str | None) -> None:
        """The call has ended: what it was called, what is known of it, and what went wrong."""
        ...


class Untraced:
    """A call that nobody traces."""

    __slots__ = ()
    id: str | None = None

    def stage(self, name: str) -> AbstractContextManager[None]:
        return _NOTHING

    def sending(self, server: str) -> AbstractContextManager[Mapping[str, str]]:
        return _NO_HEADERS

    def end(self, name: str, attributes: Mapping[str, Value], error: str | None) -> None:
        return None


UNTRACED = Untraced()


class Tracer(Protocol):
    """Traces of one process. `stop` it in the end, or the last spans are lost."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def call(self, headers: Mapping[bytes, bytes], started_at: float) -> Trace:
        """A call that came in with these headers at this time, in seconds since 1970."""
        ...


class Silent:
    """Traces nothing."""

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    def call(self, headers: Mapping[bytes, bytes], started_at: float) -> Trace:
        return UNTRACED
