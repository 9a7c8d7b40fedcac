"""Reads single records for resolutions that are not cached, on connections of their own.

The statement bypasses SQLAlchemy, which takes ten times the CPU time of the driver: a resolution
over three nodes must answer within milliseconds.
"""

import asyncio

from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.records import Access, Disclosure, SignedRecord
from infra.database.direct import DirectConnection

_NEWEST = """
    select version, token, disclosures, ttl_s, withdrawn from node_record
    where identifier = %(identifier)s order by version desc limit 1
"""
_TIMEOUT_S = 5.0


class RecordReader:
    """Reads the newest version of a record. `close` it at the end."""

    def __init__(self, url: str, connections: int = 4) -> None:
        self._connections = [DirectConnection(url, _TIMEOUT_S) for _ in range(connections)]
        self._idle: asyncio.LifoQueue[DirectConnection] = asyncio.LifoQueue()
        for one in self._connections:
            self._idle.put_nowait(one)

    async def newest(self, identifier: Identifier) -> SignedRecord | None:
        """Return the newest version of a record of any owner, None without one.

        Raises DatabaseUnavailable.
        """
        connection = await self._idle.get()
        try:
            return await _newest(connection, identifier)
        finally:
            self._idle.put_nowait(connection)

    async def warm_up(self, identifier: Identifier) -> None:
        """Open and use all connections. Raises DatabaseUnavailable."""
        await asyncio.gather(*(_newest(one, identifier) for one in self._connections))

    async def close(self) -> None:
        """Close all connections."""
        for one in self._connections:
            await one.close()


async def _newest(connection: DirectConnection, identifier: Identifier) -> SignedRecord | None:
    """Return the newest version of a record."""
    rows = await connection.statement(_NEWEST, {"identifier": identifier.text})
    if not rows:
        return None
    version, token, disclosures, ttl_s, withdrawn = rows[0]
    given = tuple(Disclosure(Access(access), text) for access, text in disclosures)
    return SignedRecord(identifier, version, token, given, ttl_s, withdrawn)
