"""Subscribe to variables of an OPC UA server and pass their changes on, with status and time.

asyncua is optional (extra `connector`).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.plant.connector.opcua_connection import OpcUaConnection, is_denied
from gateway.plant.connector.retrying import Connections
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.quality import BAD
from infra.clock import Clock
from infra.lazy_import import LazyModule

# Its types are incomplete.
asyncua: Any = LazyModule("asyncua")

AddSample = Callable[[str, Sample], None]
_CHECK_S = 5.0


class _Changes:
    """Receives data changes of a subscription (asyncua's handler interface)."""

    def __init__(self, tags: Mapping[Any, str], add: AddSample, clock: Clock) -> None:
        self._tags = tags
        self._add = add
        self._clock = clock

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        """Pass on one change."""
        changed = data.monitored_item.Value
        sample = to_sample(
            value, int(changed.StatusCode.value), changed.SourceTimestamp, self._clock.now()
        )
        self._add(self._tags[node.nodeid], sample)


def to_sample(value: Any, status: int, source_time: datetime | None, now: datetime) -> Sample:
    """Return a data value as a reading; values that are no numbers are missing and bad."""
    moment = now if source_time is None else source_time
    time_us = from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if isinstance(value, bool | int | float) and abs(float(value)) < float("inf"):
        return Sample(time_us, float(value), status)
    return Sample(time_us, None, max(status, BAD))


async def read_server(
    connection: OpcUaConnection, add: AddSample, clock: Clock, connections: Connections
) -> None:
    """Subscribe to a server until cancelled; connects again after errors."""
    errors = (OSError, TimeoutError, asyncua.ua.UaError)
    await connections.keep(
        lambda: _subscribe(connection, add, clock, connections.connected), errors
    )


async def _subscribe(
    connection: OpcUaConnection, add: AddSample, clock: Clock, on_connected: Callable[[], None]
) -> None:
    """Connect, subscribe to all points and wait until the connection ends."""
    config = connection.config
    async with connection.opened() as client:
        nodes = {client.get_node(point.node): point.tag for point in config.points}
        tags = {node.nodeid: tag for node, tag in nodes.items()}
        changes = _Changes(tags, add, clock)
        subscription = await client.create_subscription(config.interval_ms, changes)
        await subscription.subscribe_data_change(list(nodes))
        on_connected()
        while True:
            await asyncio.sleep(_CHECK_S)
            await client.check_connection()


async def check_server(connection: OpcUaConnection) -> str:
    """Connect once and read all variables; return what is wrong, empty if nothing is."""
    config = connection.config
    try:
        async with connection.opened() as client:
            named = [one.node for one in config.points] + [one.node for one in config.commands]
            wrong = [node for node in named if not await _exists(client, node)]
    except (OSError, TimeoutError, ValueError, asyncua.ua.UaError) as error:
        if is_denied(error):
            return f"The server refuses the user, certificate or security settings: {error}."
        return f"No connection: {error or type(error).__name__}."
    return f"These variables do not exist: {', '.join(wrong)}." if wrong else ""


async def _exists(client: Any, node_id: str) -> bool:
    """Whether a server has a variable, with a good value or not."""
    codes = asyncua.ua.StatusCodes
    missing = (codes.BadNodeIdUnknown, codes.BadNodeIdInvalid, codes.BadAttributeIdInvalid)
    try:
        read = await client.get_node(node_id).read_data_value(raise_on_bad_status=False)
    except (ValueError, asyncua.ua.UaError):
        return False
    return read.StatusCode.value not in missing
