"""Tracing interfaces and their no-op implementation, used unless a collector is configured."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Protocol

Value = str | int | float | bool
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NULL_CONTEXT = nullcontext()
_NULL_HEADERS_CONTEXT = nullcontext(NO_HEADERS)


class Trace(Protocol):
    """The trace of one call: a span per stage and upstream request."""

    @property
    def id(self) -> str | None:
        """The trace id for logs, or None if the call is not traced."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Context of a stage's span; errors are recorded and raised."""
        ...

    def upstream_request(self, server: str) -> AbstractContextManager[Mapping[str, str]]:
        """Context of an upstream request's span; gives the headers that propagate the trace."""
        ...

    def end(self, name: str, attributes: Mapping[str, Value], error: str | None) -> None:
        """End the call's span with its name, attributes and error code."""
        ...


class NoopTrace:
    """A no-op trace."""

    __slots__ = ()
    id: str | None = None

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return _NULL_CONTEXT

    def upstream_request(self, server: str) -> AbstractContextManager[Mapping[str, str]]:
        """Return a context that yields no headers."""
        return _NULL_HEADERS_CONTEXT

    def end(self, name: str, attributes: Mapping[str, Value], error: str | None) -> None:
        """Do nothing: there is no span to end."""
        return None


NOOP_TRACE = NoopTrace()


class Tracer(Protocol):
    """A process's tracer. `stop` it at the end, or the last spans are lost."""

    async def start(self) -> None:
        """Start exporting spans."""
        ...

    async def stop(self) -> None:
        """Flush pending spans and stop."""
        ...

    def start_call(self, headers: Mapping[bytes, bytes], started_at: float) -> Trace:
        """Start the trace of a call with its request headers and start time (Unix seconds)."""
        ...


class NoopTracer:
    """A tracer that does nothing."""

    async def start(self) -> None:
        """Do nothing: no spans are exported."""
        return None

    async def stop(self) -> None:
        """Do nothing: there are no pending spans."""
        return None

    def start_call(self, headers: Mapping[bytes, bytes], started_at: float) -> Trace:
        """Return the trace that records nothing."""
        return NOOP_TRACE
