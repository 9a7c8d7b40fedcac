"""Compiled statements that all databases of a test process share.

SQLAlchemy compiles each statement once for an engine, and a command of `maas` opens an engine of
its own: its statements would be compiled again in each test, for more time than they run.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import LRUCache

from infra.database import database

_STATEMENTS = 20_000


def share_statements() -> None:
    """Let each new `Database` know the statements that others have compiled."""
    database.create_async_engine = _Shared()  # type: ignore[attr-defined]


class _Shared:
    """Creates engines with one cache, and with one dialect, by which the cache tells them apart.

    It is the dialect of an engine that has connected: only then it knows the server's version.
    """

    def __init__(self) -> None:
        self._dialect: Any = None
        self._cache: LRUCache[Any, Any] = LRUCache(_STATEMENTS)

    def __call__(self, *arguments: Any, **settings: Any) -> AsyncEngine:
        engine = create_async_engine(*arguments, **settings)
        inner: Any = engine.sync_engine
        if self._dialect is None or self._dialect.server_version_info is None:
            self._dialect = inner.dialect
        else:
            inner.dialect = inner.pool._dialect = self._dialect
        inner._compiled_cache = self._cache
        return engine
