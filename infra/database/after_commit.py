"""Callbacks that run after a transaction commits, and never after a rollback."""

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncSession

_CALLBACKS_KEY = "maas.committed"


def run_after_commit(session: AsyncSession, callback: Callable[[], None]) -> None:
    """Register a callback to run after the commit, in order. It must be quick."""
    session.info.setdefault(_CALLBACKS_KEY, []).append(callback)


def run_callbacks(session: AsyncSession) -> None:
    """Run the registered callbacks. Their errors are suppressed: the commit cannot be undone."""
    for callback in session.info.pop(_CALLBACKS_KEY, ()):
        with suppress(Exception):
            callback()
