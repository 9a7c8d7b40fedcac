"""What commands are written to: a target opens a channel to read, write and read back a value."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

IsConfirmed = Callable[[float | None], bool]


class TargetUnreachable(Exception):
    """The device or its broker does not answer, or refuses the value."""


class TargetAccessDenied(TargetUnreachable):
    """The device or its broker refuses the user, the certificate or the security settings."""


class Channel(Protocol):
    """A connection to a point for one command."""

    async def read(self, within_s: float) -> float | None:
        """Return the current value, None if it is not known in time. Raises TargetUnreachable."""
        ...

    async def write(self, value: float) -> None:
        """Write a value. Raises TargetUnreachable."""
        ...

    async def confirm(self, is_confirmed: IsConfirmed, within_s: float) -> float | None:
        """Read until a value is confirmed or the time is over; return the last one read."""
        ...


class WriteTarget(Protocol):
    """A point that commands may be written to."""

    @property
    def unit(self) -> str:
        """The unit of values at the device."""
        ...

    def open(self) -> AbstractAsyncContextManager[Channel]:
        """Connect. Raises TargetUnreachable."""
        ...
