"""Subscribe to variables of an OPC UA server and pass their changes on, with status and time.

Only this module imports asyncua, which is optional (extra `connector`).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from gateway.plant.connector.config import OpcUaConfig
from gateway.plant.readings.filtering.filter import Sample
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.quality import BAD
from infra.clock import Clock
from infra.lazy_import import LazyModule

# Its types are incomplete.
asyncua: Any = LazyModule("asyncua")

AddSample = Callable[[str, Sample], None]
_FIRST_DELAY_S, _MAX_DELAY_S = 1.0, 60.0
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


async def read_server(config: OpcUaConfig, add: AddSample, clock: Clock) -> None:
    """Subscribe to a server until cancelled; connects again after errors."""
    log, delay_s = structlog.get_logger(), _FIRST_DELAY_S
    while True:
        try:
            await _subscribe(config, add, clock)
        except (OSError, TimeoutError, asyncua.ua.UaError) as error:
            log.warning("OPC UA connection lost", url=config.url, error=type(error).__name__)
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, _MAX_DELAY_S)


async def _subscribe(config: OpcUaConfig, add: AddSample, clock: Clock) -> None:
    """Connect, subscribe to all points and wait until the connection ends."""
    async with asyncua.Client(config.url) as client:
        nodes = {client.get_node(point.node): point.tag for point in config.points}
        tags = {node.nodeid: tag for node, tag in nodes.items()}
        changes = _Changes(tags, add, clock)
        subscription = await client.create_subscription(config.interval_ms, changes)
        await subscription.subscribe_data_change(list(nodes))
        while True:
            await asyncio.sleep(_CHECK_S)
            await client.check_connection()
