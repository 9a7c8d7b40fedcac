"""What is to follow a transaction, once it is committed and never where it was rolled back."""

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncSession

_KEY = "maas.committed"


def once_committed(session: AsyncSession, act: Callable[[], None]) -> None:
    """Have it done after the commit, in this order; it must not take long."""
    session.info.setdefault(_KEY, []).append(act)


def follow(session: AsyncSession) -> None:
    """The transaction is committed. What follows cannot undo that, so it may not fail either."""
    for act in session.info.pop(_KEY, ()):
        with suppress(Exception):
            act()
