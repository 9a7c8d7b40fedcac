"""Write variables of OPC UA servers, with a connection for each command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.plant.connector.commands.config import NodeCommand
from gateway.plant.connector.commands.targets import (
    Channel,
    IsConfirmed,
    TargetAccessDenied,
    TargetUnreachable,
)
from gateway.plant.connector.opcua_connection import OpcUaConnection, is_denied
from infra.lazy_import import LazyModule

# Its types are incomplete.
asyncua: Any = LazyModule("asyncua")

_CONNECT_S = 10.0
_READ_EVERY_S = 0.1


class OpcUaTarget:
    """A variable of a server."""

    def __init__(self, connection: OpcUaConnection, config: NodeCommand) -> None:
        self._connection = connection
        self._config = config

    @property
    def unit(self) -> str:
        """The unit of the variable."""
        return self._config.unit

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        """Connect to the server. Raises TargetUnreachable, TargetAccessDenied."""
        client = None
        try:
            async with asyncio.timeout(_CONNECT_S):
                client = await self._connection.client()
                await client.connect()
            yield OpcUaChannel(client.get_node(self._config.node))
        except (OSError, TimeoutError, ValueError, asyncua.ua.UaError) as error:
            failure = TargetAccessDenied if is_denied(error) else TargetUnreachable
            raise failure(f"{type(error).__name__}: {error}") from error
        finally:
            if client is not None:
                await _disconnect(client)


class OpcUaChannel:
    """A variable over an open connection."""

    def __init__(self, node: Any) -> None:
        self._node = node

    async def read(self, within_s: float) -> float | None:
        """Return the value, None if its status is not good or it is no number."""
        async with asyncio.timeout(within_s):
            data = await self._node.read_data_value(raise_on_bad_status=False)
        value = data.Value.Value if data.Value is not None else None
        if not data.StatusCode.is_good() or not isinstance(value, bool | int | float):
            return None
        return float(value)

    async def write(self, value: float) -> None:
        """Write a value in the variable's data type. Raises TargetUnreachable."""
        kind = await self._node.read_data_type_as_variant_type()
        variant = asyncua.ua.Variant(_typed(value, kind.name), kind)
        # Many servers refuse writes with a status or times.
        data = asyncua.ua.DataValue(variant)
        await self._node.write_attribute(asyncua.ua.AttributeIds.Value, data)

    async def confirm(self, is_confirmed: IsConfirmed, within_s: float) -> float | None:
        """Read until a value is confirmed or the time is over; return the last one read."""
        read: float | None = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    read = await self.read(within_s)
                    if is_confirmed(read):
                        break
                    await asyncio.sleep(_READ_EVERY_S)
        except TimeoutError:
            pass
        return read


def _typed(value: float, kind: str) -> bool | int | float:
    """Return a value as the data type needs it. Raises TargetUnreachable if it does not fit."""
    if kind in ("Float", "Double"):
        return value
    if kind == "Boolean" and value in (0.0, 1.0):
        return bool(value)
    if kind != "Boolean" and value.is_integer():
        return int(value)
    raise TargetUnreachable(f"{value:g} is no value of the type {kind}")


async def _disconnect(client: Any) -> None:
    """End a connection, also one that was never complete."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            await client.disconnect()
    except (OSError, TimeoutError, asyncua.ua.UaError):
        return
